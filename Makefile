# make demo   train a small model and look at what it does
# make test   the whole suite
# make docs   these pages as a site, in site/
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet --constraint constraints.txt

.PHONY: demo test lint types bench docs clean

demo: $(VENV)/.installed
	$(BIN)/python docs/demo.py

test: $(VENV)/.installed-dev
	$(BIN)/python -m pytest $(ARGS)

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/lint-imports

types: $(VENV)/.installed-dev
	$(BIN)/mypy

bench: $(VENV)/.installed-dev
	for one in startup feed color colorize memory scaling stop train; do $(BIN)/python bench/$$one.py || exit 1; done

docs: $(VENV)/.installed-dev
	$(BIN)/zoo registry --schema > docs/registry.schema.json
	rm -rf build/pages site && mkdir -p build/pages
	cp -R README.md CHANGELOG.md LICENSE registry.toml docs build/pages
	$(BIN)/zensical build --strict --clean

clean:
	rm -rf $(VENV) build dist site .cache .mypy_cache .ruff_cache .pytest_cache

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

# A new entry point shows only after a new installation, so pyproject.toml is what these depend on.
$(VENV)/.installed: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) --editable .
	touch $@

$(VENV)/.installed-dev: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) --editable ".[dev]"
	touch $@ $(VENV)/.installed
