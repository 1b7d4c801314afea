# `make demo` and `make test` need Python 3.11+, Go and root on a Debian computer, or a kubeconfig, or kind.
# Everything they install goes into the project's own cache.
SHELL := /bin/bash
.DEFAULT_GOAL := help
CACHE ?= $(or $(VIRIDIAN_CACHE),$(or $(XDG_CACHE_HOME),$(HOME)/.cache)/viridian)
PYTHON ?= python3
VENV := $(CACHE)/venv
MLFLOW_VENV := $(CACHE)/mlflow-venv
BIN := $(VENV)/bin
COMPILE := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate

.PHONY: help venv mlflow-venv locks
help: ## what can be made
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

venv: $(VENV)/.stamp ## the development environment, in the project's cache

$(VENV)/.stamp: locks/dev.txt pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --require-hashes -r locks/dev.txt
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	touch $@

mlflow-venv: $(MLFLOW_VENV)/.stamp ## a real MLflow server for the tests, in an environment of its own

$(MLFLOW_VENV)/.stamp: locks/mlflow.txt
	$(PYTHON) -m venv $(MLFLOW_VENV)
	$(MLFLOW_VENV)/bin/python -m pip install --quiet --require-hashes -r locks/mlflow.txt
	touch $@

locks: ## pin every dependency anew, with hashes and without any index address
	for extra in operator server trainer dev; do $(COMPILE) --extra $$extra -o locks/$$extra.txt pyproject.toml; done
	for set in mlflow build; do $(COMPILE) -o locks/$$set.txt locks/$$set.in; done
