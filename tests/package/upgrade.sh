# shellcheck shell=bash
# shellcheck disable=SC2154  # scripts/test-package sets them
# The upgrade from the first release, on a machine whose administrator enforces and has changed
# what administrators change. Part of scripts/test-package, whose functions these are.

# first_release [SCRIPT [NAME]]: the package as the first release was where that matters here, as
# /root/NAME.deb, which is first.deb unless named, after SCRIPT changed the unpacked tree: with its own configuration files and scripts (0.1.0/), and fewer of them, and with
# one program for all, but today's.
# shellcheck disable=SC2119,SC2120  # killed.sh passes some
first_release() {
    another "${2-first}" "
        rm -r DEBIAN/prerm DEBIAN/md5sums usr/lib/apt-quorum/before-prompt usr/lib/apt-quorum/gate usr/lib/systemd \\
            usr/share/apt-quorum etc/qubes
        sed -i '/qubes/d' DEBIAN/conffiles
        printf '%s\\n' /etc/apt/apt.conf.d/00apt-quorum /etc/dpkg/dpkg.cfg.d/apt-quorum >>DEBIAN/conffiles
        cp -r '$repo/tests/package/0.1.0/.' .
        for name in pre-install-pkgs dpkg-pre-invoke debsig-verify; do
            ln -sfn ../../bin/apt-quorum usr/lib/apt-quorum/\$name
        done
        for name in quorum+http quorum+https; do
            ln -sfn ../../../bin/apt-quorum usr/lib/apt/methods/\$name
        done
        ${1-}
    " 0.1.0~first
}

# confirm FILE: a rebuilder signs that it got the package FILE out of the source.
confirm() {
    local name signed=$TESTBED_RUN/signed hash
    # shellcheck disable=SC2016  # dpkg-deb fills it in
    name=$(dpkg-deb --show --showformat '${Package}_${Version}_${Architecture}.deb' "$1")
    hash=$(sha256sum "$1" | cut -d ' ' -f 1)
    printf '{"_type":"link","byproducts":{},"command":[],"environment":{},"materials":{},"name":"rebuild %s","products":{"%s":{"sha256":"%s"}}}' \
        "$name" "$name" "$hash" >"$signed"
    openssl pkeyutl -sign -rawin -inkey "$TESTBED_RUN/key.pem" -in "$signed" -out "$signed.sig"
    printf '{"signatures":[{"keyid":"","sig":"%s"}],"signed":%s}' \
        "$(od -An -v -tx1 "$signed.sig" | tr -d ' \n')" "$(<"$signed")" \
        >"$machine/srv/attestations/$name.link"
}

# What the administrator wrote, or added to what the package brought.
administer() {
    local etc=$machine/etc/apt-quorum
    mkdir -p "$machine/srv/attestations"
    openssl genpkey -algorithm ed25519 -out "$TESTBED_RUN/key.pem" 2>/dev/null
    printf 'name = "tester"\n[[key]]\ntype = "ed25519"\npublic = """\n%s\n"""\n[[endpoint]]\nprotocol = "directory"\nurl = "file:///srv/attestations/"\n' \
        "$(openssl pkey -in "$TESTBED_RUN/key.pem" -pubout)" >"$etc/rebuilders.d/tester.toml"
    printf '[[exception]]\npackage = ["aq-nothing"]\nreason = "made here"\nexpires = 2999-01-01\n' \
        >"$etc/exceptions.d/here.toml"
    printf 'mode = "enforce"\nthreshold = 1\n' >"$etc/policy.toml"
    echo '// The administrator was here.' >>"$hook"
    echo '# The administrator was here.' >>"$gate"
    administered=("$etc/policy.toml" "$etc/rebuilders.d/tester.toml" "$etc/exceptions.d/here.toml"
        "$hook" "$gate")
    sha256sum "${administered[@]}" >"$TESTBED_RUN/administered"
}

