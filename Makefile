# Everything a newcomer needs: `make demo` and `make test`.
PYTHON ?= python3
BIN := .venv/bin
SECONDS ?= 60

.PHONY: help demo test check bench bench-peers mutants soak clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{ printf "  make %-12s %s\n", $$1, $$2 }'

.venv/made: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "amends needs Python 3.11 or newer; this is $$($(PYTHON) --version). Say which: make PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -m venv .venv || { echo "No virtual environment could be made; on Debian: apt-get install python3-venv"; exit 1; }
	@$(BIN)/python -m pip install --quiet --upgrade pip
	@$(BIN)/python -m pip install --quiet --editable .
	@touch $@

.venv/dev: .venv/made
	@$(BIN)/python -m pip install --quiet --group dev
	@touch $@

demo: .venv/made ## run a few hundred orders while workers are killed, and audit the outcome
	@$(BIN)/amends demo

test: .venv/dev ## run every test
	@$(BIN)/python -m pytest -n auto

check: .venv/dev ## ruff, mypy, pyright, ty, import-linter, the house test
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/pyright
	@$(BIN)/ty check --quiet --python .venv tests/typing/api.py
	@$(BIN)/lint-imports
	@$(BIN)/python -m pytest tests/test_house.py

bench: .venv/dev ## the benchmarks of amends alone, beside what the disk allows: three minutes
	@$(BIN)/python -m benchmarks

bench-peers: .venv/dev ## the same beside other engines, which it installs: half an hour; makes docs/performance.md
	@$(BIN)/python -m benchmarks --form long --peers --results benchmarks/results.json --page docs/performance.md

mutants: .venv/dev ## take each decided rule out of the code, and see that a test notices
	@$(BIN)/python -m tests.mutants

soak: .venv/dev ## the long proofs: pairs of faults, storms, failing disks, a million items, load (an hour of it: make soak SECONDS=3600)
	@$(BIN)/python -m tests.testing
	@$(BIN)/python -m tests.storms
	@$(BIN)/python -m tests.disks
	@$(BIN)/python -m tests.fans
	@$(BIN)/python -m tests.load --seconds $(SECONDS)

clean: ## remove what was made here
	rm -rf .venv .bench .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
