# shellcheck shell=bash
# shellcheck disable=SC2034  # for those that source it
# What the hooks of this directory share. Sourced, never run: mmdebstrap passes over it.
#
# mmdebstrap runs the machine's own apt, first on the machine for the essential set, which is
# extracted and set up without apt, and then with DPkg::Chroot-Directory for the rest; what
# apt asks before it installs, it asks on the machine the first time and inside the image the
# second. So the gate must be in both, with one configuration and one record. They are kept in
# the image, and a link in there gives them the same path on both sides.
set -euo pipefail
export LC_ALL=C.UTF-8
umask 022

root=$1
share=/usr/share/apt-quorum

# What stands in the image during the build, below $root.
settings=etc/apt/apt.conf.d/zz-apt-quorum-build
apt_hook=etc/apt/apt.conf.d/00apt-quorum
dpkg_hook=etc/dpkg/dpkg.cfg.d/apt-quorum
conffiles=etc/dpkg/dpkg.cfg.d/zz-apt-quorum-build
program=usr/lib/apt-quorum
methods=usr/lib/apt/methods
configuration=etc/apt-quorum
state=var/lib/apt-quorum
cache=var/cache/apt-quorum
# Directories that were not there before, so that they can go again.
made=run/apt-quorum-made
# Rebuilders' directories that were copied.
copied=run/apt-quorum-copied

say() { printf 'apt-quorum: %s\n' "$*" >&2; }

# mmdebstrap ends when a hook does not end with 0.
die() {
    say "$*. The build ends here."
    exit 1
}
trap 'die "${0##*/} failed in line $LINENO: $BASH_COMMAND"' ERR

# option NAME: the value of an option of apt as the build has it (--aptopt), or nothing. Fails
# where apt cannot read its configuration, which may have one.
option() {
    local value='' words
    words=$(APT_CONFIG=$MMDEBSTRAP_APT_CONFIG apt-config shell value "$1") || return
    eval "$words"
    printf '%s' "$value"
}

# make_directory PATH: one below the image with all above it, and keeps in mind which are new.
make_directory() {
    local path=$1 parent=${1%/*}
    [[ ! -d $root/$path ]] || return 0
    [[ $parent == "$path" ]] || make_directory "$parent"
    mkdir "$root/$path"
    printf '%s\n' "$path" >>"$root/$made"
}

# Whether the package itself is installed in the image.
is_installed() {
    [[ $(dpkg-query --admindir="$root/var/lib/dpkg" --show --showformat '${db:Status-Status}' \
        apt-quorum 2>/dev/null || true) == installed ]]
}
