#!/bin/bash -e
# Before Qubes' own packages, which were built right here and which nobody else rebuilt:
# exceptions for exactly these files.
#
# An exception by origin would not do: the builder's source (deb [trusted=yes]
# file:/tmp/qubes_repo) is unsigned, so the gate believes nothing that it says of itself.
. "$(dirname "$0")/lib.sh"

# The gate refuses packages from a place where somebody else than root could change them
# after the look, and the builder's repository belongs to a user. So the image gets to see
# a copy, which is mounted over the original until 04_install_qubes_post.sh.
mount_copy() {
    local copy=$own/packages
    mkdir -p "$own"
    unmount_packages
    rm -rf "$copy"
    cp -rL --no-preserve=all "$PACKAGES_DIR" "$copy"
    mount --bind "$copy" "$PACKAGES_DIR"
    touch "$own/mounted"
}

[[ -d ${PACKAGES_DIR-} ]] || exit 0
mount_copy
mapfile -d '' packages < <(find "$PACKAGES_DIR" -type f -name '*.deb' -print0 | sort -z)
except_exactly "built for this template" "${packages[@]}"
in_image apt-quorum bootstrap --check >&2 || die "the exceptions for the build cannot be used"
say "${#packages[@]} of this builder's own packages excepted for the time of the build"
