# Everything a newcomer needs: `make demo`, `make test`. `make help` lists the rest.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
LOCK := --quiet --generate-hashes --strip-extras --allow-unsafe --no-header --no-emit-options

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-deps check docs sim mutants trials bench lock format clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

$(VENV)/installed: requirements-dev.txt pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements-dev.txt
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation -e .
	@touch $@

setup: $(VENV)/installed ## make .venv with the pinned requirements and this package

demo: setup ## three real nodes, a cut, a crash, and the verdict on what every keyspace promised
	$(BIN)/trilemma demo

test: setup ## all tests; names what is skipped and why (see test-deps)
	$(BIN)/python -m pytest -q -n 2

test-deps: ## install the Debian packages that some tests compare with (as root)
	apt-get install --yes --no-install-recommends redis-server redis-sentinel iproute2

check: setup ## ruff, mypy --strict, import rules, links of the documents
	$(BIN)/ruff check src tests examples
	$(BIN)/ruff format --check src tests examples
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -q tests/house

docs: setup ## write the reference pages that are made from the code
	$(BIN)/python -c "from pathlib import Path; from trilemma.cli.documents import write; write(Path('docs'))"

sim: setup ## a thousand schedules of the simulator
	$(BIN)/trilemma sim run --seeds 0:1000

mutants: setup ## plant known bugs and see them found
	$(BIN)/trilemma sim mutants

trials: setup ## kill -9, fail-over, convergence, a long absence, many starts: on real processes, measured
	for trial in starts failover divergence crashes absence; do $(BIN)/trilemma trial $$trial || exit 1; done

bench: setup ## speed beside a redis-server in the same minutes, memory, bytes on disk
	$(BIN)/trilemma bench

lock: setup ## pin the requirements anew; PYTHON names the oldest one meant, Debian's
	$(BIN)/pip-compile $(LOCK) --extra demo --output-file requirements.txt pyproject.toml
	$(BIN)/pip-compile $(LOCK) --extra dev --output-file requirements-dev.txt pyproject.toml

format: setup ## let ruff format the sources
	$(BIN)/ruff check --fix src tests examples
	$(BIN)/ruff format src tests examples

clean: ## remove .venv and caches
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
