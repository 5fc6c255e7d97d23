#!/bin/bash -e
. "$TEMPLATE_CONTENT_DIR/distribution.sh"

info "Installing Qubes' packages"
prepareChroot
buildStep "$0" pre
trap cleanup ERR
trap cleanup EXIT
installQubesRepo
aptUpdate
buildStep "$0" "$DIST_CODENAME"
installPackages packages_qubes.list
uninstallQubesRepo
trap - ERR EXIT
buildStep "$0" post
umount_all
