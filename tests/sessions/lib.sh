# shellcheck shell=bash
# What the parts of the recorded sessions share. Sourced, never run.
. "$(dirname "${BASH_SOURCE[0]}")/../../testbed/lib.sh"

# shellcheck disable=SC2034  # used by those who source this
rebuilders=(alice bob carol) mirror=$state/mirrors/sessions farm=${TESTBED_RUN-}/farm

# What the machines install, beyond what every Debian 13 of the testbed has.
extras() { doings | cut -d '|' -f 1; }

# package|alice|bob|carol: what the rebuilders do with it, in the words of demo/farm. All other
# packages are confirmed by alice and bob.
doings() {
    cat <<'LIST'
tree|copy|copy|-
hello|copy|differ|-
cowsay|-|-|-
bc|copy|copy|other
ed|copy|-|-
LIST
}

# The packages of the Debian 13 of the testbed.
base() {
    # shellcheck disable=SC2016  # dpkg-query fills this in
    dpkg-query --admindir="$("$testbed/chroot" trixie apt)/var/lib/dpkg" --show \
        --showformat '${Package}\n'
}

# what_of PACKAGE FIELD: what the mirror's index says of a package.
what_of() {
    jq -r --arg package "$1" --arg field "$2" \
        '.[] | select(.package == $package) | .[$field]' "$mirror/contents.json"
}
