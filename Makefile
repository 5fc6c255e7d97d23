# Two commands show everything, on a Debian 12 or 13 machine with root or sudo and a network:
#
#   make demo    the gate, on real packages and real rebuilders
#   make test    everything that CI runs
#
# For daily work, once all is compiled:
#
#   make quick   rustfmt, clippy, unit tests, the tests of crates, sources and documents
#
# Each installs what it needs from Debian if it is missing. All that they make is in target/.

.PHONY: help quick build deb reproducible static demo demo-template test lint fuzz msrv lintian test-package test-system test-builds test-page test-sessions templates faults bench clean

help:
	@sed '/^$$/q; s/^# \{0,1\}//' Makefile
	@echo 'The parts: make quick, build, deb, reproducible, static, demo-template, lint, fuzz, msrv, lintian, test-package, test-system, test-builds, test-page, test-sessions, templates, faults, bench, clean'

# rustfmt, clippy, the unit tests, and the tests of crates, sources and documents.
quick:
	scripts/quick

# The program, as target/release/apt-quorum.
build:
	scripts/cargo build --release --locked

# The package, as target/deb/apt-quorum_*.deb.
deb:
	scripts/build-deb

# Builds the package a second time, under other circumstances: every byte must be the same.
reproducible:
	scripts/reproduce

# The program without shared libraries, as target/static/apt-quorum-static.
static:
	scripts/build-static

demo:
	demo/demo

# A template for Qubes, from the first download to the page of its audit.
demo-template:
	demo/template

test:
	scripts/test

# What reads the source without running it: rustfmt, clippy, rustdoc, cargo deny, shellcheck.
lint:
	scripts/lint

# Each parser of outside bytes against libFuzzer, for a minute or as long as SECONDS=number says.
fuzz:
	scripts/fuzz $(or $(SECONDS),60)

# Unit tests with Debian 13's own Rust.
msrv:
	scripts/msrv

lintian:
	scripts/lintian

# The package's life in chroots of Debian 12, 13 and forky.
test-package:
	scripts/test-package

# Real apt in chroots of Debian 12, 13 and forky; SCENARIO=word,word runs those rows.
test-system:
	scripts/test-system

# Images built with debootstrap, mmdebstrap and others, from the package in target/deb.
test-builds:
	scripts/test-builds

# The same of every release.
templates:
	FULL=1 scripts/test-builds

# The page of an audit, in headless Chromium without a network.
test-page:
	tests/page

# What is typed in docs/sessions, in a real terminal, against what was recorded there.
test-sessions:
	scripts/sessions --check

# The entrances killed or failed by the system at every single step of a run (long).
faults:
	FAULTS=all SCENARIO=fault_ scripts/test-system

# How fast it is beside plain apt and others, on loopback: half an hour on a machine that does
# nothing else. QUICK=1 leaves most cases out.
bench:
	benches/run $(if $(QUICK),--quick)

# The chroots in target/ belong to root.
clean:
	rm -rf target 2>/dev/null || sudo rm -rf target
