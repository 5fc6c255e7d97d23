# shellcheck shell=bash
# What the scripts of this drop-in share. Sourced, never run.
#
# qubes-builder calls them as root with an empty environment but for its own list of
# variables. So what they need lies beside them: the configuration in configuration/, and
# apt-quorum_*.deb and apt-quorum-static.
set -euo pipefail
export LC_ALL=C
umask 022

option=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

# The directory of the steps, which is the builder's own of templates of Debian.
steps=$(dirname "$option")

# Everything beside these scripts belongs to whoever runs the builder. The gate believes
# only what nobody but root can change, so a copy in here is what counts. On disk: /run is small.
own=/var/lib/apt-quorum-build
configuration=$own/configuration
# The image, by a way on which nobody but root could put something else.
seen=$own/image

# In the image: exceptions that are gone before the image is done.
build_exceptions=etc/apt-quorum/exceptions.d/zz-qubes-build.toml

say() { printf 'apt-quorum: %s\n' "$*" >&2; }

die() {
    say "$*; the build ends here"
    exit 1
}

[[ ${INSTALL_DIR-} == /?* && -d $INSTALL_DIR ]] || die "INSTALL_DIR is not a directory"
# From now on without a slash at its end, and never the builder's own root directory.
image=$(realpath "$INSTALL_DIR")
[[ $image != / ]] || die "INSTALL_DIR is the system's own root directory"

# The builder finds a step by its name alone, in this directory for every flavor and with any
# options, and passes over one that is not there without a word.
all_in_place() {
    local step
    for step in 01_install_core_pre 01_install_core_post 02_install_groups_pre \
        04_install_qubes_pre 04_install_qubes_post 09_cleanup_pre; do
        [[ -f $steps/$step.sh && -x $steps/$step.sh ]] ||
            die "$steps/$step.sh is missing or no program: all of apt-quorum's template_debian belongs there"
        grep -qF '/apt-quorum/' "$steps/$step.sh" || die "$steps/$step.sh is not apt-quorum's"
    done
    [[ ${TEMPLATE_CONTENT_DIR-} -ef $steps ]] ||
        die "the builder looks for steps in ${TEMPLATE_CONTENT_DIR-}, and apt-quorum's are in $steps"
}

# Leaves the program to judge with in $program: the static one, which needs nothing of the
# executor, or the executor's own.
find_program() {
    program=$option/apt-quorum-static
    [[ -x $program ]] || program=$(command -v apt-quorum) ||
        die "there is neither $option/apt-quorum-static nor an installed apt-quorum"
    # The builder knows a proxy by this name only, programs without apt by those.
    if [[ -n ${REPO_PROXY-} ]]; then
        export http_proxy=$REPO_PROXY https_proxy=$REPO_PROXY
    fi
}

# Leaves the package for the image in $package.
find_package() {
    local -a found=("$option"/apt-quorum_*.deb)
    [[ ${#found[@]} == 1 && -f ${found[0]} ]] ||
        die "there must be exactly one apt-quorum_*.deb in $option"
    # shellcheck disable=SC2034  # for those who source this
    package=${found[0]}
}

# A fresh copy of the configuration for the program on the executor.
take_configuration() {
    [[ -f $option/configuration/policy.toml ]] ||
        die "there is no $option/configuration/policy.toml"
    mkdir -p "$own"
    copy_configuration "$configuration"
    "$program" bootstrap --check --config "$configuration" >&2 ||
        die "the configuration beside the builder's scripts cannot be used"
}

# copy_configuration DIR: what lies beside these scripts, as root's and nobody else's.
# Whatever DIR held before is gone.
copy_configuration() {
    rm -rf "$1"
    cp -rL --no-preserve=all "$option/configuration" "$1"
    mkdir -p "$1/rebuilders.d" "$1/exceptions.d"
    chown -R root:root "$1"
}

# Shows the image at $seen while this script runs. A build that was killed may have left another.
show_image() {
    mkdir -p "$seen"
    while mountpoint -q "$seen"; do umount "$seen"; done
    mount --bind "$image" "$seen"
    trap 'umount "$seen"' EXIT
}

# Takes away the copy of the builder's packages that 04_install_qubes_pre.sh mounted, also in a
# build that ended before this one.
unmount_packages() {
    while [[ -d ${PACKAGES_DIR-} && $PACKAGES_DIR -ef $own/packages ]]; do
        umount "$PACKAGES_DIR"
    done
    rm -rf "$own/packages"
}

# In the image, with as little around it as apt and dpkg need.
in_image() {
    chroot "$image" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root \
        LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive "$@" </dev/null
}

# A file's name as it can stand in the configuration, whoever chose it.
printable() { printf '%s' "$1" | tr -c 'A-Za-z0-9+.~_-' '?'; }

# except_exactly REASON FILE...: exceptions for exactly these files, whatever they are
# called, until the day after tomorrow: the build is over by then, and the clean-up takes
# them away before that.
except_exactly() {
    local reason=$1 file sum
    shift
    for file; do
        sum=$(sha256sum <"$file")
        printf '[[exception]]\nsha256 = ["%s"]\nreason = "%s: %s"\nexpires = %s\n\n' \
            "${sum%% *}" "$reason" "$(printable "${file##*/}")" \
            "$(date --utc --date='+2 days' +%F)"
    done >>"$image/$build_exceptions"
}
