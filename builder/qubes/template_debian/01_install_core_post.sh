#!/bin/bash -e
# After debootstrap: judges the same packages once more, which are still in the cache. With
# a builder that is not patched this is the first look at them: they have run already, but
# there will be no image.
exec "$(dirname "$0")/apt-quorum/check-archives"
