# make demo         train a small model and look at what it does
# make demo CPU=1   the same with a torch that has no CUDA: a much smaller installation, for computers without a GPU
# make test         the whole suite
# make test-browser the pages of `zoo turing` and `zoo web` in Chromium, which must be installed
# make pictures     the pictures that README and the docs show; those of a page, where there is a Chromium
# make docs         these pages as a site, in site/
PYTHON ?= python3
VENV ?= .venv
CPU ?=
CPU_INDEX ?= https://download.pytorch.org/whl/cpu
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --constraint constraints.txt

.PHONY: demo test test-browser lint types bench pictures docs clean

demo: $(VENV)/.installed
	$(BIN)/python docs/demo.py

test: $(VENV)/.installed-dev
	$(BIN)/python -m pytest $(ARGS)

test-browser: $(VENV)/.installed-browser
	@command -v chromedriver > /dev/null || \
		echo "This needs Chromium and its driver; on Debian and Ubuntu: apt install chromium chromium-driver" >&2
	$(BIN)/python -m pytest tests/plugins/test_turing_browser.py tests/plugins/test_web_browser.py $(ARGS)

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/lint-imports

types: $(VENV)/.installed-dev
	$(BIN)/mypy

bench: $(VENV)/.installed-dev
	for one in startup feed color colorize video memory scaling stop train; do $(BIN)/python bench/$$one.py || exit 1; done

pictures: $(VENV)/.installed-browser
	$(BIN)/python docs/pictures.py
	$(BIN)/python docs/screenshots.py

docs: $(VENV)/.installed-dev
	$(BIN)/zoo registry --schema > docs/registry.schema.json
	rm -rf build/pages site && mkdir -p build/pages
	cp -R README.md CHANGELOG.md CONTRIBUTING.md SECURITY.md LICENSE registry.toml docs build/pages
	$(BIN)/zensical build --strict --clean

clean:
	rm -rf $(VENV) build dist site .cache .mypy_cache .ruff_cache .pytest_cache

# Nothing makes it but what stands below: an environment whose Python is gone is not installed.
$(BIN)/python: ;

# Where ensurepip is missing, venv stops half-way. What it leaves is finished here, as soon as it can be; uv does without.
define environment
@$(BIN)/python -m pip --version > /dev/null 2>&1 && exit; clear=; \
$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	echo "zoo needs Python 3.11 or later. Say where one is, as in: make PYTHON=python3.13 $(MAKECMDGOALS)" >&2; exit 1; }; \
test ! -e $(VENV)/pyvenv.cfg || $(BIN)/python -c '' 2> /dev/null || clear=--clear; \
said=$$($(PYTHON) -m venv $$clear $(VENV) 2>&1) \
|| { command -v uv > /dev/null && uv venv --quiet --seed --allow-existing --python $(PYTHON) $(VENV); } \
|| { printf '%s\n\n' "$$said" >&2; \
	echo "$(PYTHON) cannot make a virtual environment: it is probably without ensurepip." >&2; \
	echo "On Debian and Ubuntu, 'apt install python3-venv' adds it; or install uv, which needs none." >&2; \
	echo "Then call make once more." >&2; exit 1; }
endef

define announce
@test -e $(VENV)/.installed || if [ "$(CPU)" = 1 ]; then \
	echo "zoo and torch without CUDA go into $(VENV): about 0.3 GB to download, 1.1 GB on the disk."; \
elif [ "$$(uname)" = Linux ]; then \
	echo "zoo and torch with CUDA go into $(VENV): about 3 GB to download, 5.5 GB on the disk."; \
	echo "Without an NVIDIA GPU, less will do: make CPU=1 $(MAKECMDGOALS)"; \
fi
endef

# Whoever watches sees pip's progress; a log gets what goes wrong. A new entry point shows only after a new installation,
# so pyproject.toml is among what these depend on.
$(VENV)/.installed-dev: EXTRAS := [dev]
$(VENV)/.installed-browser: EXTRAS := [browser]
$(VENV)/.installed $(VENV)/.installed-dev $(VENV)/.installed-browser: pyproject.toml constraints.txt $(BIN)/python
	$(environment)
	$(announce)
ifeq ($(CPU),1)
	@quiet=; test -t 1 || quiet=--quiet; set -x; $(PIP) $$quiet --no-deps --index-url $(CPU_INDEX) torch torchvision
endif
	@quiet=; test -t 1 || quiet=--quiet; set -x; $(PIP) $$quiet --editable ".$(EXTRAS)"
	@touch $(VENV)/.installed $@
