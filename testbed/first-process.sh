# shellcheck shell=bash
# The first process inside testbed/enter: makes loopback and the scratch space
# ready, then reaps whatever the command leaves behind until it ends.
set -euo pipefail

mount -t tmpfs -o mode=0755,nosuid,nodev testbed "$TESTBED_RUN"
[[ $TESTBED_NET == machine ]] || ip link set lo up

# Not exec: a first process ignores the signals that it does not handle.
code=0
"$@" || code=$?
exit "$code"
