# shellcheck shell=bash
# shellcheck disable=SC2154  # scripts/test-package sets them
# dpkg is killed at every step of an installation, an upgrade, a downgrade, a removal, a purge and
# an installation over what a removal left: before each command of each script, and at the
# system calls by which dpkg itself changes something. Part of scripts/test-package, whose functions
# these are.
#
# FULL=1 kills at every one of these and repairs every time, otherwise at some of them and now and
# then, evenly spread.
declare -A stride=([scripts]=3 [calls]=37)
each=5
if [[ -n ${FULL-} ]]; then
    stride=([scripts]=1 [calls]=1)
    each=2
fi

# What the manuals name: it gets rid of the gate whatever state the package is in.
way_out=(--remove --force-remove-reinstreq apt-quorum)

# What makes scripts count their commands, and kill dpkg and themselves at the one that /root/kill
# names.
# shellcheck disable=SC2016  # the shell that reads it fills it in
count='sed -i "1c #!/bin/bash\n. /root/count" DEBIAN/p*'

# The counting, which dpkg's scripts source. $PPID is dpkg.
killer() {
    cat >"$machine/root/count" <<'SCRIPT'
set -T
trap 'echo >>/root/counted
    if [ "$(wc -l </root/counted)" = "$(cat /root/kill)" ]; then kill -KILL "$PPID" $$; fi' DEBUG
SCRIPT
    echo 0 >"$machine/root/kill"
}

# enforce: what is confirmed gets in, nothing else. The packages in /root that begin with a digit
# are those under test.
enforce() {
    local etc=$machine/etc/apt-quorum file
    openssl genpkey -algorithm ed25519 -out "$TESTBED_RUN/key.pem" 2>/dev/null
    printf 'name = "tester"\n[[key]]\ntype = "ed25519"\npublic = """\n%s\n"""\n[[endpoint]]\nprotocol = "directory"\nurl = "file:///srv/attestations/"\n' \
        "$(openssl pkey -in "$TESTBED_RUN/key.pem" -pubout)" >"$etc/rebuilders.d/tester.toml"
    mkdir -p "$machine/srv/attestations"
    printf 'mode = "enforce"\nthreshold = 1\n' >"$etc/policy.toml"
    for file in "$machine"/root/[0-9]*.deb; do
        printf '[[exception]]\nsha256 = ["%s"]\nreason = "under test"\nexpires = 2999-01-01\n' \
            "$(sha256sum "$file" | cut -d ' ' -f 1)"
    done >"$etc/exceptions.d/under-test.toml"
}

# A repository with one version of the package, for apt-get --fix-broken.
repository() {
    local place=$machine/srv/repository
    mkdir -p "$place"
    cp "$machine/root/9.6.deb" "$place/apt-quorum.deb"
    {
        dpkg-deb --field "$place/apt-quorum.deb" | sed '/^Description/,$d'
        echo "Filename: ./apt-quorum.deb"
        echo "Size: $(stat -c %s "$place/apt-quorum.deb")"
        echo "SHA256: $(sha256sum "$place/apt-quorum.deb" | cut -d ' ' -f 1)"
        echo "Description: the gate"
    } >"$place/Packages"
    echo 'deb [trusted=yes] file:/srv/repository ./' >"$machine/etc/apt/sources.list"
    apt 0 update
}

