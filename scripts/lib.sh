# shellcheck shell=bash
# What the scripts of this folder share. Sourced, never run.
. "$(dirname "${BASH_SOURCE[0]}")/../testbed/lib.sh"
cd "$repo"

# The oldest Rust that is supported: Debian 13's own.
oldest_rust=$(sed -n 's/^rust-version = "\(.*\)"$/\1/p' Cargo.toml)

# has_rust VERSION: whether this machine's cargo is that new.
has_rust() {
    local version
    version=$(cargo --version 2>/dev/null) && version=${version#cargo } &&
        dpkg --compare-versions "${version%% *}" ge "$1"
}

# Gets a cargo that can build this from the machine's own Debian, if it has none yet and
# there is one that is new enough.
need_cargo() {
    local candidate
    has_rust "$oldest_rust" && return
    candidate=$(apt-cache policy cargo 2>/dev/null | sed -n 's/^  Candidate: //p')
    dpkg --compare-versions "${candidate:-0}" ge "$oldest_rust" || return 1
    "$testbed/need" /usr/bin/cargo=cargo /usr/bin/rustc=rustc /usr/bin/cc=gcc
    has_rust "$oldest_rust"
}

# What was left out must not be overlooked: said at once, and again by scripts/test.
left_out() {
    say "LEFT OUT: ${*^^}"
    [[ -z ${APT_QUORUM_LEFT_OUT-} ]] || printf '%s\n' "${*^^}" >>"$APT_QUORUM_LEFT_OUT"
}

# begin COMMAND...: starts a command in the background, as process $!. A signal to this
# script ends the command first, with all that it had started, and so does kill -9.
begun=()
begin() {
    trap 'end_all; exit 130' INT TERM HUP
    # The shell takes some signals from what it puts into the background.
    setpriv --pdeathsig TERM env --default-signal=INT,QUIT "$@" </dev/null &
    begun+=($!)
}

# shellcheck disable=SC2317,SC2329  # the traps call it
end_all() {
    trap '' INT TERM HUP
    kill "${begun[@]}" 2>/dev/null || true
    wait "${begun[@]}" || true
}

# attend COMMAND...: runs a command under the same care.
attend() {
    begin "$@"
    wait "$!"
}

# The C library of Debian 12. A program that is linked with a later one can refuse to
# start there, even if it only would like to use something new.
oldest_libc=2.36

# link_with_oldest_libc CHROOT DIRECTORY: has what is compiled from here on linked with the C
# library of CHROOT, which is Debian 12, if the system's own is newer. What the linker finds
# before the system's own goes into DIRECTORY: that library under the names it looks for.
link_with_oldest_libc() {
    local chroot=$1 directory=$2 libraries library
    has_new_libc || return 0
    libraries=/usr/lib/$(gcc -print-multiarch)
    mkdir -p "$directory"
    for library in libc libm; do
        sed -E "s#[^ ]*/((ld-|ld[0-9]|libc\\.so|libm\\.so|libmvec\\.so)[^ /]*)#$chroot/lib/$(gcc -print-multiarch)/\\1#g" \
            "$libraries/$library.so" >"$directory/$library.so"
    done
    export RUSTFLAGS="-L native=$directory"
}

has_new_libc() {
    dpkg --compare-versions "$(dpkg-query --show --showformat '${Version}' libc6)" ge "$oldest_libc"+
}
