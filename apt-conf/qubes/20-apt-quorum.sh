#!/bin/sh
# Tells dom0 that this template checks packages with apt-quorum, as the feature
# supported-feature.apt-quorum of the template.
#
# Qubes' agent runs all files in this directory after an installation, in the order of their
# names. The last of them, 90-qubes-core-agent.sh, sends the features to dom0, so this file
# has to come before. It contacts no other machine. Outside of Qubes, where there is no such
# command, it does nothing, and neither does it after the removal of the package.
set -e

[ -x /usr/bin/apt-quorum ] || exit 0
command -v qvm-features-request >/dev/null || exit 0
# During the build of a template there is no dom0 yet. Every later installation in the template
# asks again.
qvm-features-request supported-feature.apt-quorum=1 || exit 0
