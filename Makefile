# A fresh machine needs Python 3.11 or 3.12 and make; everything else is set up here.
.DEFAULT_GOAL := help
VENV := .venv
BIN := $(VENV)/bin
PYTHON ?= $(shell scripts/find_python.sh)
PIP := $(BIN)/pip --disable-pip-version-check --quiet
PYTHON_MODELS := $(wildcard model_repository/*/1/model.py) \
	control_plane/embedded/backends/onnxruntime/model.py
export VENV

.PHONY: help demo up test mutation check format protos clean

help: ## What can be made
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(VENV)/.installed ## Start two Tritons and the control plane, send photos, show the answers, stop
	@$(BIN)/python scripts/demo.py

up: $(VENV)/.installed ## Start two Tritons and the control plane, and stay up until Ctrl-C
	@$(BIN)/tidegate up

test: $(VENV)/.installed-dev ## The whole suite, with coverage
	@scripts/install_test_servers.sh
	@scripts/test.sh

mutation: $(VENV)/.installed-dev ## How many small changes of the decision code the tests notice (an hour)
	@scripts/mutation.sh

check: $(VENV)/.installed-dev ## Formatting, lint, types, layering
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	@# The models' files have one name, so that mypy takes them one at a time.
	set -e; for model in $(PYTHON_MODELS); do $(BIN)/mypy --explicit-package-bases $$model; done
	$(BIN)/lint-imports

format: $(VENV)/.installed-dev ## Format, and mend what lint can mend
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

protos: $(VENV)/.installed-dev ## Write the protobuf modules anew
	PYTHON=$(BIN)/python scripts/generate_protos.sh

clean: ## Remove everything that was set up or written here
	rm -rf $(VENV) *.egg-info .coverage* htmlcov mutants .mypy_cache .ruff_cache .pytest_cache .hypothesis demo-output state

$(VENV)/bin/python:
	@test -n "$(PYTHON)"
	@echo "setting up $(VENV) with $(PYTHON)"
	@"$(PYTHON)" -m venv $(VENV)

$(VENV)/.installed: requirements.lock pyproject.toml | $(VENV)/bin/python
	@echo "installing what Tidegate runs on (about a minute)"
	@$(PIP) install --requirement requirements.lock
	@$(PIP) install --no-deps --editable .
	@touch $@

$(VENV)/.installed-dev: requirements-dev.lock $(VENV)/.installed
	@echo "installing what tests and training need (a few minutes: PyTorch is among it)"
	@$(PIP) install --requirement requirements-dev.lock
	@touch $@
