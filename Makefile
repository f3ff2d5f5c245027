# Everything here sets itself up: Python 3.10 or newer, make and a Rust toolchain are all it asks for.
PYTHON ?= python3
# How many mutants are tried at a time.
JOBS ?= 2
# Workers of pytest; 0 is one after the other. Tests wait for servers and browsers, so there is one more than there are processors.
WORKERS ?= $(shell $(PYTHON) -c 'import os; print(min((os.cpu_count() or 2) + 1, 8))')
VENV := .venv
PY := $(VENV)/bin/python
WHEELS := target/wheels
DJANGO42 := target/django-4.2
SOURCES := build.rs Cargo.toml Cargo.lock pyproject.toml README.md $(shell find src python -name '*.rs' -o -name '*.py' -o -name '*.pyi' -o -name '*.lua' -o -name '*.html' -o -name '*.pot' -o -name '*.mo' -o -name '*.css' -o -name '*.js' -o -name py.typed)

# What one process compiles, others read: thousands of processes start here.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help docs demo demo-terminal screenshots test test-rust test-python test-django42 test-release clippy lint format bench bench-qr bench-verify bench-logins bench-pairs bench-growth bench-import bench-login bench-django bench-adapters count attack mutants fuzz real-programs soak wheel clean test-pythons test-mod-wsgi test-arm faults test-asan test-tsan miri model wheels pyotp-suites pyotp-newest

help:  ## List the verbs
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 16

APP := flask

demo: $(VENV)/installed $(VENV)/demo  ## Start an example, with a user to try: APP=flask, fastapi or django (ARGS=--check: without a person)
	@$(PY) examples/$(APP)_app $(ARGS)

demo-terminal: $(VENV)/installed  ## Show a secret, its URI and codes beside other programs' (ARGS="SECRET or otpauth URI")
	@$(PY) examples/terminal_demo.py $(ARGS)

# What needs no Python package starts at once, beside the set-up; the rest when that is done, beside pytest. Both at a
# lower priority, into files that are shown if a check in them fails: pytest's own summary is the end of the output.
# ALSO names further checks: CI's. The documentation's is one of the late ones, since it reads what is installed; its own
# packages come before pytest begins, so that nothing is installed under a test.
EARLY := test-rust $(filter-out docs,$(ALSO))
LATE := lint test-django42 $(filter docs,$(ALSO))

test: $(VENV)/builder  ## Run all checks: pytest, and beside it linters, cargo test and Django 4.2
	@mkdir -p target
	@nice -n 10 $(MAKE) --no-print-directory $(EARLY) >target/early.log 2>&1 & early=$$!; late=; \
	trap 'kill $$early $$late; exit 130' INT TERM; \
	$(MAKE) --no-print-directory -j3 $(WHEELS)/built $(VENV)/tools $(DJANGO42)/installed $(patsubst %,$(VENV)/%,$(filter docs,$(ALSO))) || { kill $$early; exit 1; }; \
	$(MAKE) --no-print-directory $(VENV)/installed || { kill $$early; exit 1; }; \
	nice -n 10 $(MAKE) --no-print-directory $(LATE) >target/late.log 2>&1 & late=$$!; \
	$(MAKE) --no-print-directory test-python; pytest=$$?; failed=; \
	wait $$early || failed=target/early.log; \
	wait $$late || failed="$$failed target/late.log"; \
	if [ "$$failed" ]; then cat $$failed; echo "A check beside pytest failed: see above."; exit 1; fi; \
	echo "Beside pytest passed: $(EARLY) $(LATE) (target/early.log, target/late.log)"; exit $$pytest

# Linted while they are compiled: `cargo clippy` compiles all that they are built on again, to look at them once more.
LINTED := RUSTC_WORKSPACE_WRAPPER=$(abspath tools/rustc-with-clippy)

clippy:
	@cargo fmt --version >/dev/null 2>&1 && cargo clippy --version >/dev/null 2>&1 || rustup component add rustfmt clippy

