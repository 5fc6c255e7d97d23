#!/bin/bash -e
. "$TEMPLATE_CONTENT_DIR/distribution.sh"

info "Installing the template's packages"
prepareChroot
rm -f "$INSTALL_DIR/etc/resolv.conf"
[[ ! -e /etc/resolv.conf ]] || cp /etc/resolv.conf "$INSTALL_DIR/etc/resolv.conf"
buildStep "$0" pre
trap cleanup ERR
trap cleanup EXIT
buildStep "$0" "$DIST_CODENAME"
installPackages packages.list
buildStep "$0" packages_installed
aptDistUpgrade
touch "$INSTALL_DIR/$TMPDIR/.prepared_groups"
trap - ERR EXIT
buildStep "$0" post
umount_all
