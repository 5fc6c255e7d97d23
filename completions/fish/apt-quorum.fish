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
complete -c apt-quorum -n "__fish_apt_quorum_needs_command" -f -a "evidence" -d 'Carry evidence from one machine to another'
complete -c apt-quorum -n "__fish_apt_quorum_needs_command" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand verify" -l config -d 'Use the configuration in this directory' -r -F
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand verify" -l evidence -d 'More attestations: a file that is one, a directory with files called NAME_VERSION_ARCH.deb.* or NAME_VERSION_ARCH.deb/*, or a bundle of them (.tar.gz)' -r -F
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
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand evidence; and not __fish_seen_subcommand_from export import fetch help" -s h -l help -d 'Print help'
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand evidence; and not __fish_seen_subcommand_from export import fetch help" -f -a "export" -d 'Write the attestations that are on this machine to a bundle or a tree'
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand evidence; and not __fish_seen_subcommand_from export import fetch help" -f -a "import" -d 'Take attestations from a bundle or a tree into the cache'
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand evidence; and not __fish_seen_subcommand_from export import fetch help" -f -a "fetch" -d 'Ask all operators about packages, so that their attestations are in the cache'
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand evidence; and not __fish_seen_subcommand_from export import fetch help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand evidence; and __fish_seen_subcommand_from export" -l config -d 'Use the configuration in this directory' -r -F
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand evidence; and __fish_seen_subcommand_from export" -l output -d 'Where to: a bundle, or a tree if it ends in a slash' -r -F
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand evidence; and __fish_seen_subcommand_from export" -l json -d 'Print JSON, as apt-quorum(1) describes it'
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand evidence; and __fish_seen_subcommand_from export" -s h -l help -d 'Print help'
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand evidence; and __fish_seen_subcommand_from import" -l config -d 'Use the configuration in this directory' -r -F
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand evidence; and __fish_seen_subcommand_from import" -l json -d 'Print JSON, as apt-quorum(1) describes it'
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand evidence; and __fish_seen_subcommand_from import" -s h -l help -d 'Print help'
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand evidence; and __fish_seen_subcommand_from fetch" -l config -d 'Use the configuration in this directory' -r -F
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand evidence; and __fish_seen_subcommand_from fetch" -l for -d 'Ask about the package in this file' -r -F
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand evidence; and __fish_seen_subcommand_from fetch" -l packages -d 'Ask about the packages in this list, with NAME VERSION ARCH or NAME=VERSION in each line' -r -F
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand evidence; and __fish_seen_subcommand_from fetch" -l output -d 'Write what is known about these packages to a bundle, or to a tree if it ends in a slash' -r -F
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand evidence; and __fish_seen_subcommand_from fetch" -l upgrades -d 'Ask about all that apt would upgrade'
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand evidence; and __fish_seen_subcommand_from fetch" -l json -d 'Print JSON, as apt-quorum(1) describes it'
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand evidence; and __fish_seen_subcommand_from fetch" -s h -l help -d 'Print help'
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand evidence; and __fish_seen_subcommand_from help" -f -a "export" -d 'Write the attestations that are on this machine to a bundle or a tree'
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand evidence; and __fish_seen_subcommand_from help" -f -a "import" -d 'Take attestations from a bundle or a tree into the cache'
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand evidence; and __fish_seen_subcommand_from help" -f -a "fetch" -d 'Ask all operators about packages, so that their attestations are in the cache'
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand evidence; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand help; and not __fish_seen_subcommand_from verify config operator evidence help" -f -a "verify" -d 'Judge .deb files as an installation would'
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand help; and not __fish_seen_subcommand_from verify config operator evidence help" -f -a "config" -d 'Look at the configuration'
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand help; and not __fish_seen_subcommand_from verify config operator evidence help" -f -a "operator" -d 'Look at the operators whose word counts'
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand help; and not __fish_seen_subcommand_from verify config operator evidence help" -f -a "evidence" -d 'Carry evidence from one machine to another'
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand help; and not __fish_seen_subcommand_from verify config operator evidence help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand help; and __fish_seen_subcommand_from config" -f -a "check" -d 'Check the whole configuration and show every mistake'
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand help; and __fish_seen_subcommand_from operator" -f -a "list" -d 'List the operators with their keys and endpoints'
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand help; and __fish_seen_subcommand_from evidence" -f -a "export" -d 'Write the attestations that are on this machine to a bundle or a tree'
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand help; and __fish_seen_subcommand_from evidence" -f -a "import" -d 'Take attestations from a bundle or a tree into the cache'
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand help; and __fish_seen_subcommand_from evidence" -f -a "fetch" -d 'Ask all operators about packages, so that their attestations are in the cache'