test-rust: clippy  ## Run cargo test and clippy, on the core alone: no Python is looked for
	$(LINTED) cargo test --locked
	cargo test --locked --manifest-path tests/model/Cargo.toml --target-dir target
	@# Each kernel by itself. One that this CPU has not leaves those that it has. QR codes hash nothing.
	for kernel in portable sha-ni avx2 avx512; do \
		$(LINTED) FERROTP_KERNEL=$$kernel cargo test --locked --quiet --lib --test properties --test vectors -- --skip qr:: || exit; \
	done

test-release:  ## Run the Rust tests whose promise depends on how the compiler optimises
	cargo test --locked --release --manifest-path tests/release/Cargo.toml --target-dir target

test-python: $(VENV)/installed $(VENV)/tools  ## Run pytest on the installed wheel (WORKERS=0: one test after the other; ARGS for pytest)
	$(PY) -m pytest tests --numprocesses=$(WORKERS) $(ARGS)

test-django42: $(VENV)/installed $(VENV)/tools $(DJANGO42)/installed  ## Run the tests of ferrotp.django on Django 4.2 LTS, but for races and kills
	PYTHONPATH=$(DJANGO42) $(PY) -m pytest tests/in_django -m "not races" --numprocesses=2 $(ARGS)

test-pythons: $(WHEELS)/built  ## Run the contract, batch, vault and service suites on Debian's newer CPythons (ARGS=3.14: that one)
	@$(PYTHON) tests/machines/pythons.py $(ARGS)

test-mod-wsgi: $(WHEELS)/built  ## Run two applications under Debian's Apache and mod_wsgi, each in an interpreter of its own
	@$(PYTHON) tests/machines/mod_wsgi.py

test-arm:  ## Run cargo test, and the same suites, on ARM under emulation (ARGS for pytest: those alone)
	@$(PYTHON) tests/machines/arm.py $(ARGS)

faults: $(WHEELS)/built  ## Show faults of the release before, and that they are gone, on this CPython and on 3.14
	@$(PYTHON) tests/machines/faults.py $(ARGS)

test-asan:  ## Run the contract suite with AddressSanitizer in the extension and in Rust's standard library
	@$(PYTHON) tests/machines/sanitize.py address $(ARGS)

test-tsan:  ## Run batches in threads with ThreadSanitizer in the extension and in Rust's standard library
	@$(PYTHON) tests/machines/sanitize.py thread $(ARGS)

miri:  ## Run the core's own tests under Miri, by each kernel; wants a nightly toolchain with it
	@$(PYTHON) tests/machines/sanitize.py miri

model:  ## Check the decisions of the stores exhaustively, on a model of them, and show how many states there are
	cargo test --locked --manifest-path tests/model/Cargo.toml --target-dir target -- --nocapture

lint: clippy $(VENV)/installed $(VENV)/tools  ## Check formatting, lints and types
	cargo fmt --check
	cargo fmt --check --manifest-path fuzz/Cargo.toml
	cargo fmt --check --manifest-path tests/model/Cargo.toml
	cargo fmt --check --manifest-path tests/release/Cargo.toml
	$(LINTED) cargo test --locked --no-run
	@# The library alone: tests in Rust know nothing of the bindings. As the wheel is compiled: its macros are there.
	PYO3_CONFIG_FILE=$$(ls -t $(abspath target/maturin)/pyo3-config-*.txt | head -n 1) PYO3_BUILD_EXTENSION_MODULE=1 \
		cargo clippy --locked --release --lib --features python -- -D warnings
	$(PY) -m ruff check
	$(PY) -m ruff format --check

docs: $(VENV)/installed $(VENV)/tools $(VENV)/docs  ## Build the documentation site into target/docs, warnings are errors (ARGS=--links: other sites, too)
	@$(PY) tools/docs.py $(ARGS)

format: $(VENV)/tools  ## Format Rust and Python
	cargo fmt
	cargo fmt --manifest-path fuzz/Cargo.toml
	cargo fmt --manifest-path tests/model/Cargo.toml
	cargo fmt --manifest-path tests/release/Cargo.toml
	$(PY) -m ruff format
	$(PY) -m ruff check --fix

bench: $(VENV)-bench/installed  ## Compare with pyotp and other peers, and write docs/benchmarks.md (ARGS=--quick: within a minute)
	@$(VENV)-bench/bin/python benches/compare.py $(ARGS)

