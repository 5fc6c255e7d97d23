# shellcheck shell=bash
# What the tests of builds share. Sourced, never run.
#
# A test is a script tests/builds/NAME:
#
#     # shellcheck source=tests/builds/lib.sh
#     . "$(dirname "$0")/lib.sh"
#     for_each_release trixie "$@"     # or: for_each_release all "$@"
#     make_machine "$suite"
#     ...
#
# All below for_each_release runs once for each release, as root, in namespaces of its own
# that have the machine's network. $suite is the release that is built, $TESTBED_RUN is empty
# and gone at the end, and the machine that builds is Debian 13, or what BUILD_MACHINE names.
# shellcheck source=testbed/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../testbed/lib.sh"
cd "$repo"

machine=${TESTBED_RUN-}/machine
said=${TESTBED_RUN-}/said
rebuilders=$machine/srv/rebuilders

# for_each_release trixie|all ARGUMENT...: runs the script once for each of Debian 12, 13 and
# forky with FULL=1 and if it is for all of them, otherwise for Debian 13 only. BUILD_SUITES
# names others.
for_each_release() {
    local which=$1 release
    shift
    if [[ ${1-} == --inside ]]; then
        suite=$2
        return
    fi
    local -a releases=(trixie)
    [[ $which != all || -z ${FULL-} ]] || releases=(bookworm trixie forky)
    # shellcheck disable=SC2206  # words are meant
    [[ -z ${BUILD_SUITES-} ]] || releases=($BUILD_SUITES)
    (( EUID == 0 )) || die "must be run as root"
    "$testbed/need" openssl=openssl gpg=gnupg jq=jq
    for release in "${releases[@]}"; do
        "$testbed/enter" --net "$(realpath "$0")" --inside "$release" </dev/null
    done
    exit
}

step() { printf '\n--- %s\n' "$*"; }

wrong() {
    trap - ERR
    [[ ! -e $said ]] || tail -n 30 "$said" | sed 's/^/  said: /'
    die "WRONG: $*"
}

there() { [[ -e $1 || -L $1 ]] || wrong "$1 is not there"; }
gone() { [[ ! -e $1 && ! -L $1 ]] || wrong "$1 is there"; }
says() { grep -qE -e "$1" "$said" || wrong "nothing says: $1"; }
silent() { ! grep -qE -e "$1" "$said" || wrong "something says: $1"; }

# in_machine COMMAND...: in the machine that builds, with a clean environment.
in_machine() {
    chroot "$machine" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 \
        DEBIAN_FRONTEND=noninteractive env --chdir=/root "$@" </dev/null
}

# in_image DIRECTORY COMMAND...: in what was built, DIRECTORY as the machine sees it.
in_image() {
    chroot "$machine$1" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 \
        DEBIAN_FRONTEND=noninteractive "${@:2}" </dev/null
}

# ends CODE COMMAND...: runs a command in the machine, which must end with this code, or with any
# but 0 for "badly". What it says is in $said.
ends() {
    local expected=$1 code=0
    shift
    printf '$ %s\n' "$*"
    in_machine "$@" >"$said" 2>&1 || code=$?
    grep -E 'quorum|refused|^E: ' "$said" | tail -n 20 | sed 's/^/  /' || true
    [[ $expected != badly || $code == 0 ]] || return 0
    [[ $code == "$expected" ]] || wrong "${1##*/} ended with $code instead of $expected"
}

