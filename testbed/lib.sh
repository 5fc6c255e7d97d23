# shellcheck shell=bash
# What the commands of this folder share. Sourced, never run.
set -euo pipefail
export LC_ALL=C.UTF-8
umask 022

testbed=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
repo=$(dirname "$testbed")
state=$(realpath -m "${APT_QUORUM_TESTBED:-$repo/target/testbed}")

say() { printf '%s\n' "$*" >&2; }

# Nothing fails in silence.
set -o errtrace
trap 'say "${0##*/}: failed in line $LINENO: $BASH_COMMAND"' ERR

die() {
    say "${0##*/}: $*"
    exit 1
}

# Chroots and namespaces need root. sudo drops the environment, so what steers
# these commands is handed over by name.
become_root() {
    (( EUID != 0 )) || return 0
    command -v sudo >/dev/null || die "must be run as root (and there is no sudo here)"
    # Made by root, it would be closed to whoever calls.
    mkdir -p "$state/locks"
    exec sudo -- env ${APT_QUORUM_TESTBED+"APT_QUORUM_TESTBED=$APT_QUORUM_TESTBED"} \
        ${APT_QUORUM_DEB+"APT_QUORUM_DEB=$APT_QUORUM_DEB"} "$0" "$@"
}

# Lets one process at a time do NAME, until it ends. Whatever is started
# meanwhile and may outlive it must be started with {lock_fd} closed.
lock() {
    mkdir -p "$state/locks"
    exec {lock_fd}>"$state/locks/$1"
    flock --nonblock "$lock_fd" || {
        say "${0##*/}: another run is busy with $1, waiting for it"
        flock "$lock_fd"
    }
}

# The machine's own settings for reaching a mirror, as lines of apt.conf: a
# chroot's apt, and the apt that fills a chroot, do not read the machine's files.
apt_network_settings() {
    local url=$1 found
    apt-config dump --no-empty --format '%F "%v";%n' Acquire::http Acquire::https |
        grep -vi 'proxy-auto-detect' || true
    # A command that finds the proxy exists only here, so its answer is passed on.
    found=$(/usr/lib/apt/apt-helper auto-detect-proxy "$url" 2>/dev/null |
        sed -n "s/^Using proxy '\\(.*\\)' for URL.*/\\1/p")
    [[ -z $found ]] || printf 'Acquire::%s::Proxy "%s";\n' "${url%%:*}" "$found"
    printf 'Acquire::Retries "3";\n'
    # A mirror's testing can lag behind its own time limit.
    printf 'Acquire::Check-Valid-Until "false";\n'
}

architecture() { dpkg --print-architecture; }