bench-qr: $(VENV)-bench/installed  ## Compare QR codes with qrcode, segno and rust-totp (ARGS=--quick: within ten seconds)
	@$(VENV)-bench/bin/python -m pip install --quiet --disable-pip-version-check -r benches/requirements-qr.txt
	@$(VENV)-bench/bin/python benches/qr.py $(ARGS)

bench-verify: $(VENV)-bench-verify/installed  ## Compare a whole login check with django-otp, allauth and Flask-Security (ARGS=--quick)
	@$(VENV)-bench-verify/bin/python benches/verify.py $(ARGS)

bench-logins: $(VENV)-bench-verify/installed  ## Compare logins a second with another version's, on each database (ARGS="--old FOLDER --quick")
	@$(VENV)-bench-verify/bin/python benches/logins.py $(ARGS)

bench-pairs: $(VENV)/installed $(VENV)/tools  ## Compare each row of `make bench` with another version's, in turns (ARGS=THE OTHER ONE'S PYTHON)
	@$(PY) benches/pairs.py $(ARGS)

bench-growth: $(VENV)/installed $(VENV)/tools  ## Compare logins at 1,000 and at 1,000,000 users in PostgreSQL (ARGS=--quick: 20,000)
	@$(PY) benches/growth.py $(ARGS)

bench-import: $(VENV)/installed $(VENV)/tools  ## Bring 100,000 users of each package over, with peak memory (ARGS=--quick: 5,000)
	@$(PY) benches/imports.py $(ARGS)

bench-login: $(VENV)-bench-login/installed  ## Compare the login step over HTTP with Flask-Security, by wrk (ARGS=--quick)
	@$(VENV)-bench-login/bin/python benches/login.py $(ARGS)

bench-django: $(VENV)-bench-verify/installed  ## Compare the login step in Django with django-otp and allauth (ARGS=--quick: within a minute)
	@$(VENV)-bench-verify/bin/python benches/django_login.py $(ARGS)

count: $(VENV)/installed  ## Count the instructions of the hot calls (ARGS=--record: these are the ones to hold to)
	@$(PY) benches/count.py $(ARGS)

bench-adapters: $(VENV)/installed $(VENV)/tools  ## Compare a code's check by the adapters with the packages alone (ARGS=--quick: within a minute)
	@$(PY) benches/adapters.py $(ARGS)

mutants: $(VENV)/installed $(VENV)/tools  ## Break the code in many places and see which tests notice (ARGS: files such as ferrotp/web/gate.py)
	$(PY) benches/mutants.py --jobs $(JOBS) $(ARGS)
	@if cargo mutants --version >/dev/null 2>&1; then cargo mutants $(MUTANTS); \
	else echo "The Rust half wants cargo-mutants: cargo install cargo-mutants --locked"; exit 1; fi

attack: $(VENV)/installed  ## Attack the service for 30 days of its clock, and print how far a guesser comes
	@$(PY) benches/attack.py $(ARGS)

fuzz: $(VENV)/installed $(VENV)/tools  ## Fuzz what reads foreign bytes, a minute for each target; wants a C++ compiler (ARGS=--quick: a second each)
	@$(PYTHON) fuzz/run.py $(ARGS)
	@$(PY) fuzz/files.py $(ARGS)

pyotp-suites: $(VENV)/installed $(VENV)/tools  ## Run pyotp's own suites, of five releases, and print how many tests pass
	@$(PY) -m pytest -q tests/pyotp/test_suites.py

pyotp-newest: $(VENV)/installed $(VENV)/tools  ## Hold ferrotp against the newest pyotp of the package index, and say what is new
	@$(PY) tests/pyotp/newest.py

real-programs: $(VENV)/installed  ## Run other programs' own tests on ferrotp.legacy
	@$(PY) tests/real_programs/run.py $(ARGS)

screenshots: $(VENV)/installed $(VENV)/tools  ## Take the pictures of the pages in docs/images anew
	FERROTP_SCREENSHOTS=1 $(PY) -m pytest tests/web -k story $(ARGS)

