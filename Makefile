PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/installed

# one thread each: the arrays are small, and several processes may run side by side
export OMP_NUM_THREADS ?= 1

.PHONY: demo test test-all bench reproduce-table lint clean

demo: $(STAMP)
	$(BIN)/govcheck analyze examples/weight_normalised_resnet.yaml

test: lint
	$(BIN)/python -m pytest -q -n auto --maxprocesses 8 -m "not slow"

test-all: lint
	$(BIN)/python -m pytest -q -n auto --maxprocesses 8

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/mypy

bench: $(STAMP)
	$(BIN)/python benchmarks/run.py $(BENCH)

reproduce-table: $(STAMP)
	$(BIN)/govcheck reproduce --quick all -o reports
	$(BIN)/govcheck reproduce --summary -o reports --archive docs/reports --into README.md

$(STAMP): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet -e '.[test,dev]' -c constraints.txt
	touch $@

clean:
	rm -rf .venv build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
