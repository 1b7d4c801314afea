# `make demo` and `make test` need Python 3.11+, Go and root on a Debian computer, or a kubeconfig, or kind.
# Everything they install goes into the project's own cache.
SHELL := /bin/bash
.DEFAULT_GOAL := help
CACHE ?= $(or $(VIRIDIAN_CACHE),$(or $(XDG_CACHE_HOME),$(HOME)/.cache)/viridian)
PYTHON ?= python3
VENV := $(CACHE)/venv
MLFLOW_VENV := $(CACHE)/mlflow-venv
CHECKS_VENV := $(CACHE)/checks-venv
BIN := $(VENV)/bin
COMPILE := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate
TESTS ?= tests
PROCESSES ?= 2

.PHONY: help demo test check bench images venv mlflow-venv checks-venv locks generate sbom audit up down
help: ## what can be made
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

demo: $(VENV)/.stamp ## the whole loop on a real cluster: train, serve, swap blue-green, revert
	$(BIN)/python -m demo $(DEMO)

test: $(VENV)/.stamp $(MLFLOW_VENV)/.stamp check ## all tests: on a real API server, a real MLflow, a real node (TESTS=tests/unit for some)
	$(BIN)/python -m tests.support.debian
	$(PYTHON) -m localcluster build
	$(BIN)/python -m tests.support.clients.suite
	$(BIN)/python -m pytest --numprocesses=$(PROCESSES) --no-loadscope-reorder $(TESTS)

check: $(VENV)/.stamp $(CHECKS_VENV)/.stamp ## formatting, lint, types, layers, generated files, scanners
	$(BIN)/ruff format --check --quiet .
	$(BIN)/ruff check --quiet .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest --quiet tests/unit/api/test_crds.py tests/unit/api/test_reference.py
	$(BIN)/python charts/copy_crds.py --check
	$(BIN)/python -m checks --programs $(CHECKS_VENV)/bin

bench: $(VENV)/.stamp ## what is measured, side by side with what one would use instead
	$(BIN)/python -m benchmarks

generate: $(VENV)/.stamp ## everything that is made from the types: crds/, the chart's copy, docs/reference/
	$(BIN)/python -m viridian.api.crd
	$(BIN)/python charts/copy_crds.py
	$(BIN)/python -m docs.scripts.reference

images: ## every image, pushed to a registry (REGISTRY=registry.example.com/viridian, TAG=…, INSECURE=1 without TLS)
	@$(PYTHON) -m localcluster images push --registry="$(REGISTRY)" --tag="$(TAG)" $(if $(INSECURE),--insecure) $(if $(BASE),--base="$(BASE)") $(if $(RELEASE),--release) $(IMAGES)

sbom: $(VENV)/.stamp $(MLFLOW_VENV)/.stamp ## a bill of materials for each image (CycloneDX), in dist/sbom
	$(BIN)/python -m release.sbom dist/sbom --environment $(VENV) --environment $(MLFLOW_VENV)

audit: $(VENV)/.stamp ## known faults in what the locks pin (ADVISORIES=file or folder in the OSV format)
	$(BIN)/python -m release.audit $(if $(ADVISORIES),"$(ADVISORIES)")

up: ## one real Kubernetes node on this computer
	$(PYTHON) -m localcluster up

down: ## … and nothing left of it
	$(PYTHON) -m localcluster down

venv: $(VENV)/.stamp ## the development environment, in the project's cache

# Checkouts share the environment: whoever uses it next installs its own sources.
INSTALLED := $(VENV)/.checkout
ifneq ($(shell cat $(INSTALLED) 2>/dev/null),$(CURDIR))
.PHONY: $(INSTALLED)
endif

$(VENV)/.stamp: locks/dev.txt $(INSTALLED)
	$(BIN)/python -m pip install --quiet --require-hashes -r locks/dev.txt
	touch $@

$(INSTALLED): pyproject.toml $(VENV)/bin/uv
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	echo $(CURDIR) > $@

$(BIN)/uv:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --require-hashes -r locks/dev.txt

mlflow-venv: $(MLFLOW_VENV)/.stamp ## a real MLflow server for the tests, in an environment of its own

$(MLFLOW_VENV)/.stamp: locks/mlflow.txt
	$(PYTHON) -m venv $(MLFLOW_VENV)
	$(MLFLOW_VENV)/bin/python -m pip install --quiet --require-hashes -r locks/mlflow.txt
	touch $@

checks-venv: $(CHECKS_VENV)/.stamp ## checkov and bandit, in an environment of their own

$(CHECKS_VENV)/.stamp: locks/checks.txt
	$(PYTHON) -m venv $(CHECKS_VENV)
	$(CHECKS_VENV)/bin/python -m pip install --quiet --require-hashes -r locks/checks.txt
	touch $@

locks: ## pin every dependency anew, with hashes and without any index address
	for extra in operator server trainer collector dev; do $(COMPILE) --extra $$extra -o locks/$$extra.txt pyproject.toml; done
	for part in build checks clients mlflow; do $(COMPILE) -o locks/$$part.txt locks/$$part.in; done
	for tool in locks/bench/*.in; do $(COMPILE) -o $${tool%.in}.txt $$tool; done
