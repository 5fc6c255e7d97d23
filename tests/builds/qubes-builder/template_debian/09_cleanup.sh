#!/bin/bash -e
. "$TEMPLATE_CONTENT_DIR/distribution.sh"

info "Cleaning up"
buildStep "$0" pre
rm -rf "$INSTALL_DIR/var/cache/apt/archives"
rm -f "$INSTALL_DIR"/var/cache/apt/{pkgcache,srcpkgcache}.bin
rm -f "$INSTALL_DIR/etc/apt/sources.list.d/qubes-builder.list"
rm -rf "${INSTALL_DIR:?}/$TMPDIR"
buildStep "$0" post
