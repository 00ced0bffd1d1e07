# huebench: `make help` says what there is. Needs Python 3.11 or newer: make PYTHON=/path/to/python3 to choose one.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
PIP := $(BIN)/python -m pip --disable-pip-version-check -qq
WHEEL := .cache/wheel
PYTEST_ARGS ?= -m "not slow"
WORKERS ?= 3

.PHONY: help demo test clean

help:
	@echo "make demo   run the embedded demonstration into runs/demo (the first time installs into $(VENV))"
	@echo "make test   ruff, mypy on the installed package, then pytest (PYTEST_ARGS='-m slow' for the slow ones, WORKERS=4 for more processes)"
	@echo "make clean  remove $(VENV), .cache, build leftovers and tool caches; runs/ stays"

demo: $(READY)
	@BENCH_STORE="$${BENCH_STORE:-$(CURDIR)/.cache/store}" $(BIN)/bench run --out runs/demo
	@echo "The report is in $(CURDIR)/runs/demo"

# Processes of one thread each take half the time of one with two threads, which would wait for one another. On two cores a third
# is worth it, since tests wait for processes that they started.
# mypy sees the folders as one package only where they are installed as one, and it looks in the working folder
# first: so it runs inside a folder that holds the wheel's content and nothing else.
# The scripts of benchmarks/ are no part of it.
test: $(READY)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check --quiet . || { echo "make test: run $(BIN)/ruff format" >&2; exit 1; }
	@rm -rf build $(WHEEL)
	@$(PIP) install --no-deps --no-build-isolation --no-compile --target $(WHEEL) .
	@rm -rf build
	@cd $(WHEEL) && "$(CURDIR)/$(BIN)/mypy" --config-file "$(CURDIR)/pyproject.toml" \
		--cache-dir "$(CURDIR)/.mypy_cache" -p bench
	@cd $(WHEEL) && "$(CURDIR)/$(BIN)/mypy" --config-file "$(CURDIR)/pyproject.toml" \
		--cache-dir "$(CURDIR)/.mypy_cache" "$(CURDIR)"/benchmarks/*.py
	@OMP_NUM_THREADS=1 BENCH_THREADS=1 $(BIN)/pytest --numprocesses $(WORKERS) --dist loadfile $(PYTEST_ARGS)

# setuptools goes first: building with the pinned one instead of the newest makes the installation repeatable.
$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
		{ echo "huebench needs Python 3.11 or newer, which '$(PYTHON)' is not: make PYTHON=/path/to/python3" >&2; exit 1; }
	@echo "Installing into $(VENV): some minutes the first time (PyTorch is large)"
	@$(PYTHON) -m venv $(VENV)
	@$(PIP) install --constraint constraints.txt setuptools
	@$(PIP) install --constraint constraints.txt --no-build-isolation --editable ".[dev]"
	@touch $@

clean:
	rm -rf $(VENV) .cache build dist huebench.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
