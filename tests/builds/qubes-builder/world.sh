# shellcheck shell=bash
# shellcheck disable=SC2154  # suite, machine, rebuilders and testbed are those of tests/builds/lib.sh
# What it takes to have the stand-in build a template, for the test and the demo: an archive,
# rebuilders, and the builder's own files. Sourced behind tests/builds/lib.sh, never run.

port=8080
archive=http://127.0.0.1:$port/debian
# shellcheck disable=SC2034  # configure reads it
endpoints=http://127.0.0.1:$port/rebuilders

# What 01_install_core.sh has debootstrap install, and packages.list apt.
include=ncurses-term,locales,tasksel,ca-certificates
later=tree

# The executor's user, to whom everything belongs that the builder brings along.
builder=1000

# Everything that the builds install, from the machine's own mirror. From then on there is
# nobody but this machine to talk to.
download() {
    in_machine debootstrap --download-only --include="$include,$later" "$suite" \
        /srv/build/download "$("$testbed/mirror")"
    rm -f "$machine/etc/resolv.conf"
}

# The package that the drop-in puts into images. With APT_QUORUM_PROGRAM it is put together
# from the source tree.
gate_package() {
    local tree=$TESTBED_RUN/gate name
    if [[ -z ${APT_QUORUM_PROGRAM-} ]]; then
        echo "$APT_QUORUM_DEB"
        return
    fi
    mkdir -p "$tree/DEBIAN"
    install_gate "$tree"
    printf '%s\n' 'Package: apt-quorum' 'Version: 0' "Architecture: $(architecture)" \
        'Depends: apt, ca-certificates' 'Maintainer: nobody <nobody@localhost.invalid>' \
        'Description: the gate under test' >"$tree/DEBIAN/control"
    (cd "$tree" && find etc -type f -printf '/%p\n') >"$tree/DEBIAN/conffiles"
    for name in preinst postinst prerm postrm; do
        install -m 755 "debian/apt-quorum.$name" "$tree/DEBIAN/$name"
    done
    dpkg-deb --root-owner-group -Znone --build "$tree" "$TESTBED_RUN/apt-quorum_0_test.deb" >/dev/null
    rm -r "$tree"
    echo "$TESTBED_RUN/apt-quorum_0_test.deb"
}

# static_program DIR: puts apt-quorum-static there if its package was made along with the one
# under test. Otherwise the builds judge with the machine's own program.
static_program() {
    local package
    [[ -z ${APT_QUORUM_PROGRAM-} ]] || return 0
    for package in "${APT_QUORUM_DEB%/*}"/apt-quorum-static_*.deb; do
        [[ ! -f $package ]] || dpkg-deb --fsys-tarfile "$package" |
            tar --extract --directory "$1" --strip-components 3 ./usr/bin/apt-quorum-static
    done
}

# An archive with all that was downloaded, and: aq-required, which debootstrap installs
# everywhere, and aq-later, which nobody confirms. Qubes' own repository has one package, which
# nobody confirms either, and no signature. All is served from then on.
make_archives() {
    local packages=$TESTBED_RUN/packages
    make_package "$packages" aq-required 'Priority: required' 'Section: misc'
    make_package "$packages" aq-later
    make_archive /srv/archive "$machine"/srv/build/download/var/cache/apt/archives/*.deb \
        "$packages"/*.deb
    rm -rf "$machine/srv/build/download"
    configure /etc/apt-quorum
    confirm "$machine"/srv/archive/pool/*.deb
    forget aq-later

    make_package "$TESTBED_RUN/qubes" qubes-core-agent
    make_archive /builder/repository "$TESTBED_RUN/qubes/qubes-core-agent_1_all.deb"
    rm "$machine/builder/repository/dists/$suite/InRelease"
    "$testbed/serve" "$port" debian="$machine/srv/archive" rebuilders="$rebuilders" >/dev/null
}

# The builder's own files with the drop-in in them, as its README says. The configuration is
# the one that make_archives left in /etc/apt-quorum.
make_builder() {
    local sources=$machine/builder/sources/builder-debian option
    content=/builder/sources/builder-debian/template_debian
    option=$machine$content/apt-quorum
    mkdir -p "$machine/builder/artifacts" "$machine/builder/cache" "$sources"
    cp -r tests/builds/qubes-builder "$machine/builder/plugins"
    mv "$machine/builder/plugins/template_debian" "$sources"
    cp -r builder/qubes/template_debian/. "$machine$content"
    cp "$(gate_package)" "$option/apt-quorum_0_test.deb"
    static_program "$option"
    patch --quiet --strip=1 --directory="$sources" <builder/qubes/builder-debian.patch
    mv "$machine/etc/apt-quorum" "$option/configuration"
    # What another option of the template does: its image trusts this archive's key.
    mkdir "$machine$content/archive"
    # shellcheck disable=SC2016  # the builder fills it in
    printf '#!/bin/bash -e\ninstall -D -m 644 /srv/archive/key.gpg "%s"\n' \
        '$INSTALL_DIR/etc/apt/trusted.gpg.d/test.gpg' \
        >"$machine$content/archive/01_install_core_pre.sh"
    chmod 755 "$machine$content/archive/01_install_core_pre.sh"
    # A flavor whose options the builder looks for in that flavor's own repository.
    mkdir "$machine$elsewhere"
    cp -r "$machine$content/archive" "$machine$elsewhere"
    chown -R "$builder:$builder" "$machine/builder" "$machine/srv/build"
}

# As qubes-builder's plugin has it: for some flavors options are looked for where these are.
flavor=minimal
options=archive
elsewhere=/builder/sources/template-whonix

# call_of IMAGE: leaves in $image where the image is going to be, and in $call the command that
# has the stand-in build it from $content, with $flavor and $options.
call_of() {
    local option place=$content directories=
    image=/srv/build/$1
    # The builder mounts a disk image there, whose root directory is root's.
    mkdir -p "$machine$image"
    if [[ $flavor == whonix-* ]]; then
        place=$elsewhere
        directories="+whonix-gateway:$place +whonix-workstation:$place"
    fi
    for option in $flavor $options; do directories+=" +$option:$place/$option"; done
    # shellcheck disable=SC2034  # for the caller
    call=(env PLUGINS_DIR=/builder/plugins TEMPLATE_CONTENT_DIR="$content"
        TEMPLATE_SCRIPTS_DIR=/builder/plugins PACKAGES_DIR=/builder/repository
        ARTIFACTS_DIR=/builder/artifacts CACHE_DIR=/builder/cache INSTALL_DIR="$image"
        DIST_CODENAME="$suite" DIST_NAME=debian DIST_VER=13 TEMPLATE_NAME=debian-quorum
        TEMPLATE_FLAVOR="$flavor" TEMPLATE_OPTIONS="$flavor $options"
        TEMPLATE_FLAVOR_DIR="$directories"
        DEBIAN_MIRRORS="$archive" DEBOOTSTRAP_KEYRING=/srv/archive/key.gpg RETRY_SLEEP=0
        /builder/plugins/build)
}

# Each build has an executor of its own, which remembers nothing of earlier ones.
new_executor() { find "$machine/var/cache/apt-quorum" -mindepth 1 -delete; }
