#!/bin/sh
# Tells dom0 that this template checks packages with apt-quorum, as the feature
# supported-feature.apt-quorum of the template.
#
# Qubes' agent runs all files in this directory after packages were installed, by their
# names. The last of them, 90-qubes-core-agent.sh, hands what they said to dom0, so this one
# has to come before. It asks nobody outside of the template, and outside of Qubes, where
# there is no such command, it does nothing. Nor does what is left of a removed package.
set -e

[ -x /usr/bin/apt-quorum ] || exit 0
command -v qvm-features-request >/dev/null || exit 0
# While a template is built there is no Qubes yet to tell it to. Every later installation
# in the template asks again.
qvm-features-request supported-feature.apt-quorum=1 || exit 0
