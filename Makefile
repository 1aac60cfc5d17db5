# cliffnet: `make help` lists the targets. A fresh machine needs Python >= 3.11, pip and cargo; nothing else.
.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c

PYTHON ?= python3
# the version of torch to install and test with; empty takes the newest
TORCH ?=
VENV ?= $(if $(TORCH),.venv-torch-$(TORCH),.venv)
# extra arguments for pytest, such as PYTEST="-k product"
PYTEST ?=

BIN := $(VENV)/bin
RUST_SOURCES := Cargo.toml Cargo.lock pyproject.toml $(shell find rust -name '*.rs' -o -name Cargo.toml)
CRATES := -p cliffnet-algebra -p cliffnet-plan -p cliffnet-cpu -p cliffnet-cuda

.PHONY: help
help:  ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## */\1\t/' | expand -t 12

$(VENV)/.python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "cliffnet needs Python 3.11 or newer; '$(PYTHON)' is $$($(PYTHON) --version). Set PYTHON=..."; exit 2; }
	@command -v cargo >/dev/null || { echo "cliffnet needs cargo to build; install a Rust toolchain first"; exit 2; }
	$(PYTHON) -m venv $(VENV)
	touch $@

$(VENV)/.dependencies: $(VENV)/.python pyproject.toml
	$(BIN)/pip install --quiet --upgrade pip maturin
	$(BIN)/pip install --quiet 'torch$(if $(TORCH),==$(TORCH),>=2.10)'
	$(BIN)/python tools/extras.py test bench lint | xargs -d '\n' $(BIN)/pip install --quiet
	touch $@

$(VENV)/.extension: $(VENV)/.dependencies $(RUST_SOURCES)
	VIRTUAL_ENV=$(abspath $(VENV)) $(BIN)/maturin develop --release --quiet
	touch $@

.PHONY: install
install: $(VENV)/.extension  ## make the environment (VENV moves it) and build the extension into it

.PHONY: demo
demo: install  ## train GATr and two baselines on simulated planets, in under five minutes on two cores
	$(BIN)/cliffnet demo

.PHONY: test
test: install  ## run every test (TORCH=2.11.0 for that version of torch, PYTEST="..." for arguments)
	cargo test --quiet $(CRATES)
	$(BIN)/python -m pytest --doctest-modules python/cliffnet tests $(PYTEST)

.PHONY: test-gpu
test-gpu: install  ## run the tests that need a CUDA device; without one it only says so
	@if $(BIN)/python -c 'import sys, torch; sys.exit(not torch.cuda.is_available())'; then \
		$(BIN)/python -m pytest -m gpu tests $(PYTEST); \
	else \
		echo "no CUDA device"; \
	fi

# those that the processor has
ISAS ?= scalar avx2 avx512
.PHONY: test-isa
test-isa: install  ## run the tests of operators, functions and models on each instruction set (ISAS chooses)
	for isa in $(ISAS); do \
		echo "CLIFFNET_ISA=$$isa"; \
		CLIFFNET_ISA=$$isa $(BIN)/python -m pytest -q tests/ops tests/functional tests/nn tests/models $(PYTEST) || exit 1; \
	done

CASES ?= 10000000
SEED ?= 0
.PHONY: fuzz
fuzz:  ## run random operations on random strided memory (CASES says how many, SEED where to start)
	CLIFFNET_FUZZ_CASES=$(CASES) CLIFFNET_FUZZ_SEED=$(SEED) \
		cargo test --release --quiet -p cliffnet-cpu --test suite fuzz -- --nocapture

.PHONY: sanitize
sanitize:  ## run the native tests under Miri and the address sanitizer (needs a nightly toolchain with miri)
	CLIFFNET_TIGHT_MEMORY=1 MIRIFLAGS="-Zmiri-disable-isolation -Zmiri-deterministic-floats" \
		cargo +nightly miri test --quiet -p cliffnet-cpu --test suite fuzz
	CLIFFNET_TIGHT_MEMORY=1 RUSTFLAGS=-Zsanitizer=address CLIFFNET_FUZZ_CASES=200000 \
		cargo +nightly test --quiet --release --tests --target $(shell rustc -vV | sed -n 's/^host: //p') $(CRATES)

.PHONY: lint
lint: install  ## check formatting, lints, types and the stub of the extension
	cargo fmt --all --check
	cargo clippy --quiet --workspace --all-targets -- -D warnings
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python tools/stub.py --check
	$(BIN)/mypy
	$(BIN)/python -m mypy.stubtest cliffnet._rust --concise

.PHONY: format
format: install  ## format all code and rewrite the stub of the extension
	cargo fmt --all
	$(BIN)/ruff check --fix --quiet . || true
	$(BIN)/ruff format .
	$(BIN)/python tools/stub.py

.PHONY: bench
bench: install  ## print every figure of the README (benches/README.md says what each script needs)
	$(BIN)/python -m benches

.PHONY: wheel
wheel: $(VENV)/.dependencies  ## build a wheel into dist/
	$(BIN)/maturin build --release --quiet --out dist

.PHONY: clean
clean:  ## remove the environment and everything built
	rm -rf $(VENV) target dist python/cliffnet/*.so .pytest_cache .mypy_cache .ruff_cache
