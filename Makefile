# Every verb starts from a bare clone with only Python and make: it creates .venv, installs through constraints.txt, runs.

PYTHON ?= python3
BIN := .venv/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
THREADS := OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1
WORKERS ?= 2

.PHONY: demo test check bench clean

demo: .venv/installed
	$(BIN)/legato demo -o runs/demo --force

test: .venv/installed
	$(THREADS) $(BIN)/python -m pytest -n $(WORKERS)

check: .venv/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(THREADS) $(BIN)/python -m pytest -q tests/house

bench: .venv/installed-bench
	$(BIN)/python -m benchmarks

clean:
	rm -rf .venv build dist runs .pytest_cache .mypy_cache .ruff_cache .hypothesis .benchmarks src/*.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/bin/python:
	$(PYTHON) -m venv .venv

.venv/installed: pyproject.toml constraints.txt | .venv/bin/python
	$(INSTALL) -e '.[all,dev]'
	touch $@

.venv/installed-bench: .venv/installed
	$(INSTALL) -e '.[all,dev,bench]'
	touch $@
