# make run   the demo: shop, console and supervisor's desk on one port
# make test  everything that CI runs
#
# Variables:
#   PYTHON       the interpreter that makes the virtual environment (3.11 or later)
#   VENV         where it goes
#   TORCH_INDEX  index of PyTorch's CPU wheels, e.g. https://download.pytorch.org/whl/cpu; without it pip's own index decides,
#                and on many systems that means several gigabytes of CUDA. Needed for tests and training only.
#   PORT         where the demo listens

PYTHON ?= python3
VENV ?= .venv
TORCH_INDEX ?=
PORT ?= 8000
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet
TORCH := torch==2.13.0

.PHONY: run test lint unit integration e2e web install install-dev long screenshots clean
.DEFAULT_GOAL := run

$(BIN)/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or later is needed: make PYTHON=python3.11 …")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.served: $(BIN)/python pyproject.toml
	@echo "Installing (once) …"
	$(PIP) --editable .
	@touch $@

$(VENV)/.tested: $(VENV)/.served
	@echo "Installing what tests and training need (once) …"
	$(BIN)/python -c 'import torch' 2>/dev/null || $(PIP) $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX)) $(TORCH)
	$(PIP) --editable '.[train,dev]'
	@touch $@

install: $(VENV)/.served

install-dev: $(VENV)/.tested

run: $(VENV)/.served
	@$(BIN)/staywell demo --port $(PORT)

lint: $(VENV)/.tested
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

unit: $(VENV)/.tested
	$(BIN)/python -m pytest tests/unit -m "not long" -q

integration: $(VENV)/.tested
	$(BIN)/python -m pytest tests/integration -m "not long" -q --reruns 1 --reruns-delay 2

web:
	@tests/tools/web

e2e: $(VENV)/.tested
	@$(BIN)/python tests/tools/browser.py
	$(BIN)/python -m pytest tests/e2e -m "not long" -q --reruns 2 --reruns-delay 2

# The browser's driver keeps an event loop running, so the end-to-end tests have a process of their own. What runs real servers and
# browsers gets another try, since a machine may stall; pytest counts such tries in its last line. Unit tests get none.
test: $(VENV)/.tested
	@$(BIN)/python tests/tools/system.py
	@$(BIN)/python tests/tools/browser.py
	$(MAKE) lint
	$(MAKE) web
	$(BIN)/python -m pytest tests/unit -m "not long" -q --durations=5
	$(BIN)/python -m pytest tests/integration -m "not long" -q --durations=15 --reruns 1 --reruns-delay 2
	$(BIN)/python -m pytest tests/e2e -m "not long" -q --durations=5 --reruns 2 --reruns-delay 2

long: $(VENV)/.tested
	@$(BIN)/python tests/tools/browser.py
	$(BIN)/python -m pytest tests/unit tests/integration -m long -q --timeout=7200

clean:
	rm -rf $(VENV) var .cache web/node_modules .pytest_cache .mypy_cache .ruff_cache .hypothesis

# Pictures for the README and the docs, made by the end-to-end tests that look at each screen.
PICTURES := test_journey test_screens test_supervisor_figures test_widget_access test_widget_callback
screenshots: $(VENV)/.tested
	@$(BIN)/python tests/tools/browser.py
	STAYWELL_IMAGES=$(CURDIR)/docs/images $(BIN)/python -m pytest $(PICTURES:%=tests/e2e/%.py) -q -k "not five_hundred"
