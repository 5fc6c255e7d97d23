#!/bin/bash -e
# After Qubes' own packages: the builder's repository is what it was.
. "$(dirname "$0")/apt-quorum/lib.sh"

unmount_packages
