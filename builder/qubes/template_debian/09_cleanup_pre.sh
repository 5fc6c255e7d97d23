#!/bin/bash -e
# At the end: judges every package that is installed in the image, and takes away what was
# for the build only. Without a clean audit there is no image.
. "$(dirname "$0")/apt-quorum/lib.sh"

# What the image has for a configuration must still be what was put there, but for the
# exceptions of the build.
is_unchanged() {
    diff -r --exclude="${build_exceptions##*/}" "$configuration" "$image/etc/apt-quorum" >&2
}

# The records lie in the image. The builder takes nothing else out of a disposable executor, so
# the counts go to its log, and copies to where they can be had while the executor is there.
audit() {
    local code=0 record=$image/var/lib/apt-quorum/build
    mkdir -p "$record"
    "$program" audit --root "$seen" --config "$configuration" --json \
        --html "$record/audit.html" >"$record/audit.json" || code=$?
    say "audit: $(tr -d ' \n' <"$record/audit.json" | grep -o '"counts":{[^{}]*\({[^{}]*}[^{}]*\)*}')"
    if [[ -d ${ARTIFACTS_DIR-} ]]; then
        cp "$record/audit.html" "$ARTIFACTS_DIR/apt-quorum-audit.html" || code=1
        cp "$record/audit.json" "$ARTIFACTS_DIR/apt-quorum-audit.json" || code=1
    fi
    return "$code"
}

find_program
unmount_packages
take_configuration
show_image
is_unchanged || die "the image's /etc/apt-quorum is not what was put there"
# Judged by the builder's configuration, the image may be whatever it became.
cp "$image/$build_exceptions" "$configuration/exceptions.d/"
audit || die "not every package in the image is confirmed or excepted"

rm "$image/$build_exceptions"
in_image apt-mark unhold apt-quorum
in_image apt-quorum bootstrap --check >&2 || die "the gate in the image cannot be used"
say "every package in the image is confirmed or excepted; the exceptions of the build are gone"
