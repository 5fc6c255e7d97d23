# Completions of apt-quorum for fish. What could come next, the program itself tells
# (apt-quorum complete); here its answer is only shown, and nothing in it is expanded.

function __apt_quorum_complete
    set -l words (commandline -opc)
    set -e words[1]
    set -l current (commandline -ct)
    for answer in (apt-quorum complete -- $words "$current" 2>/dev/null)
        if test "$answer" = \t
            __fish_complete_path "$current"
        else
            printf '%s\n' $answer
        end
    end
end

complete -c apt-quorum -f -a '(__apt_quorum_complete)'
