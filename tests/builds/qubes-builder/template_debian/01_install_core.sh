#!/bin/bash -e
. "$TEMPLATE_CONTENT_DIR/distribution.sh"

include=ncurses-term,locales,tasksel,ca-certificates

# Downloads everything, says what it got, and installs it from there: the second run of
# debootstrap has a repository that holds indexes and not one package.
bootstrap() {
    local mirror place release_location dummy
    local -a release_location_candidates
    for mirror in $DEBIAN_MIRRORS; do
        info "debootstrap from $mirror"
        dummy=$INSTALL_DIR/$TMPDIR/dummy-repo/dists/$DIST_CODENAME
        mkdir -p "$INSTALL_DIR/$TMPDIR"
        rm -rf "$INSTALL_DIR/$TMPDIR/dummy-repo"
        mkdir -p "$dummy/main/binary-amd64"
        # Under which of these names debootstrap keeps it depends on its version.
        place=${mirror#*://}
        release_location_candidates=(
            "$INSTALL_DIR/var/lib/apt/lists/${place//\//_}_dists_${DIST_CODENAME}_Release"
            "$INSTALL_DIR/var/lib/apt/lists/debootstrap.invalid_dists_${DIST_CODENAME}_Release"
        )
        debootstrap --arch=amd64 --include="$include" --components=main --download-only \
            --keyring="$DEBOOTSTRAP_KEYRING" "$DIST_CODENAME" "$INSTALL_DIR" "$mirror" && \
        sha256sum "${INSTALL_DIR}/var/cache/apt/archives"/*.deb && \
        for release_location in "${release_location_candidates[@]}"; do
            [[ ! -r $release_location ]] || copy_indexes "${release_location%Release}" "$dummy"
        done && \
        debootstrap --arch=amd64 --include="$include" --components=main \
            --keyring="$DEBOOTSTRAP_KEYRING" "$DIST_CODENAME" "$INSTALL_DIR" \
            "file://$INSTALL_DIR/$TMPDIR/dummy-repo" && \
        echo "deb $mirror $DIST_CODENAME main" >"$INSTALL_DIR/etc/apt/sources.list" && \
        return 0
    done
    return 1
}

# copy_indexes PREFIX DIR: what debootstrap downloaded of indexes.
copy_indexes() {
    local name
    for name in Release InRelease Release.gpg; do
        [[ ! -r $1$name ]] || cp "$1$name" "$2/$name"
    done
    cp "$1main_binary-amd64_Packages" "$2/main/binary-amd64/Packages"
}

buildStep "$0" pre
if [[ ! -f $INSTALL_DIR/$TMPDIR/.prepared_debootstrap ]]; then
    retry=0
    while ! bootstrap; do
        if (( retry <= 3 )); then
            info "debootstrap failed, trying again in a while"
            retry=$((retry + 1))
            sleep "$RETRY_SLEEP"
        else
            info "debootstrap failed too often"
            exit 1
        fi
    done
    chroot_cmd apt-get update || exit 1
    mkdir -p "$INSTALL_DIR/$TMPDIR"
    touch "$INSTALL_DIR/$TMPDIR/.prepared_debootstrap"
fi
buildStep "$0" post
