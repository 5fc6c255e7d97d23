# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_apt_quorum_global_optspecs
    string join \n h/help V/version
end

function __fish_apt_quorum_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_apt_quorum_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_apt_quorum_using_subcommand
    set -l cmd (__fish_apt_quorum_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c apt-quorum -n "__fish_apt_quorum_needs_command" -s h -l help -d 'Print help'
complete -c apt-quorum -n "__fish_apt_quorum_needs_command" -s V -l version -d 'Print version'
complete -c apt-quorum -n "__fish_apt_quorum_needs_command" -f -a "verify" -d 'Judge .deb files as an installation would'
complete -c apt-quorum -n "__fish_apt_quorum_needs_command" -f -a "config" -d 'Look at the configuration'
complete -c apt-quorum -n "__fish_apt_quorum_needs_command" -f -a "operator" -d 'Look at the operators whose word counts'
complete -c apt-quorum -n "__fish_apt_quorum_needs_command" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand verify" -l config -d 'Use the configuration in this directory' -r -F
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand verify" -l evidence -d 'More attestations: a file that is one, or a directory with files called NAME_VERSION_ARCH.deb.* or NAME_VERSION_ARCH.deb/*' -r -F
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand verify" -l offline -d 'Ask nobody over the network'
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand verify" -l json -d 'Print JSON, as apt-quorum(1) describes it'
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand verify" -s h -l help -d 'Print help'
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand config; and not __fish_seen_subcommand_from check help" -s h -l help -d 'Print help'
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand config; and not __fish_seen_subcommand_from check help" -f -a "check" -d 'Check the whole configuration and show every mistake'
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand config; and not __fish_seen_subcommand_from check help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand config; and __fish_seen_subcommand_from check" -l config -d 'Use the configuration in this directory' -r -F
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand config; and __fish_seen_subcommand_from check" -s h -l help -d 'Print help'
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand config; and __fish_seen_subcommand_from help" -f -a "check" -d 'Check the whole configuration and show every mistake'
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand config; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand operator; and not __fish_seen_subcommand_from list help" -s h -l help -d 'Print help'
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand operator; and not __fish_seen_subcommand_from list help" -f -a "list" -d 'List the operators with their keys and endpoints'
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand operator; and not __fish_seen_subcommand_from list help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand operator; and __fish_seen_subcommand_from list" -l config -d 'Use the configuration in this directory' -r -F
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand operator; and __fish_seen_subcommand_from list" -l json -d 'Print JSON, as apt-quorum(1) describes it'
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand operator; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help'
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand operator; and __fish_seen_subcommand_from help" -f -a "list" -d 'List the operators with their keys and endpoints'
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand operator; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand help; and not __fish_seen_subcommand_from verify config operator help" -f -a "verify" -d 'Judge .deb files as an installation would'
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand help; and not __fish_seen_subcommand_from verify config operator help" -f -a "config" -d 'Look at the configuration'
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand help; and not __fish_seen_subcommand_from verify config operator help" -f -a "operator" -d 'Look at the operators whose word counts'
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand help; and not __fish_seen_subcommand_from verify config operator help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand help; and __fish_seen_subcommand_from config" -f -a "check" -d 'Check the whole configuration and show every mistake'
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand help; and __fish_seen_subcommand_from operator" -f -a "list" -d 'List the operators with their keys and endpoints'
