#!/bin/bash -e
. "$TEMPLATE_CONTENT_DIR/distribution.sh"

info "Preparing the directories"
buildStep "$0" pre
mkdir -p "$INSTALL_DIR" "$CACHE_DIR"
buildStep "$0" post