# make_machine: a machine that builds images, with the package in it, and no configuration
# but that of configure.
make_machine() {
    "$testbed/overlay" "$("$testbed/chroot" "${BUILD_MACHINE-trixie}" builder)" "$machine"
    # No disk is worn out by bootstraps, and dpkg's syncs cost nothing.
    mkdir -p "$machine/srv/build"
    mount -t tmpfs -o mode=0755 builds "$machine/srv/build"
    rm -f "$machine"/etc/apt/sources.list.d/* "$machine/etc/apt/sources.list"
    install_gate "$machine"
    # What the package does when it is configured.
    [[ -z ${APT_QUORUM_PROGRAM-} ]] || DPKG_ROOT=$machine sh debian/apt-quorum.postinst configure
    mkdir -p "$rebuilders"
}

# install_gate ROOT: the package, or, with APT_QUORUM_PROGRAM, that program and the files of
# the source tree where the package has them.
install_gate() {
    local root=$1 from to
    if [[ -z ${APT_QUORUM_PROGRAM-} ]]; then
        [[ -f ${APT_QUORUM_DEB-} ]] || die "there is no package: make deb"
        cp "$APT_QUORUM_DEB" "$root/root/apt-quorum.deb"
        chroot "$root" dpkg --install /root/apt-quorum.deb >/dev/null
        return
    fi
    while read -r from to; do
        mkdir -p "$root/$to"
        # The program, without what only a debugger needs; the rest as it is.
        case $from in
            */release/apt-quorum) strip -o "$root/$to/apt-quorum" "$APT_QUORUM_PROGRAM" ;;
            */release/gate) strip -o "$root/$to/gate" "${APT_QUORUM_PROGRAM%/*}/gate" ;;
            '' | */release/*) ;;
            *) cp -r "$from" "$root/$to" ;;
        esac
    done <debian/apt-quorum.install
    while read -r from to; do
        mkdir -p "$root/${to%/*}"
        ln -sf "/$from" "$root/$to"
    done <debian/apt-quorum.links
    mkdir -p "$root/var/lib/apt-quorum" "$root/var/cache/apt-quorum"
}

# static_program TO: the program without shared libraries, of the package beside
# $APT_QUORUM_DEB or, with APT_QUORUM_STATIC, that file.
static_program() {
    local deb unpacked=$TESTBED_RUN/static packages=${APT_QUORUM_DEB:-$repo/target/deb/none}
    if [[ -n ${APT_QUORUM_STATIC-} ]]; then
        strip -o "$1" "$APT_QUORUM_STATIC"
        return
    fi
    for deb in "${packages%/*}"/apt-quorum-static_*.deb; do
        [[ -f $deb ]] || die "there is no $deb: make deb"
    done
    dpkg-deb --extract "$deb" "$unpacked"
    cp "$unpacked/usr/bin/apt-quorum-static" "$1"
}

# gate_package DIRECTORY: apt-quorum's own package, as DIRECTORY/apt-quorum.deb. With
# APT_QUORUM_PROGRAM, one of the same files and scripts.
gate_package() {
    local tree=$TESTBED_RUN/gate script
    mkdir -p "$1"
    if [[ -z ${APT_QUORUM_PROGRAM-} ]]; then
        cp "$APT_QUORUM_DEB" "$1/apt-quorum.deb"
        return
    fi
    rm -rf "$tree"
    mkdir -p "$tree/DEBIAN"
    install_gate "$tree"
    printf '%s\n' 'Package: apt-quorum' 'Version: 0' "Architecture: $(architecture)" \
        'Maintainer: nobody <nobody@localhost.invalid>' 'Description: the gate' \
        >"$tree/DEBIAN/control"
    find "$tree/etc" -type f -printf '/etc/%P\n' >"$tree/DEBIAN/conffiles"
    for script in preinst postinst prerm postrm; do
        install -m 755 "debian/apt-quorum.$script" "$tree/DEBIAN/$script"
    done
    dpkg-deb --root-owner-group -Zgzip -z1 --build "$tree" "$1/apt-quorum.deb" >/dev/null
}

# configure DIRECTORY: a configuration under which both rebuilders must confirm everything, in
# this directory of the machine. The rebuilders, alice
# and bob, get keys if they have none, and publish in /srv/rebuilders of the machine.
configure() {
    local directory=$machine$1 name
    rm -rf "$directory"
    mkdir -p "$directory"/{rebuilders.d,exceptions.d}
    printf 'mode = "enforce"\nthreshold = 2\n' >"$directory/policy.toml"
    for name in alice bob; do
        mkdir -p "$rebuilders/$name"
        [[ -f $TESTBED_RUN/$name.key ]] ||
            openssl genpkey -algorithm ed25519 -out "$TESTBED_RUN/$name.key"
        {
            printf 'name = "%s"\n\n[[key]]\ntype = "ed25519"\npublic = """\n' "$name"
            openssl pkey -in "$TESTBED_RUN/$name.key" -pubout
            printf '"""\n\n[[endpoint]]\nprotocol = "directory"\nurl = "%s/"\n' \
                "${endpoints-file:///srv/rebuilders}/$name"
        } >"$directory/rebuilders.d/$name.toml"
    done
}

# confirm DEB...: both rebuilders sign that they got these very files.
confirm() {
    local deb artifact sha256 name
    for deb; do
        # Version without its epoch, as files are called.
        # shellcheck disable=SC2016  # dpkg-deb fills these in
        artifact=$(dpkg-deb --show --showformat '${Package} ${Version} ${Architecture}' "$deb" |
            sed -E 's/^([^ ]*) ([0-9]+:)?([^ ]*) /\1_\3_/').deb
        sha256=$(sha256sum "$deb" | cut -d ' ' -f 1)
        for name in alice bob; do attest "$name" "$artifact" "$sha256"; done
    done
}

# attest REBUILDER ARTIFACT SHA256: one in-toto link, in the canonical form that was signed.
attest() {
    local place=$rebuilders/$1/$2 signed=$TESTBED_RUN/signed
    mkdir -p "$place"
    printf '{"_type":"link","byproducts":{},"command":[],"environment":{},"materials":{},"name":"rebuild %s","products":{"%s":{"sha256":"%s"}}}' \
        "$2" "$2" "$3" >"$signed"
    printf '{"signatures":[{"keyid":"%s","sig":"%s"}],"signed":%s}\n' "$1" \
        "$(openssl pkeyutl -sign -rawin -inkey "$TESTBED_RUN/$1.key" -in "$signed" |
            od -An -v -tx1 | tr -d ' \n')" "$(<"$signed")" >"$place/link"
    (cd "$place" && sha256sum link >SHA256SUMS)
}

# forget PACKAGE: nobody ever signed it.
forget() { rm -rf "$rebuilders"/*/"$1"_*; }