soak: $(VENV)/installed $(VENV)/tools  ## Compare with pyotp on a million cases; log in a million times, race and kill processes 1,000 times on each store
	FERROTP_SOAK=1 $(PY) -m pytest tests/pyotp/test_differential.py $(ARGS)
	FERROTP_SOAK=1 $(PY) -m pytest tests/mfa/redis/test_contract.py tests/mfa/redis/test_crashes.py $(ARGS)
	FERROTP_SOAK=1 $(PY) -m pytest tests/mfa/sql/test_contract.py tests/mfa/crash tests/mfa/test_many_logins.py $(ARGS)
	FERROTP_SOAK=1 $(PY) -m pytest tests/in_django/test_contract.py tests/in_django/test_kills.py tests/in_django/test_many_logins.py $(ARGS)

wheel: $(WHEELS)/built  ## Build the wheel for this machine, in release mode; its glibc is this machine's

wheels:  ## Cross-build the wheels that ship, and check them (ARGS=TARGET: that one). `make wheel` is for this machine
	@$(PYTHON) tests/machines/wheels.py $(ARGS)

clean:  ## Remove what was built
	rm -rf target fuzz/target fuzz/corpus fuzz/artifacts $(VENV) $(VENV)-bench $(VENV)-bench-verify $(VENV)-bench-login

$(VENV)/builder: requirements/build.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10) and "ferrotp needs Python 3.10 or newer: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv $(VENV)
	$(PY) -m pip install --quiet --disable-pip-version-check --no-compile -r requirements/build.txt
	@touch $@

# What is imported is compiled then, and more than half of it never is.
$(VENV)/tools: requirements/test.txt $(VENV)/builder
	$(PY) -m pip install --quiet --disable-pip-version-check --no-compile -r requirements/test.txt
	@touch $@

$(VENV)/docs: requirements/docs.txt $(VENV)/tools
	$(PY) -m pip install --quiet --disable-pip-version-check --no-compile -r requirements/docs.txt
	@touch $@

$(DJANGO42)/installed: requirements/django42.txt $(VENV)/builder
	rm -rf $(DJANGO42)
	$(PY) -m pip install --quiet --disable-pip-version-check --no-compile --target $(DJANGO42) -r requirements/django42.txt
	@touch $@

$(VENV)/demo: requirements/demo.txt $(VENV)/builder
	$(PY) -m pip install --quiet --disable-pip-version-check -r requirements/demo.txt
	@touch $@

$(WHEELS)/built: $(VENV)/builder $(SOURCES)
	rm -f $(WHEELS)/*.whl
	$(PY) -m maturin build --quiet --release --locked --interpreter $(abspath $(PY)) --out $(WHEELS)
	@touch $@

$(VENV)/installed: $(WHEELS)/built
	$(PY) -m pip install --quiet --disable-pip-version-check --force-reinstall --no-deps $(WHEELS)/*.whl
	@touch $@

$(VENV)-bench/installed: $(WHEELS)/built benches/requirements.txt
	$(PYTHON) -m venv $(VENV)-bench
	$(VENV)-bench/bin/python -m pip install --quiet --disable-pip-version-check -r benches/requirements.txt
	$(VENV)-bench/bin/python -m pip install --quiet --disable-pip-version-check --force-reinstall --no-deps $(WHEELS)/*.whl
	@if command -v npm >/dev/null; then npm install --silent --no-save --prefix $(VENV)-bench/node otplib@13.5.0; fi
	@touch $@

$(VENV)-bench-verify/installed: $(WHEELS)/built benches/requirements-verify.txt
	$(PYTHON) -m venv $(VENV)-bench-verify
	$(VENV)-bench-verify/bin/python -m pip install --quiet --disable-pip-version-check -r benches/requirements-verify.txt
	$(VENV)-bench-verify/bin/python -m pip install --quiet --disable-pip-version-check --force-reinstall --no-deps $(WHEELS)/*.whl
	@touch $@

$(VENV)-bench-login/installed: $(WHEELS)/built benches/requirements-login.txt
	$(PYTHON) -m venv $(VENV)-bench-login
	$(VENV)-bench-login/bin/python -m pip install --quiet --disable-pip-version-check -r benches/requirements-login.txt
	$(VENV)-bench-login/bin/python -m pip install --quiet --disable-pip-version-check --force-reinstall --no-deps $(WHEELS)/*.whl
	@touch $@
