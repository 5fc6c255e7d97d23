#!/bin/bash -e
# Before anything is downloaded: what could not end well ends here.
. "$(dirname "$0")/apt-quorum/lib.sh"

# The builder hands all mirrors over as one word, which debootstrap takes for one address.
read -r -a mirrors <<<"${DEBIAN_MIRRORS-}"
(( ${#mirrors[@]} <= 1 )) ||
    die "builder.yml names more than one mirror for this template: ${mirrors[*]}"
all_in_place
find_program
find_package
take_configuration
