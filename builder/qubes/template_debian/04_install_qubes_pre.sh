#!/bin/bash -e
# Before Qubes' own packages, which were built right here and which nobody else rebuilt:
# exceptions for exactly these files.
#
# An exception by origin would not do: the builder's source (deb [trusted=yes]
# file:/tmp/qubes_repo) is unsigned, so the gate believes nothing that it says of itself.
. "$(dirname "$0")/apt-quorum/lib.sh"

# The gate refuses packages from a place where somebody else than root could change them
# after the look, and the builder's repository belongs to a user. So the image gets to see
# a copy, which is mounted over the original until 04_install_qubes_post.sh.
mount_copy() {
    unmount_packages
    copy_repository "$own/packages"
    mount --bind "$own/packages" "$PACKAGES_DIR"
    # However the step ends: the builder could not clean its directory up with a mount in it.
    { tail --pid="$PPID" --follow /dev/null; unmount_packages; } </dev/null >/dev/null 2>&1 &
}

# copy_repository DIR: what apt reads of a repository, its indexes and packages. All the rest can
# be many times larger, and may lead nowhere.
copy_repository() {
    local file
    rm -rf "$1"
    mkdir -p "$1"
    # A loop of links is no reason to end: what is missed then is not there for apt either.
    { (cd "$PACKAGES_DIR" && find -L . -type f \( -name '*.deb' -o -path './dists/*' \) \
        -printf '%P\0') || true; } |
        while IFS= read -r -d '' file; do
            install -D --mode=644 "$PACKAGES_DIR/$file" "$1/$file"
        done
}

[[ -d ${PACKAGES_DIR-} ]] || exit 0
mount_copy
mapfile -d '' packages < <(find "$PACKAGES_DIR" -type f -name '*.deb' -print0 | sort -z)
except_exactly "built for this template" "${packages[@]}"
in_image apt-quorum bootstrap --check >&2 || die "the exceptions for the build cannot be used"
say "${#packages[@]} of this builder's own packages excepted for the time of the build"