# All that is the administrator's is as it was, and the rest is the new version's.
kept() {
    sha256sum --check --quiet "$TESTBED_RUN/administered" || wrong "the configuration changed"
    [[ $(in_machine apt-quorum mode) == enforce* ]] || wrong "the mode changed"
    in_machine apt-quorum config check
    cmp -n "$(stat -c %s "$TESTBED_RUN/receipts")" \
        "$TESTBED_RUN/receipts" "$machine/var/lib/apt-quorum/receipts/hook.jsonl"
    there "$machine/etc/apt/apt.conf.d/90apt-quorum-before-prompt"
    there "$machine/etc/apt/apt.conf.d/90apt-quorum-pipeline"
    there "$machine/etc/qubes/post-install.d/20-apt-quorum.sh"
    cmp "$repo/apt-conf/apt-quorum/rebuilders.d/README" "$machine/etc/apt-quorum/rebuilders.d/README"
    in_machine dpkg --audit >"$said"
    [[ ! -s $said ]] || wrong "dpkg has something to complain of: $(<"$said")"
    left=$(find "$machine/etc" -name '*.dpkg-*')
    [[ $left == "${1-}" ]] || wrong "in /etc: $left"
}

# Neither apt nor dpkg lets in what nobody confirms, and what is confirmed gets in.
shut() {
    apt 100 install ./aq-one.deb
    says 'refused: aq-one 1 all: 0 of 1 required confirmations'
    dpkg 2 --install /root/aq-one.deb
    says 'refused: aq-one 1 all: 0 of 1 required confirmations'
    gone "$machine/usr/share/aq-one"
}

version() {
    # shellcheck disable=SC2016  # dpkg-query fills it in
    in_machine dpkg-query --show --showformat '${Version} ${db:Status-Status}' apt-quorum
}

# A machine with the first release, which enforces, and with whose rebuilder's word the packages
# that are meant to get in can be installed.
with_first_release() {
    use_machine "$1"
    # shellcheck disable=SC2119
    first_release
    cp "$deb" "$machine/root/apt-quorum.deb"
    for name in one two; do harmless "aq-$name"; done
    apt 0 install ./first.deb
    administer
    confirm "$machine/root/aq-two.deb"
    apt 0 install ./aq-two.deb
    says '^apt-quorum: 1 confirmed'
    cp "$machine/var/lib/apt-quorum/receipts/hook.jsonl" "$TESTBED_RUN/receipts"
}

step "the first release, enforcing: an upgrade of apt-quorum must be confirmed like any other"
with_first_release upgraded
apt 100 install ./apt-quorum.deb
says 'refused: apt-quorum .*: 0 of 1 required confirmations'
[[ $(version) == '0.1.0~first installed' ]] || wrong "it is $(version)"

step "upgraded from the first release: nothing is asked, and all that was changed is kept"
confirm "$deb"
apt 0 install ./apt-quorum.deb
kept
cmp "$repo/apt-conf/apparmor/usr.bin.apt-quorum" "$machine/etc/apparmor.d/usr.bin.apt-quorum"
shut
apt 0 install --reinstall ./aq-two.deb

step "an upgrade that ends before it unpacked anything: the gate is shut"
with_first_release interrupted
another 9.4 "sed -i '2i exit 1' DEBIAN/preinst"
confirm "$machine/root/9.4.deb"
apt 100 install ./9.4.deb
[[ $(version) == '0.1.0~first installed' ]] || wrong "it is $(version)"
shut

step "an upgrade that ends after it unpacked everything: the gate is shut"
echo '# The administrator was here.' >>"$machine/etc/apparmor.d/usr.bin.apt-quorum"
confirm "$deb"
dpkg 0 --unpack /root/apt-quorum.deb
[[ $(version) == *unpacked ]] || wrong "it is $(version)"
shut

step "an upgrade that ends while it is configured: the gate is shut"
another 9.5 "sed -i '2i [ \"\$1\" != configure ] || exit 1' DEBIAN/postinst"
confirm "$machine/root/9.5.deb"
dpkg 1 --force-confold --install /root/9.5.deb
[[ $(version) == *half-configured ]] || wrong "it is $(version)"
shut

step "the upgrade comes to its end: what was changed on both sides is kept, without a question"
dpkg 0 --force-confdef --force-confold --install /root/apt-quorum.deb
[[ $(version) == *' installed' ]] || wrong "it is $(version)"
kept "$machine/etc/apparmor.d/usr.bin.apt-quorum.dpkg-dist"
shut
