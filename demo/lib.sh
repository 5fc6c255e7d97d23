# shellcheck shell=bash
# What the parts of the demo share. Sourced, never run.
. "$(dirname "${BASH_SOURCE[0]}")/../testbed/lib.sh"

demo=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck disable=SC2034  # used by those who source this
rebuilders=(alpha beta gamma) mirror=$state/mirrors/demo archive_port=18080 other_port=18081

# The clock of the whole demo, across its processes.
export DEMO_STARTED=${DEMO_STARTED:-$(date +%s)}

# stage TITLE: begins a part, and says how long the one before took.
part_started=
stage() {
    stage_ends
    part_started=$(date +%s)
    printf '\n== [%3d s] %s\n' $((part_started - DEMO_STARTED)) "$*"
}

# For the last part of a script: the next one begins in another.
stage_ends() {
    [[ -z $part_started ]] || printf -- '-- took %d s\n' $(($(date +%s) - part_started))
    part_started=
}

# The lines of the scenario, with | between fields and no spaces around them.
steps() {
    sed -e '/^ *#/d' -e '/^ *$/d' -e 's/ *| */|/g' -e 's/ *$//' "$demo/scenario"
}

# package|alpha|beta|gamma, for each package: what the rebuilders do with it.
doings() {
    local packages package a b c
    steps | while IFS='|' read -r packages a b c _; do
        [[ -n $a && $a != = ]] || continue
        for package in $packages; do printf '%s|%s|%s|%s\n' "$package" "$a" "$b" "$c"; done
    done
}

# The packages of the part with four protocols, one a line.
four() { steps | sed -e '1,/^four$/d' -e '/^say /d' | cut -d '|' -f 1; }
