# The two commands of the README: `make run` and `make test`. Both install what is missing.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
CARGO_FLAGS := --locked
# Two recipes side by side would hand compilers a job server that is closed to them.
unexport MAKEFLAGS
WEB_STAMP := web/node_modules/.package-lock.json
WEB_SOURCES := $(shell find web -type f -not -path '*/node_modules/*' -not -path '*/dist/*' -not -path 'web/package/*' -not -path '*/test-results/*' 2>/dev/null)
VENV := target/aiortc

.DEFAULT_GOAL := help
.PHONY: help run build web test lint compile-tests test-rust test-web test-bench test-e2e measure fuzz bench deps-build deps-test clean

help: ## Show this list.
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: build ## Build and start the server on http://127.0.0.1:8080/ (ARGS="--listen …" for more).
	exec target/release/weblive $(ARGS)

build: deps-build web ## Leave the release binary, web files inside, at target/release/weblive.
	cargo build --release $(CARGO_FLAGS) -p sfu

web: web/dist/.built ## Build the web files that the binary embeds.

web/dist/.built: $(WEB_STAMP) $(WEB_SOURCES)
	cd web && npm run build
	touch $@

$(WEB_STAMP): web/package.json web/package-lock.json
	cd web && npm ci --no-audit --no-fund

# Side by side runs what measures no time; the two halves use folders of their own.
test: deps-test ## Run every test, browser tests included.
	$(MAKE) compile-tests
	deploy/test/fuzz.sh
	$(MAKE) -j2 --output-sync=target test-rust test-web
	$(MAKE) test-bench test-e2e
	@echo "make test: everything passed"

lint: web ## What `make test` checks while it compiles, alone: format and lints.
	cargo fmt --all --check
	cargo clippy --all-targets $(CARGO_FLAGS) -- -D warnings

# Clippy is a compiler too: where it compiles the tests, nothing is read a second time only to be
# checked. CLIPPY_ARGS is how `cargo clippy` itself hands `-D warnings` on.
LINTED := RUSTC_WORKSPACE_WRAPPER=clippy-driver CLIPPY_ARGS=-D__CLIPPY_HACKERY__warnings__CLIPPY_HACKERY__

compile-tests: web
	cargo fmt --all --check
	$(LINTED) cargo test --all-targets --no-run $(CARGO_FLAGS)

test-rust: web ## Unit, property and integration tests of all crates.
	$(LINTED) cargo test $(CARGO_FLAGS)

test-web: web ## Type check, unit tests and conformance of the web part.
	cd web && npm run typecheck && npm test && npm run conformance

test-bench: web ## Each benchmark once, so that none of them rots.
	$(LINTED) cargo test --bench '*' $(CARGO_FLAGS)

# The development binary by default: it is built with the tests and checks its own arithmetic, and
# a second build of all dependencies is what a test run would spend its time on.
E2E_BIN ?= $(CURDIR)/target/debug/weblive

test-e2e: compile-tests $(VENV)/.installed ## Browsers, ffmpeg and another WebRTC stack against the server; E2E_BIN=… names another one.
	cd web && WEBLIVE_BIN=$(E2E_BIN) AIORTC_PYTHON=$(CURDIR)/$(VENV)/bin/python npm run e2e

measure: build $(VENV)/.installed ## What browsers see of the release binary, held to its aims (minutes, on a quiet machine).
	cd web && WEBLIVE_BIN=$(CURDIR)/target/release/weblive WEBLIVE_AIMS=judged AIORTC_PYTHON=$(CURDIR)/$(VENV)/bin/python npm run e2e:measure

$(VENV)/.installed: deploy/test/requirements.txt
	python3 -m venv $(VENV)
	$(VENV)/bin/pip install -q --disable-pip-version-check -r $<
	touch $@

fuzz: web ## Build the fuzz targets and run each 10000 times; FUZZ_SECONDS=60 searches that long.
	deploy/test/fuzz.sh

bench: web ## Criterion benchmarks (minutes, on a quiet machine).
	cargo bench -p bench $(CARGO_FLAGS)

deps-build:
	@deploy/test/install.sh build

deps-test:
	@deploy/test/install.sh build test

clean:
	cargo clean
	rm -rf web/dist web/package web/node_modules
