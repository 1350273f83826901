# Imprint: everything here needs Python 3.11 or newer, make and a package registry, nothing else.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --constraint constraints.txt

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test format docs bench dist dist-check clean

help:  ## show this list
	@sed -n 's/^\([a-z-]*\):.*## /  make \1: /p' $(MAKEFILE_LIST) | awk -F': ' '{printf "%-20s%s\n", $$1, $$2}'

demo: $(VENV)/installed  ## train on MNIST, plainly and skipping, and show the difference
	rm -rf runs/demo
	$(BIN)/imprint train mnist --compare --out runs/demo

# One thread a worker: several workers with all threads each would only wait for one another. A file
# stays in one of them, so that what its tests share is made once.
test: $(VENV)/checks  ## run every check (format, lint, types, tests, documentation)
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	OMP_NUM_THREADS=1 $(BIN)/pytest --numprocesses auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

format: $(VENV)/checks  ## format the code and mend what can be mended by machine
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

docs: $(VENV)/checks  ## show the documentation on a local port while you write
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs serve

bench: $(VENV)/checks  ## measure again what docs/benchmarks.md states
	for script in benchmarks/bench_*.py; do $(BIN)/python "$$script" || exit 1; done

dist: $(VENV)/checks  ## build the wheel and the source distribution, and check both
	rm -rf dist
	$(BIN)/python -m build --no-isolation
	$(BIN)/python -m twine check --strict dist/*
	@test -z "$$(find dist -name '*.whl' -size +15000000c)" || { echo "the wheel is above 15 MB"; exit 1; }

dist-check: dist  ## install the wheel into an empty environment and train with it
	folder=$$(mktemp -d) && trap 'rm -rf "$$folder"' EXIT && \
	$(PYTHON) -m venv "$$folder/venv" && \
	"$$folder/venv/bin/python" -m pip install --quiet --constraint constraints.txt dist/*.whl && \
	cd "$$folder" && venv/bin/imprint train mnist --epochs 1 --out run && test -s run/result.json

clean:  ## remove what was built; the environment and runs/ stay
	rm -rf build dist site .mypy_cache .pytest_cache .ruff_cache .hypothesis

# Stamps: a second call finds them and goes straight to work.

$(VENV)/created:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and \
	"Imprint needs Python 3.11 or newer; name one with make PYTHON=...")'
	$(PYTHON) -m venv $(VENV)
	touch $@

$(VENV)/installed: $(VENV)/created pyproject.toml constraints.txt
	$(PIP) --editable .
	touch $@

$(VENV)/checks: $(VENV)/created pyproject.toml constraints.txt
	$(PIP) --editable '.[dev]'
	touch $@ $(VENV)/installed
