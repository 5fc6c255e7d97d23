#!/bin/bash -e
# Before the first apt-get install in the image: puts the gate there, with the
# configuration that lies beside this script.
. "$(dirname "$0")/apt-quorum/lib.sh"

# dpkg as the builder has it while nobody is there to answer.
install_package() {
    in_image dpkg --force-confnew --install /var/cache/apt-quorum-build.deb
}

# Whether apt in the image asks the gate, and before anybody else's hook.
is_asked() {
    local hooks
    hooks=$(in_image apt-config dump | sed -n 's/^DPkg::Pre-Install-Pkgs:: //Ip')
    [[ ${hooks%%$'\n'*} == '"/usr/lib/apt-quorum/pre-install-pkgs";' ]] &&
        in_image test -f /etc/dpkg/dpkg.cfg.d/apt-quorum
}

find_program
find_package
take_configuration

trap 'rm -f "$image/var/cache/apt-quorum-build.deb"' EXIT
cp "$package" "$image/var/cache/apt-quorum-build.deb"
install_package
copy_configuration "$image/etc/apt-quorum"
except_exactly "the gate itself, which the template's builder put beside the scripts" "$package"
in_image apt-quorum bootstrap --check >&2 || die "the gate in the image cannot be used"
is_asked || die "apt in the image does not ask the gate first"
# Once more, through itself: now there is a receipt of it as of all that follow.
install_package
# The builder takes new configuration files for changed ones (--force-confnew). An upgrade
# of the gate would bring back the policy of the package, which refuses nothing.
in_image apt-mark hold apt-quorum
say "the gate is in the image: every package is judged from now on"
