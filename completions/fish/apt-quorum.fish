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
complete -c apt-quorum -n "__fish_apt_quorum_needs_command" -f -a "status" -d 'Show where this machine stands'
complete -c apt-quorum -n "__fish_apt_quorum_needs_command" -f -a "check" -d 'Tell whether packages would pass, before apt is asked to install them'
complete -c apt-quorum -n "__fish_apt_quorum_needs_command" -f -a "explain" -d 'Show the whole judgement on a package, and what would make it pass'
complete -c apt-quorum -n "__fish_apt_quorum_needs_command" -f -a "audit" -d 'Show how every installed package stands'
complete -c apt-quorum -n "__fish_apt_quorum_needs_command" -f -a "attest" -d 'Sign a statement about an image whose packages are all confirmed or excepted'
complete -c apt-quorum -n "__fish_apt_quorum_needs_command" -f -a "verify-image" -d 'Verify an image by a statement about it and evidence, without a network'
complete -c apt-quorum -n "__fish_apt_quorum_needs_command" -f -a "config" -d 'Look at the configuration'
complete -c apt-quorum -n "__fish_apt_quorum_needs_command" -f -a "mode" -d 'Show whether what is not confirmed is refused, or set it'
complete -c apt-quorum -n "__fish_apt_quorum_needs_command" -f -a "operator" -d 'Look at the operators whose word counts, add and remove some'
complete -c apt-quorum -n "__fish_apt_quorum_needs_command" -f -a "exception" -d 'Look at what may pass without a quorum, add some and remove some'
complete -c apt-quorum -n "__fish_apt_quorum_needs_command" -f -a "evidence" -d 'Carry evidence from one machine to another'
complete -c apt-quorum -n "__fish_apt_quorum_needs_command" -f -a "import" -d 'Take over what another program was told to trust'
complete -c apt-quorum -n "__fish_apt_quorum_needs_command" -f -a "bootstrap" -d 'Build a system with debootstrap, of admitted packages only'
complete -c apt-quorum -n "__fish_apt_quorum_needs_command" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand verify" -l config -d 'Use the configuration in this directory' -r -F
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand verify" -l evidence -d 'More attestations: a file that is one, a directory with files called NAME_VERSION_ARCH.deb.* or NAME_VERSION_ARCH.deb/*, or a bundle of them (.tar.gz)' -r -F
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand verify" -l offline -d 'Ask nobody over the network'
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand verify" -l json -d 'Print JSON, as apt-quorum(1) describes it'
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand verify" -s h -l help -d 'Print help'
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand status" -l config -d 'Use the configuration in this directory' -r -F
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand status" -l online -d 'Ask the operators now whether they answer'
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand status" -l json -d 'Print JSON, as apt-quorum(1) describes it'
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand status" -s h -l help -d 'Print help'
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand check" -l config -d 'Use the configuration in this directory' -r -F
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand check" -l upgrades -d 'Check all that apt would upgrade'
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand check" -l offline -d 'Ask nobody over the network'
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand check" -l json -d 'Print JSON, as apt-quorum(1) describes it'
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand check" -s h -l help -d 'Print help'
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand explain" -l config -d 'Use the configuration in this directory' -r -F
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand explain" -l evidence -d 'More attestations, as for verify' -r -F
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand explain" -l offline -d 'Ask nobody over the network'
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand explain" -l json -d 'Print JSON, as apt-quorum(1) describes it'
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand explain" -s h -l help -d 'Print help'
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand audit" -l config -d 'Use the configuration in this directory' -r -F
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand audit" -l root -d 'Audit the system in this directory, such as a mounted image' -r -F
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand audit" -l evidence -d 'More attestations, as for verify' -r -F
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand audit" -l html -d 'Write a page for browsers to this file as well' -r -F
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand audit" -l offline -d 'Ask nobody over the network'
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand audit" -l all -d 'Show confirmed packages as well'
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand audit" -l changes -d 'Say only what changed since the last time, and remember how it is now'
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand audit" -l json -d 'Print JSON, as apt-quorum(1) describes it'
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand audit" -s h -l help -d 'Print help'
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand attest" -l config -d 'Use the configuration in this directory' -r -F
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand attest" -l root -d 'The image, as a directory' -r -F
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand attest" -l key -d 'Sign with the ed25519 key in this file, as openssl genpkey -algorithm ed25519 writes it' -r -F
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand attest" -l output -d 'Write the statement to this file' -r -F
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand attest" -l evidence -d 'More attestations, as for verify' -r -F
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand attest" -l image -d 'The statement is about this file as well, such as the image of a disk' -r -F
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand attest" -l exclude -d 'Leave out what this pattern matches, by its path from the root of the image on' -r
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand attest" -l manifest -d 'Write what is in the tree to this file, a line for each entry' -r -F
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand attest" -l bundle -d 'Write the evidence that verify-image needs to this file, a bundle (.tar.gz)' -r -F
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand attest" -l verifier -d 'Who says it; without this, the key' -r
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand attest" -l resource -d 'What the image is called; without this, after what is in it' -r
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand attest" -l policy-uri -d 'What the policy is called; without this, after its digest' -r
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand attest" -l offline -d 'Ask nobody over the network'
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand attest" -l json -d 'Print JSON, as apt-quorum(1) describes it'
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand attest" -s h -l help -d 'Print help'
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand verify-image" -l config -d 'Use the configuration in this directory' -r -F
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand verify-image" -l key -d 'The public key of whoever signed the statement, in PEM' -r -F
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand verify-image" -l evidence -d 'Attestations, as for verify' -r -F
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand verify-image" -l root -d 'The image, as a directory' -r -F
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand verify-image" -l image -d 'The image, as a file' -r -F
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand verify-image" -l exclude -d 'Agree that the statement leaves this pattern out' -r
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand verify-image" -l manifest -d 'Write what is in the tree to this file, to be compared with the signer\'s' -r -F
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand verify-image" -l verifier -d 'In whose name the statement must be; without this, in the key\'s' -r
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand verify-image" -l resource -d 'What the image must be called' -r
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand verify-image" -l all -d 'Show confirmed packages as well'
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand verify-image" -l json -d 'Print JSON, as apt-quorum(1) describes it'
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand verify-image" -s h -l help -d 'Print help'
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand config; and not __fish_seen_subcommand_from check help" -s h -l help -d 'Print help'
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand config; and not __fish_seen_subcommand_from check help" -f -a "check" -d 'Check the whole configuration and show every mistake'
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand config; and not __fish_seen_subcommand_from check help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand config; and __fish_seen_subcommand_from check" -l config -d 'Use the configuration in this directory' -r -F
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand config; and __fish_seen_subcommand_from check" -s h -l help -d 'Print help'
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand config; and __fish_seen_subcommand_from help" -f -a "check" -d 'Check the whole configuration and show every mistake'
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand config; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand mode" -l config -d 'Use the configuration in this directory' -r -F
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand mode" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand operator; and not __fish_seen_subcommand_from list add add-key refresh remove import-layout help" -s h -l help -d 'Print help'
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand operator; and not __fish_seen_subcommand_from list add add-key refresh remove import-layout help" -f -a "list" -d 'List the operators with their keys and endpoints'
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand operator; and not __fish_seen_subcommand_from list add add-key refresh remove import-layout help" -f -a "add" -d 'Trust an operator: show its keys, ask, and write its file'
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand operator; and not __fish_seen_subcommand_from list add add-key refresh remove import-layout help" -f -a "add-key" -d 'Trust another key of an operator'
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand operator; and not __fish_seen_subcommand_from list add add-key refresh remove import-layout help" -f -a "refresh" -d 'Show which keys operators publish now that are not trusted, and the other way round'
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand operator; and not __fish_seen_subcommand_from list add add-key refresh remove import-layout help" -f -a "remove" -d 'Trust an operator no more: take its file away'
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand operator; and not __fish_seen_subcommand_from list add add-key refresh remove import-layout help" -f -a "import-layout" -d 'Take over an in-toto layout: its keys as operators, and its threshold'
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand operator; and not __fish_seen_subcommand_from list add add-key refresh remove import-layout help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand operator; and __fish_seen_subcommand_from list" -l config -d 'Use the configuration in this directory' -r -F
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand operator; and __fish_seen_subcommand_from list" -l json -d 'Print JSON, as apt-quorum(1) describes it'
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand operator; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help'
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand operator; and __fish_seen_subcommand_from add" -l config -d 'Use the configuration in this directory' -r -F
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand operator; and __fish_seen_subcommand_from add" -l key -d 'Trust the key in this file, PEM or an armoured certificate, and not what endpoints say' -r -F
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand operator; and __fish_seen_subcommand_from add" -l fingerprint -d 'A key that is to be trusted, by the first 32 or more digits of its id' -r
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand operator; and __fish_seen_subcommand_from add" -l name -d 'What to call it, unless a description or the host\'s name says so' -r
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand operator; and __fish_seen_subcommand_from add" -l protocol -d 'What the URL speaks, if that cannot be found out' -r -f -a "rebuilderd\t''
intoto-metadata\t''
directory\t''
archive\t''"
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand operator; and __fish_seen_subcommand_from add" -l suite -d 'Of an archive: the directory below dists/' -r
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand operator; and __fish_seen_subcommand_from add" -l component -d 'Of an archive: a component whose packages count' -r
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand operator; and __fish_seen_subcommand_from add" -l taken-over -d 'Of an archive: where below dists/SUITE/ the list is of what it did not build' -r
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand operator; and __fish_seen_subcommand_from add" -l contact -d 'How to reach the people' -r
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand operator; and __fish_seen_subcommand_from add" -l architecture -d 'Ask it only for packages of this architecture; "all" is one of its own' -r
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand operator; and __fish_seen_subcommand_from add" -l threshold -d 'How many operators must confirm a package from now on' -r
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand operator; and __fish_seen_subcommand_from add" -l yes -d 'Do not ask; every key must have its --fingerprint'
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand operator; and __fish_seen_subcommand_from add" -s h -l help -d 'Print help'
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand operator; and __fish_seen_subcommand_from add-key" -l config -d 'Use the configuration in this directory' -r -F
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand operator; and __fish_seen_subcommand_from add-key" -l key -d 'Trust the key in this file, PEM or an armoured certificate, and not what endpoints say' -r -F
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand operator; and __fish_seen_subcommand_from add-key" -l fingerprint -d 'A key that is to be trusted, by the first 32 or more digits of its id' -r
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand operator; and __fish_seen_subcommand_from add-key" -l yes -d 'Do not ask; every key must have its --fingerprint'
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand operator; and __fish_seen_subcommand_from add-key" -s h -l help -d 'Print help'
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand operator; and __fish_seen_subcommand_from refresh" -l config -d 'Use the configuration in this directory' -r -F
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand operator; and __fish_seen_subcommand_from refresh" -l json -d 'Print JSON, as apt-quorum(1) describes it'
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand operator; and __fish_seen_subcommand_from refresh" -s h -l help -d 'Print help'
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand operator; and __fish_seen_subcommand_from remove" -l config -d 'Use the configuration in this directory' -r -F
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand operator; and __fish_seen_subcommand_from remove" -l yes -d 'Do not ask'
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand operator; and __fish_seen_subcommand_from remove" -s h -l help -d 'Print help'
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand operator; and __fish_seen_subcommand_from import-layout" -l key -d 'A key with which the layout must be signed; with several, with each of them' -r -F
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand operator; and __fish_seen_subcommand_from import-layout" -l certificate -d 'A certificate of a key of the layout, which has only its numbers' -r -F
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand operator; and __fish_seen_subcommand_from import-layout" -l operator -d 'Whose a key of the layout is; keys with the same name are one operator' -r
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand operator; and __fish_seen_subcommand_from import-layout" -l url -d 'Where the links of the step are: a tree as PackageRebuilder makes it' -r
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand operator; and __fish_seen_subcommand_from import-layout" -l config -d 'Use the configuration in this directory' -r -F
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand operator; and __fish_seen_subcommand_from import-layout" -l replace -d 'Set the threshold although the policy has another one'
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand operator; and __fish_seen_subcommand_from import-layout" -l yes -d 'Write without asking'
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand operator; and __fish_seen_subcommand_from import-layout" -s h -l help -d 'Print help'
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand operator; and __fish_seen_subcommand_from help" -f -a "list" -d 'List the operators with their keys and endpoints'
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand operator; and __fish_seen_subcommand_from help" -f -a "add" -d 'Trust an operator: show its keys, ask, and write its file'
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand operator; and __fish_seen_subcommand_from help" -f -a "add-key" -d 'Trust another key of an operator'
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand operator; and __fish_seen_subcommand_from help" -f -a "refresh" -d 'Show which keys operators publish now that are not trusted, and the other way round'
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand operator; and __fish_seen_subcommand_from help" -f -a "remove" -d 'Trust an operator no more: take its file away'
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand operator; and __fish_seen_subcommand_from help" -f -a "import-layout" -d 'Take over an in-toto layout: its keys as operators, and its threshold'
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand operator; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand exception; and not __fish_seen_subcommand_from add list remove help" -s h -l help -d 'Print help'
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand exception; and not __fish_seen_subcommand_from add list remove help" -f -a "add" -d 'Let packages through without a quorum until a day, for a reason'
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand exception; and not __fish_seen_subcommand_from add list remove help" -f -a "list" -d 'List the exceptions with the days that are left'
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand exception; and not __fish_seen_subcommand_from add list remove help" -f -a "remove" -d 'Take an exception away'
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand exception; and not __fish_seen_subcommand_from add list remove help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand exception; and __fish_seen_subcommand_from add" -l config -d 'Use the configuration in this directory' -r -F
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand exception; and __fish_seen_subcommand_from add" -l package -d 'Only packages whose name this pattern matches, with * and ?' -r
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand exception; and __fish_seen_subcommand_from add" -l version -d 'Only versions that this pattern matches' -r
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand exception; and __fish_seen_subcommand_from add" -l source -d 'Only packages whose source package\'s name this pattern matches' -r
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand exception; and __fish_seen_subcommand_from add" -l architecture -d 'Only packages of this architecture; "all" is one of its own' -r
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand exception; and __fish_seen_subcommand_from add" -l sha256 -d 'Only the file with this SHA-256' -r
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand exception; and __fish_seen_subcommand_from add" -l origin -d 'Only packages that an archive with this Origin lists' -r
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand exception; and __fish_seen_subcommand_from add" -l label -d 'Only packages that an archive with this Label lists' -r
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand exception; and __fish_seen_subcommand_from add" -l suite -d 'Only packages that an archive with this Suite lists' -r
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand exception; and __fish_seen_subcommand_from add" -l codename -d 'Only packages that an archive with this Codename lists' -r
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand exception; and __fish_seen_subcommand_from add" -l component -d 'Only packages that an archive lists in this component' -r
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand exception; and __fish_seen_subcommand_from add" -l site -d 'Only packages that an archive on this host lists' -r
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand exception; and __fish_seen_subcommand_from add" -l reason -d 'Why they may pass without a quorum' -r
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand exception; and __fish_seen_subcommand_from add" -l expires -d 'The first day on which they may not any more, as 2027-03-01' -r
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand exception; and __fish_seen_subcommand_from add" -l days -d 'For how many days from today they may' -r
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand exception; and __fish_seen_subcommand_from add" -l file -d 'The file in exceptions.d to write to' -r
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand exception; and __fish_seen_subcommand_from add" -s h -l help -d 'Print help'
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand exception; and __fish_seen_subcommand_from list" -l config -d 'Use the configuration in this directory' -r -F
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand exception; and __fish_seen_subcommand_from list" -l json -d 'Print JSON, as apt-quorum(1) describes it'
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand exception; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help'
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand exception; and __fish_seen_subcommand_from remove" -l config -d 'Use the configuration in this directory' -r -F
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand exception; and __fish_seen_subcommand_from remove" -l yes -d 'Do not ask'
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand exception; and __fish_seen_subcommand_from remove" -s h -l help -d 'Print help'
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand exception; and __fish_seen_subcommand_from help" -f -a "add" -d 'Let packages through without a quorum until a day, for a reason'
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand exception; and __fish_seen_subcommand_from help" -f -a "list" -d 'List the exceptions with the days that are left'
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand exception; and __fish_seen_subcommand_from help" -f -a "remove" -d 'Take an exception away'
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand exception; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
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
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand import; and not __fish_seen_subcommand_from apt-transport-in-toto repro-threshold help" -s h -l help -d 'Print help'
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand import; and not __fish_seen_subcommand_from apt-transport-in-toto repro-threshold help" -f -a "apt-transport-in-toto" -d 'Take over apt-transport-in-toto\'s settings, with the layout that they name'
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand import; and not __fish_seen_subcommand_from apt-transport-in-toto repro-threshold help" -f -a "repro-threshold" -d 'Take over repro-threshold\'s rebuilders, threshold and exemptions'
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand import; and not __fish_seen_subcommand_from apt-transport-in-toto repro-threshold help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand import; and __fish_seen_subcommand_from apt-transport-in-toto" -l from -d 'Read this file of apt\'s configuration alone, and not all that apt reads' -r -F
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand import; and __fish_seen_subcommand_from apt-transport-in-toto" -l key -d 'A key with which the layout must be signed; with several, with each of them' -r -F
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand import; and __fish_seen_subcommand_from apt-transport-in-toto" -l certificate -d 'A certificate of a key of the layout, which has only its numbers' -r -F
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand import; and __fish_seen_subcommand_from apt-transport-in-toto" -l operator -d 'Whose a key of the layout is; keys with the same name are one operator' -r
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand import; and __fish_seen_subcommand_from apt-transport-in-toto" -l mode -d 'What happens to packages that are not confirmed; without it, what the policy says already' -r -f -a "enforce\t'Refuse them'
warn\t'Let them through and warn'"
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand import; and __fish_seen_subcommand_from apt-transport-in-toto" -l config -d 'Use the configuration in this directory' -r -F
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand import; and __fish_seen_subcommand_from apt-transport-in-toto" -l replace -d 'Set the threshold although the policy has another one'
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand import; and __fish_seen_subcommand_from apt-transport-in-toto" -l yes -d 'Write without asking'
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand import; and __fish_seen_subcommand_from apt-transport-in-toto" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand import; and __fish_seen_subcommand_from repro-threshold" -l from -d 'Its configuration' -r -F
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand import; and __fish_seen_subcommand_from repro-threshold" -l expires -d 'The first day on which the exceptions no longer hold, as 2027-03-01; without it, in 90 days' -r
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand import; and __fish_seen_subcommand_from repro-threshold" -l config -d 'Use the configuration in this directory' -r -F
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand import; and __fish_seen_subcommand_from repro-threshold" -l replace -d 'Set the threshold although the policy has another one'
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand import; and __fish_seen_subcommand_from repro-threshold" -l yes -d 'Write without asking'
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand import; and __fish_seen_subcommand_from repro-threshold" -s h -l help -d 'Print help'
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand import; and __fish_seen_subcommand_from help" -f -a "apt-transport-in-toto" -d 'Take over apt-transport-in-toto\'s settings, with the layout that they name'
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand import; and __fish_seen_subcommand_from help" -f -a "repro-threshold" -d 'Take over repro-threshold\'s rebuilders, threshold and exemptions'
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand import; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand bootstrap" -l config -d 'Use the configuration in this directory' -r -F
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand bootstrap" -l evidence -d 'More attestations, as for verify' -r -F
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand bootstrap" -l receipts -d 'Keep receipts in this directory, and not in TARGET/var/lib/apt-quorum' -r -F
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand bootstrap" -l archives -d 'Only judge every *.deb in this directory, from which they are going to be unpacked' -r -F
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand bootstrap" -l lists -d 'With --archives: apt\'s verified indexes, for rules and exceptions that go by the archive' -r -F
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand bootstrap" -l offline -d 'Ask nobody over the network'
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand bootstrap" -l json -d 'Print the decisions as JSON, as apt-quorum(1) describes it'
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand bootstrap" -l no-receipts -d 'Keep no receipts'
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand bootstrap" -l check -d 'Only say whether the configuration is one to build with'
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand bootstrap" -s h -l help -d 'Print help'
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand help; and not __fish_seen_subcommand_from verify status check explain audit attest verify-image config mode operator exception evidence import bootstrap help" -f -a "verify" -d 'Judge .deb files as an installation would'
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand help; and not __fish_seen_subcommand_from verify status check explain audit attest verify-image config mode operator exception evidence import bootstrap help" -f -a "status" -d 'Show where this machine stands'
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand help; and not __fish_seen_subcommand_from verify status check explain audit attest verify-image config mode operator exception evidence import bootstrap help" -f -a "check" -d 'Tell whether packages would pass, before apt is asked to install them'
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand help; and not __fish_seen_subcommand_from verify status check explain audit attest verify-image config mode operator exception evidence import bootstrap help" -f -a "explain" -d 'Show the whole judgement on a package, and what would make it pass'
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand help; and not __fish_seen_subcommand_from verify status check explain audit attest verify-image config mode operator exception evidence import bootstrap help" -f -a "audit" -d 'Show how every installed package stands'
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand help; and not __fish_seen_subcommand_from verify status check explain audit attest verify-image config mode operator exception evidence import bootstrap help" -f -a "attest" -d 'Sign a statement about an image whose packages are all confirmed or excepted'
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand help; and not __fish_seen_subcommand_from verify status check explain audit attest verify-image config mode operator exception evidence import bootstrap help" -f -a "verify-image" -d 'Verify an image by a statement about it and evidence, without a network'
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand help; and not __fish_seen_subcommand_from verify status check explain audit attest verify-image config mode operator exception evidence import bootstrap help" -f -a "config" -d 'Look at the configuration'
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand help; and not __fish_seen_subcommand_from verify status check explain audit attest verify-image config mode operator exception evidence import bootstrap help" -f -a "mode" -d 'Show whether what is not confirmed is refused, or set it'
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand help; and not __fish_seen_subcommand_from verify status check explain audit attest verify-image config mode operator exception evidence import bootstrap help" -f -a "operator" -d 'Look at the operators whose word counts, add and remove some'
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand help; and not __fish_seen_subcommand_from verify status check explain audit attest verify-image config mode operator exception evidence import bootstrap help" -f -a "exception" -d 'Look at what may pass without a quorum, add some and remove some'
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand help; and not __fish_seen_subcommand_from verify status check explain audit attest verify-image config mode operator exception evidence import bootstrap help" -f -a "evidence" -d 'Carry evidence from one machine to another'
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand help; and not __fish_seen_subcommand_from verify status check explain audit attest verify-image config mode operator exception evidence import bootstrap help" -f -a "import" -d 'Take over what another program was told to trust'
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand help; and not __fish_seen_subcommand_from verify status check explain audit attest verify-image config mode operator exception evidence import bootstrap help" -f -a "bootstrap" -d 'Build a system with debootstrap, of admitted packages only'
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand help; and not __fish_seen_subcommand_from verify status check explain audit attest verify-image config mode operator exception evidence import bootstrap help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand help; and __fish_seen_subcommand_from config" -f -a "check" -d 'Check the whole configuration and show every mistake'
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand help; and __fish_seen_subcommand_from operator" -f -a "list" -d 'List the operators with their keys and endpoints'
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand help; and __fish_seen_subcommand_from operator" -f -a "add" -d 'Trust an operator: show its keys, ask, and write its file'
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand help; and __fish_seen_subcommand_from operator" -f -a "add-key" -d 'Trust another key of an operator'
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand help; and __fish_seen_subcommand_from operator" -f -a "refresh" -d 'Show which keys operators publish now that are not trusted, and the other way round'
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand help; and __fish_seen_subcommand_from operator" -f -a "remove" -d 'Trust an operator no more: take its file away'
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand help; and __fish_seen_subcommand_from operator" -f -a "import-layout" -d 'Take over an in-toto layout: its keys as operators, and its threshold'
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand help; and __fish_seen_subcommand_from exception" -f -a "add" -d 'Let packages through without a quorum until a day, for a reason'
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand help; and __fish_seen_subcommand_from exception" -f -a "list" -d 'List the exceptions with the days that are left'
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand help; and __fish_seen_subcommand_from exception" -f -a "remove" -d 'Take an exception away'
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand help; and __fish_seen_subcommand_from evidence" -f -a "export" -d 'Write the attestations that are on this machine to a bundle or a tree'
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand help; and __fish_seen_subcommand_from evidence" -f -a "import" -d 'Take attestations from a bundle or a tree into the cache'
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand help; and __fish_seen_subcommand_from evidence" -f -a "fetch" -d 'Ask all operators about packages, so that their attestations are in the cache'
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand help; and __fish_seen_subcommand_from import" -f -a "apt-transport-in-toto" -d 'Take over apt-transport-in-toto\'s settings, with the layout that they name'
complete -c apt-quorum -n "__fish_apt_quorum_using_subcommand help; and __fish_seen_subcommand_from import" -f -a "repro-threshold" -d 'Take over repro-threshold\'s rebuilders, threshold and exemptions'
