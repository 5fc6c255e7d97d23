# shellcheck shell=bash
# What the tests of containers share, besides lib.sh. Sourced, never run.
#
# hello comes from Debian's archive, and both rebuilders confirm it; unconfirmed lies in one of
# the test's own. One
# rebuilder is asked over https, by a certificate that only the configuration knows, the other
# over http. Nothing is behind this namespace's loopback.
# shellcheck source=tests/builds/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

context=$machine/srv/context
# What the machine's own mirror has of Debian; the rest is loopback.
debian=$state/mirrors/containers

# for_each_base FLAVOUR ARGUMENT...: as for_each_release, but only with loopback; FLAVOUR is
# the chroot that builds, $suite the release of the base image.
for_each_base() {
    local builder=$1 release chroot
    shift
    if [[ ${1-} == --inside ]]; then
        # shellcheck disable=SC2034  # the test and make_archive read it
        suite=$2
        return
    fi
    (( EUID == 0 )) || die "must be run as root"
    "$testbed/need" openssl=openssl gpg=gnupg
    for release in "${all_releases[@]}"; do "$testbed/chroot" "$release" apt >/dev/null; done
    for chroot in "$builder" web; do "$testbed/chroot" trixie "$chroot" >/dev/null; done
    local -a releases=(trixie)
    [[ -z ${FULL-} ]] || releases=("${all_releases[@]}")
    # shellcheck disable=SC2206  # words are meant
    [[ -z ${BUILD_SUITES-} ]] || releases=($BUILD_SUITES)
    for release in "${releases[@]}"; do
        "$testbed/partial-mirror" "$debian-$release" "$release" hello >/dev/null
        "$testbed/enter" "$(realpath "$0")" --inside "$release" </dev/null
    done
    exit
}

all_releases=(bookworm trixie forky)

# make_builder CHROOT DIRECTORY: a machine that builds containers, which keeps them in
# DIRECTORY, and has the static program.
make_builder() {
    "$testbed/overlay" "$1" "$machine"
    # Layers are no overlays here, because the machine is one.
    mkdir -p "$machine$2" "$context" "$rebuilders"
    mount -t tmpfs -o mode=0755 storage "$machine$2"
    static_program "$machine/usr/bin/apt-quorum-static"
    cp -r builder/container "$machine/srv/"
}

# make_world: the archive, the rebuilders, and a configuration as /srv/configuration.
make_world() {
    make_package "$TESTBED_RUN/debs" unconfirmed
    make_archive /srv/archive "$TESTBED_RUN"/debs/*.deb
    "$testbed/serve" 8000 "srv=$machine/srv" "debian=$debian-$suite" >/dev/null
    serve_tls
    endpoints=https://127.0.0.1:8443/rebuilders configure /srv/configuration
    sed -i 's#https://127.0.0.1:8443#http://127.0.0.1:8000/srv#' \
        "$machine/srv/configuration/rebuilders.d/bob.toml"
    cp "$TESTBED_RUN/web.pem" "$machine/srv/configuration/"
    printf '[network]\nauthorities = "web.pem"\n' >>"$machine/srv/configuration/policy.toml"
    confirm "$debian-$suite"/pool/main/h/hello/hello_*.deb
}

# Serves what is in the machine's /srv over https as well.
serve_tls() {
    (
        cd "$machine/srv"
        openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 \
            -subj /CN=test -addext subjectAltName=IP:127.0.0.1 \
            -addext basicConstraints=critical,CA:FALSE \
            -keyout "$TESTBED_RUN/web.key" -out "$TESTBED_RUN/web.pem" 2>/dev/null
        exec openssl s_server -accept 127.0.0.1:8443 -key "$TESTBED_RUN/web.key" \
            -cert "$TESTBED_RUN/web.pem" -WWW -quiet
    ) >/dev/null 2>&1 </dev/null &
    while ! openssl s_client -connect 127.0.0.1:8443 </dev/null >/dev/null 2>&1; do
        sleep 0.05
    done
}

# make_base: a base image as base.tar in the context: the release with the archive and without
# authorities for https.
make_base() {
    local base=$TESTBED_RUN/base
    "$testbed/overlay" "$("$testbed/chroot" "$suite" apt)" "$base"
    rm -rf "$base/etc/ssl/certs" "$base"/etc/apt/sources.list.d/*
    cp "$machine/srv/archive/key.gpg" "$base/etc/apt/archive.gpg"
    {
        echo "deb [signed-by=/etc/apt/archive.gpg] http://127.0.0.1:8000/srv/archive $suite main"
        echo "deb http://127.0.0.1:8000/debian $suite main"
    } >"$base/etc/apt/sources.list"
    # A mirror's testing can lag behind its own time limit.
    echo 'Acquire::Check-Valid-Until "false";' >"$base/etc/apt/apt.conf.d/90test"
    tar --create --file "$context/base.tar" --one-file-system --directory "$base" .
    "$testbed/overlay" --drop "$base"
}

# The example that is shipped, without anything of the gate.
ungated() {
    sed '/--mount=/d; /^ARG APT_CONFIG/d; s/^ *apt-get update/RUN apt-get update/' \
        builder/container/Containerfile
}

# listing TAR: what is in a layer.
listing() {
    tar --list --verbose --file "$1" --full-time |
        awk '{ $3 = $4 = $5 = ""; print }' | LC_ALL=C sort
}

# leaves_nothing UNGATED GATED: whether one layer holds what the other does.
leaves_nothing() {
    listing "$2" | grep ' usr/bin/hello$' >/dev/null || wrong "that is not the layer"
    diff <(listing "$1") <(listing "$2") || wrong "the layers differ"
}

# Whether a script of the package has run in any image, finished or not.
has_run_anywhere() {
    local marks
    marks=$(find "$machine/var" "$machine/srv" -path '*/var/tmp/marks' \
        -exec grep -qx "$1 ran" {} \; -print)
    [[ -n $marks ]]
}