# as_it_is PATH: whether there is such a file in the machine, where links lead within it.
as_it_is() {
    local path=$machine$1
    if [[ -L $path && $(readlink "$path") == /* ]]; then path=$machine$(readlink "$path"); fi
    [[ -e $path ]]
}

# Nothing that asks for the program is there without the program.
not_locked() {
    local path name
    for path in "${gates[@]}" apt/apt.conf.d/01apt-quorum-strict; do
        as_it_is "/etc/$path" || continue
        for name in apt-quorum/dpkg-pre-invoke apt-quorum/pre-install-pkgs apt/methods/quorum+http; do
            in_machine test -x "/usr/lib/$name" ||
                wrong "$1: /etc/$path asks for a program that is not there: $name"
        done
    done
}

gate_is_shut() {
    as_it_is /etc/apt/apt.conf.d/00apt-quorum || wrong "$1: apt's gate is open"
    as_it_is /etc/dpkg/dpkg.cfg.d/apt-quorum || wrong "$1: dpkg's gate is open"
    dpkg 2 --install /root/aq-one.deb
    says 'refused: aq-one 1 all'
    gone "$machine/usr/share/aq-one"
}

whole() {
    in_machine dpkg --audit >"$said"
    [[ ! -s $said ]] || wrong "$1: dpkg complains: $(<"$said")"
}

# The documented command, and the package once more, make everything as it should be.
repaired() {
    dpkg 0 "${way_out[@]}"
    no_gate
    dpkg 0 --install /root/aq-two.deb
    apt 0 install ./aq-three.deb
    dpkg 0 --force-confdef --force-confold --install /root/9.6.deb
    whole "$1"
    [[ $2 != enforcing ]] || gate_is_shut "$1"
}

# So does what dpkg and apt themselves propose, in this order. What was killed while it was
# unpacked, the first two leave as it is, whatever package it is.
fixed_by_apt() {
    local options=(-o DPkg::Options::=--force-confdef -o DPkg::Options::=--force-confold) command
    for command in "dpkg --force-confdef --force-confold --configure -a" \
        "apt-get --yes ${options[*]} --fix-broken install"; do
        printf '$ %s\n' "$command"
        # shellcheck disable=SC2086  # words are meant
        in_machine $command 2>&1 | sed 's/^/  /' || true
    done
    # shellcheck disable=SC2016  # dpkg-query fills it in
    if [[ $(in_machine dpkg-query --show --showformat '${db:Status-Eflag}' apt-quorum) == reinstreq ]]; then
        apt 0 "${options[@]}" --allow-downgrades install --reinstall apt-quorum
    fi
    whole "$1"
    not_locked "$1"
}

# killed STATE NAME SHUT COMMAND...: dpkg's command, on a copy of the machine STATE, killed at
# every step. With SHUT "shut" the gate must be at every one. Leaves the number of kills in $kills.
killed() {
    local base=$TESTBED_RUN/$1 name=$2 shut=$3 step code at end=
    local -a inject
    shift 3
    kills=0
    for way in scripts calls; do
        step=1
        while :; do
            machine=$TESTBED_RUN/copy
            "$testbed/overlay" "$base" "$machine"
            at="$name, killed at $way $step"
            inject=()
            rm -f "$machine/root/counted"
            if [[ $way == scripts ]]; then
                echo "$step" >"$machine/root/kill"
            else
                inject=(strace -qq -o /dev/null -e trace=none -e
                    "inject=rename,renameat,renameat2,unlink,unlinkat,link,symlink,mkdir,rmdir,vfork,clone,clone3:signal=KILL:when=$step")
            fi
            code=0
            "${inject[@]}" chroot "$machine" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin \
                HOME=/root LC_ALL=C.UTF-8 dpkg --force-confdef --force-confold "$@" \
                </dev/null >"$said" 2>&1 || code=$?
            if (( code == 137 )); then
                kills=$((kills + 1))
                printf '# %s\n' "$at"
                rm -f "$machine"/root/{kill,counted}
                echo 0 >"$machine/root/kill"
                not_locked "$at"
                [[ $shut != shut ]] || gate_is_shut "$at"
                # The repairs take longer, and each of the two needs a copy of its own.
                case $((kills % each)) in
                    0) repaired "$at" "${shut/shut/enforcing}" ;;
                    1) fixed_by_apt "$at" ;;
                esac
            else
                (( code == 0 )) || wrong "$at: it ended with $code: $(<"$said")"
                end=yes
            fi
            "$testbed/overlay" --drop "$machine"
            [[ -z $end ]] || break
            step=$((step + ${stride[$way]}))
        done
        end=
    done
    (( kills > 5 )) || wrong "$name: only $kills kills"
    printf '# %s: %d kills\n' "$name" "$kills"
}

step "dpkg is killed at every step: the machines"
use_machine packages
for name in one two three; do harmless "aq-$name"; done
first_release "$count" 0.1.0
another 9.6 "$count"
another 9.7 "$count"
killer
for state in installed removed first first-removed none; do
    use_machine "$state"
    cp "$TESTBED_RUN"/packages/root/{count,kill,aq-{one,two,three}.deb,0.1.0.deb,9.6.deb,9.7.deb} \
        "$machine/root"
    case $state in
        first*) dpkg 0 --install /root/0.1.0.deb ;;
        none) ;;
        *) dpkg 0 --install /root/9.6.deb ;;
    esac
    [[ $state == none ]] || enforce
    # The first release and its removal knew nothing of it.
    [[ $state == none || $state == first* ]] ||
        cp "$repo/apt-conf/examples/strict.conf" "$machine/etc/apt/apt.conf.d/01apt-quorum-strict"
    repository
    [[ $state != *removed ]] || dpkg 0 --remove apt-quorum
done

step "killed while it is installed over what a removal left"
killed removed "installation over a removal" '' --install /root/9.6.deb
step "killed while it is removed"
killed installed removal '' --remove apt-quorum
step "killed while it is upgraded from the first release"
killed first "upgrade from the first release" shut --install /root/9.6.deb
step "killed while it is downgraded to the first release"
killed installed downgrade shut --install /root/0.1.0.deb
step "killed while it is installed over what a removal of the first release left"
killed first-removed "installation over a removal of the first release" '' --install /root/9.6.deb
step "killed while it is upgraded"
killed installed upgrade shut --install /root/9.7.deb
step "killed while it is installed over itself"
killed installed "installation over itself" shut --install /root/9.6.deb
step "killed while it is purged"
killed installed purge '' --purge apt-quorum
step "killed while it is purged after it was removed"
killed removed "purge of what a removal left" '' --purge apt-quorum
step "killed while it is installed for the first time"
killed none installation '' --install /root/9.6.deb