# confirm_today [OPTION...]: debootstrap downloads what it would install of the release today,
# into /srv/build/cache of the machine, and both rebuilders confirm it.
confirm_today() {
    ends 0 debootstrap "$@" --download-only \
        --keyring=/usr/share/keyrings/debian-archive-keyring.gpg \
        "$suite" /srv/build/today "$("$testbed/mirror")"
    confirm_archives /srv/build/today
}

# confirm_archives IMAGE: does away with the image, and keeps and confirms what was downloaded
# for it.
confirm_archives() {
    local cache=$machine/srv/build/cache
    mkdir -p "$cache"
    mv "$machine$1"/var/cache/apt/archives/*.deb "$cache"
    rm -r "${machine:?}$1"
    confirm "$cache"/*.deb
}

# make_package DIRECTORY NAME [FIELD...]: a package whose preinst leaves a mark and notes which
# network devices it sees, as DIRECTORY/NAME_1_all.deb. has_run tells whether it did.
make_package() {
    local tree=$TESTBED_RUN/tree
    rm -rf "$tree"
    mkdir -p "$1" "$tree/DEBIAN" "$tree/usr/share/$2"
    {
        printf 'Package: %s\nVersion: 1\nArchitecture: all\n' "$2"
        printf 'Maintainer: nobody <nobody@localhost.invalid>\n'
        (( $# < 3 )) || printf '%s\n' "${@:3}"
        printf 'Description: leaves a mark\n'
    } >"$tree/DEBIAN/control"
    # The mark lies at the same place whether the script runs in the image or, which it must
    # never, on the machine.
    cat >"$tree/DEBIAN/preinst" <<SCRIPT
#!/bin/sh
echo "$2 ran" >>/var/tmp/marks
sed -n 's/^ *\([^ :]*\):.*/\1/p' /proc/net/dev >/var/tmp/devices
SCRIPT
    chmod 755 "$tree/DEBIAN/preinst"
    dpkg-deb --root-owner-group --build "$tree" "$1/$2_1_all.deb" >/dev/null
}

# has_run PACKAGE IMAGE: whether a script of the package has run in the image, or anywhere on
# the machine.
has_run() { grep -qsx "$1 ran" "$machine$2/var/tmp/marks" "$machine/var/tmp/marks" /var/tmp/marks; }

# make_archive DIRECTORY DEB...: a signed archive of the release, in a directory of the machine,
# with these files. Its key is DIRECTORY/key.gpg.
make_archive() {
    local directory=$machine$1 dists=dists/$suite binary
    binary=$dists/main/binary-$(architecture)
    export GNUPGHOME=$TESTBED_RUN/gnupg
    rm -rf "$directory"
    mkdir -p "$directory/pool" "$directory/$binary" "$GNUPGHOME"
    chmod 700 "$GNUPGHOME"
    cp --reflink=auto "${@:2}" "$directory/pool"
    # Names of archives hold no epoch.
    (cd "$directory/pool" && for deb in *%3a*; do
        [[ ! -e $deb ]] || mv "$deb" "$(sed -E 's/_[0-9]+%3a/_/' <<<"$deb")"
    done)
    in_machine sh -ec "cd '$1'
        apt-ftparchive packages pool >'$binary/Packages'
        gzip --keep '$binary/Packages'
        apt-ftparchive -o APT::FTPArchive::Release::Origin=Debian \
            -o APT::FTPArchive::Release::Suite='$suite' \
            -o APT::FTPArchive::Release::Codename='$suite' \
            -o APT::FTPArchive::Release::Components=main \
            -o APT::FTPArchive::Release::Architectures='$(architecture)' \
            release '$dists' >Release.new
        mv Release.new '$dists/Release'"
    [[ -d $GNUPGHOME/private-keys-v1.d ]] ||
        gpg --batch --quiet --passphrase '' --quick-generate-key archive@localhost.invalid \
            ed25519 sign never 2>/dev/null
    gpg --batch --quiet --export >"$directory/key.gpg"
    gpg --batch --quiet --clearsign --output "$directory/$dists/InRelease" \
        "$directory/$dists/Release"
    gpgconf --kill all
}

# works IMAGE: whether it is a system in which apt and dpkg find everything as it should be.
works() {
    local audit
    audit=$(in_image "$1" dpkg --audit) || wrong "dpkg --audit ended with $?"
    [[ -z $audit ]] || wrong "dpkg --audit: $audit"
    in_image "$1" apt-get check >/dev/null || wrong "apt-get check"
    # shellcheck disable=SC2016  # dpkg-query fills this in
    [[ $(in_image "$1" dpkg-query --show --showformat '${db:Status-Status}\n' | sort -u) == installed ]] ||
        wrong "not every package is installed"
}

# leaves_no_trace IMAGE: whether nothing of ours is in there.
leaves_no_trace() {
    local left
    left=$(find "$machine$1" -xdev -iname '*quorum*' -print)
    [[ -z $left ]] || wrong "left: $left"
    left=$(grep -rilI quorum "$machine$1/etc" "$machine$1/var/lib/dpkg/status" || true)
    [[ -z $left ]] || wrong "named in: $left"
}
