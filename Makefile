# Two commands show everything, on a Debian 12 or 13 machine with root or sudo and a network:
#
#   make demo    the gate, on real packages and real rebuilders
#   make test    everything that CI runs
#
# For daily work there is make quick. Each installs from Debian what is missing. All that they make is in
# target/. The times are those of two idle processors with crates compiled and chroots made; the
# first run adds a few minutes to most.

.PHONY: help quick test demo demo-template build deb static reproducible site lint fuzz msrv lintian \
	test-package test-system test-builds templates test-page test-sessions year faults bench clean

# What stands behind ## is what `make help` prints: the time, and what the target does.
help: ## 0 s | this list
	@sed '/^$$/q; s/^# \{0,1\}//' Makefile
	@sed -n 's/^\([a-z-]*\):.*## \(.*\) | \(.*\)/\1|\2|\3/p' Makefile | \
		awk -F '|' '{ printf "  make %-13s  %-9s  %s\n", $$1, $$2, $$3 }'

quick: ## 20 s | rustfmt, clippy, unit tests, tests of crates, sources and documents
	scripts/quick

test: ## 50 min | everything that CI runs: most of what follows, and the demo
	scripts/test

demo: ## 2.5 min | the gate, on real packages and three real rebuilders; up to 10 min the first time
	demo/demo

demo-template: ## 3 min | a template for Qubes, built and audited, once there is a package
	demo/template

build: ## 4 min | the program, as target/release/apt-quorum
	scripts/cargo build --release --locked

deb: ## 8-12 min | both packages, with Debian 13's own Rust, in target/deb
	scripts/build-deb

static: ## 8-12 min | the program without shared libraries, as target/static/apt-quorum-static
	scripts/build-static

reproducible: ## 15 min | builds the package again in another way: every byte must be the same
	scripts/reproduce

site: ## 10 s | the documents and the manual as a website with search, in target/site
	scripts/site

lint: ## 6 min | rustfmt, clippy, rustdoc, cargo deny, shellcheck, the fuzz targets
	scripts/lint

fuzz: ## 25 min | each parser of outside bytes against libFuzzer for a minute, or SECONDS=number
	scripts/fuzz $(or $(SECONDS),60)

msrv: ## 5 min | unit tests with Debian 13's own Rust, the oldest that is supported
	scripts/msrv

lintian: ## 20 s | the package in target/deb, by Debian's lintian
	scripts/lintian

test-package: ## 7 min | the package's life in Debian 12, 13 and forky
	scripts/test-package

test-system: ## 10 min | real apt of Debian 12, 13 and forky; SCENARIO=word,word runs those rows
	scripts/test-system

test-builds: ## 5 min | images built with debootstrap, mmdebstrap and others, of Debian 13
	scripts/test-builds

templates: ## 15 min | the same for Debian 12, 13 and forky
	FULL=1 scripts/test-builds

test-page: ## 1 min | the page of an audit, in headless Chromium without a network
	tests/page

test-sessions: ## 2.5 min | docs/sessions typed into a real terminal, against what is recorded
	scripts/sessions --check

year: ## 25 min | a year of unattended upgrades on Debian 13, with lies, outages and crashes
	YEAR_DAYS=$(or $(YEAR_DAYS),365) YEAR_PACKAGES=300 SCENARIO=year scripts/test-system debian_13

faults: ## hours | the gate killed or failed by the system at every single step of a run
	FAULTS=all SCENARIO=fault_ scripts/test-system

bench: ## 30 min | how fast it is beside plain apt and others; QUICK=1 leaves most cases out
	benches/run $(if $(QUICK),--quick)

# The chroots in target/ belong to root.
clean: ## 5 s | removes target/
	rm -rf target 2>/dev/null || sudo rm -rf target
