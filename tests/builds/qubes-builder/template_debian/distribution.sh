# shellcheck shell=bash
# What the steps for Debian share. Sourced, never run.
# shellcheck source=tests/builds/qubes-builder/functions.sh
. "$PLUGINS_DIR/functions.sh"

TMPDIR=/var/tmp/builder
APT_GET_OPTIONS=(-o Dpkg::Options::=--force-confnew --yes --no-install-recommends
    -o Acquire::Retries=3 -o APT::Update::Error-Mode=any)
[[ -z $REPO_PROXY ]] || APT_GET_OPTIONS+=(-o "Acquire::http::Proxy=$REPO_PROXY")

chroot_cmd() { chroot "$INSTALL_DIR" "$@"; }

prepareChroot() {
    mount -t tmpfs none "$INSTALL_DIR/run"
    mount -t proc proc "$INSTALL_DIR/proc"
    mount -t sysfs sys "$INSTALL_DIR/sys"
    printf '#!/bin/sh\nexit 101\n' >"$INSTALL_DIR/usr/sbin/policy-rc.d"
    chmod 755 "$INSTALL_DIR/usr/sbin/policy-rc.d"
}

umount_all() {
    local directory
    rm -f "$INSTALL_DIR/usr/sbin/policy-rc.d"
    for directory in sys proc run tmp/qubes_repo; do
        ! mountpoint -q "$INSTALL_DIR/$directory" || umount --recursive "$INSTALL_DIR/$directory"
    done
}

cleanup() {
    local code=$?
    trap - ERR EXIT
    echo "$0: error, unmounting" >&2
    umount_all || true
    exit "$code"
}

aptUpdate() {
    DEBIAN_FRONTEND=noninteractive chroot_cmd apt-get "${APT_GET_OPTIONS[@]}" update
}

# Downloads first, and says what it got before any of it runs.
aptInstall() {
    local code
    chroot_cmd apt-get "${APT_GET_OPTIONS[@]}" --download-only install "$@"
    find "$INSTALL_DIR/var/cache/apt/archives" -name '*.deb' -print0 | xargs -0r sha256sum
    DEBIAN_FRONTEND=noninteractive DEBIAN_PRIORITY=critical DEBCONF_NOWARNINGS=yes \
        chroot_cmd apt-get "${APT_GET_OPTIONS[@]}" install "$@"
    code=$?
    chroot_cmd apt-get "${APT_GET_OPTIONS[@]}" clean
    return "$code"
}

aptDistUpgrade() {
    aptUpdate
    chroot_cmd apt-get "${APT_GET_OPTIONS[@]}" --download-only dist-upgrade
    find "$INSTALL_DIR/var/cache/apt/archives" -name '*.deb' -print0 | xargs -0r sha256sum
    DEBIAN_FRONTEND=noninteractive DEBIAN_PRIORITY=critical DEBCONF_NOWARNINGS=yes \
        chroot_cmd apt-get "${APT_GET_OPTIONS[@]}" dist-upgrade
    chroot_cmd apt-get "${APT_GET_OPTIONS[@]}" clean
}

# installPackages LIST: what stands in a list beside the scripts.
installPackages() {
    local -a packages
    mapfile -t packages <"$TEMPLATE_CONTENT_DIR/$1"
    info "packages: ${packages[*]}"
    aptInstall "${packages[@]}"
}

installQubesRepo() {
    mkdir -p "$INSTALL_DIR/tmp/qubes_repo"
    mount --bind "$PACKAGES_DIR" "$INSTALL_DIR/tmp/qubes_repo"
    echo "deb [trusted=yes] file:/tmp/qubes_repo $DIST_CODENAME main" \
        >"$INSTALL_DIR/etc/apt/sources.list.d/qubes-builder.list"
}

uninstallQubesRepo() {
    umount "$INSTALL_DIR/tmp/qubes_repo"
    rm -f "$INSTALL_DIR/etc/apt/sources.list.d/qubes-builder.list"
}
