# `make demo` and `make test` need Python 3.11+, Go and root on a Debian computer, or a kubeconfig, or kind.
# Everything they install goes into the project's own cache.
SHELL := /bin/bash
.DEFAULT_GOAL := help
CACHE ?= $(or $(VIRIDIAN_CACHE),$(or $(XDG_CACHE_HOME),$(HOME)/.cache)/viridian)
# Debian's own Python comes first: it is the one of the images, and a tenth faster than one that was built without profiles.
ifndef PYTHON
PYTHON := $(shell /usr/bin/python3 -c 'import ensurepip, sys; print(sys.executable if sys.version_info >= (3, 11) else "python3")' 2>/dev/null || echo python3)
endif
VENV := $(CACHE)/venv
MLFLOW_VENV := $(CACHE)/mlflow-venv
CHECKS_VENV := $(CACHE)/checks-venv
CLI_VENV := $(CACHE)/cli-venv
DOCS_VENV := $(CACHE)/docs-venv
STORIES_VENV := $(CACHE)/stories-venv
BIN := $(VENV)/bin
COMPILE := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate
TESTS ?= tests
# Tests that need nothing but Python keep every core busy; the others, in the first two processes, mostly wait.
CORES := $(shell nproc)
PROCESSES ?= $(shell expr $(CORES) + 2)
PURE := api controller core judgement monitoring registry_sync retraining rollout
PYTEST := $(BIN)/python -m pytest --no-loadscope-reorder
# Every process that a test starts would compile the sources anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help demo test oldest ipv6 stack stack-together argocd flux pytorch tutorial stories set-up quick unit durations check bench images chart site venv mlflow-venv checks-venv cli-venv docs-venv stories-venv locks generate sbom audit zipapp up down
help: ## what can be made
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-15s %s\n", $$1, $$2}'

demo: $(VENV)/.stamp ## the whole loop on a real cluster: train, serve, swap blue-green, revert
	$(BIN)/python -m demo $(DEMO)

test: check set-up ## all tests: on a real API server, a real MLflow, a real node (TESTS=tests/unit for some)
	due="$(if $(filter tests,$(TESTS)),$$($(BIN)/python -m tests.support.stack.selected due))" && \
	  $(PYTEST) --numprocesses=$(PROCESSES) $(FLAGS) $(TESTS) $$due

OLDEST := crds wrong_manifests admission governance
OPERATOR_AT_WORK := rollouts training_runs stages commands deletion autoscalers
oldest: $(VENV)/.stamp $(MLFLOW_VENV)/.installed ## kinds, rules, admission policies and the operator on the control plane of Kubernetes 1.30, built from its source
	VIRIDIAN_OLDEST_KUBERNETES=1 $(PYTEST) $(FLAGS) $(OLDEST:%=tests/api/test_%.py) $(OPERATOR_AT_WORK:%=tests/api/operator/test_%.py)

PODS_OF_IPV6 := fd00:244::/64
ipv6: $(VENV)/.stamp $(MLFLOW_VENV)/.installed ## the operator on a control plane whose every address is of IPv6; needs root, since this computer takes the pods' addresses for its own
	ip -6 route replace local $(PODS_OF_IPV6) dev lo
	VIRIDIAN_IPV6=1 $(PYTEST) $(FLAGS) $(OPERATOR_AT_WORK:%=tests/api/operator/test_%.py); ended=$$?; \
	  ip -6 route del local $(PODS_OF_IPV6) dev lo; exit $$ended

stack: $(VENV)/.stamp $(MLFLOW_VENV)/.installed $(CLI_VENV)/.installed ## the systems that teams use beside it, each real (SYSTEM=whylogs for one, SYSTEM=changed), and docs/stack.md from what ran
	$(BIN)/python -m tests.support.stack.environment $(SYSTEM)
	tests=$$($(BIN)/python -m tests.support.stack.selected $(SYSTEM)) || exit; test -z "$$tests" || \
	  $(PYTEST) --verbose --record-stack $(FLAGS) $$tests; ended=$$?; $(BIN)/python -m docs.scripts.stack; exit $$ended

stack-together: $(VENV)/.stamp ## DVC, Evidently, Feast, MLflow and Airflow in one namespace of a real node, and docs/stack-together.md from what they did
	$(PYTEST) --verbose --capture=no --record-stack $(FLAGS) tests/stack/test_together.py && $(BIN)/python -m docs.scripts.stack_together

argocd: $(VENV)/.stamp $(MLFLOW_VENV)/.installed ## a real Argo CD applies models and steers their rollouts, and docs/argocd.md from what it did
	$(PYTEST) --verbose --record-stack $(FLAGS) tests/stack/test_argo_cd.py && $(BIN)/python -m docs.scripts.argo_cd

flux: $(VENV)/.stamp $(MLFLOW_VENV)/.installed ## a real Flux applies models and installs the operator; its build takes minutes, once
	$(PYTEST) --verbose $(FLAGS) tests/stack/test_flux.py

pytorch: $(VENV)/.stamp $(MLFLOW_VENV)/.installed ## a network that PyTorch trains is exported, served by a real node and taken back; PyTorch comes from Debian
	$(BIN)/python -m tests.support.libraries.pytorch
	$(PYTEST) --verbose $(FLAGS) tests/cluster/test_model_kinds.py -k pytorch

tutorial: $(VENV)/.stamp $(CLI_VENV)/.installed ## docs/tutorial.md on a node that is not there before, and the page from what its commands print
	$(PYTEST) --verbose --record-tutorial $(FLAGS) tests/stack/test_tutorial_on_a_node.py

stories: $(VENV)/.stamp $(STORIES_VENV)/.installed ## months in the life of models on a clock that jumps (STORY=shop for one): docs/stories, from what happened
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.support.stories $(STORY)
	$(STORIES_VENV)/bin/python -m docs.scripts.story_pictures $(STORY)
	$(BIN)/python -m docs.scripts.stories

set-up: $(VENV)/.stamp $(MLFLOW_VENV)/.installed $(CLI_VENV)/.installed ## what `make test` needs, and no test: environments, programs, binaries, images
	@$(MAKE) --no-print-directory --jobs=3 $(SET_UP)

# Nobody can load images into a cluster that the user has named.
SET_UP := set-up-binaries $(if $(VIRIDIAN_KUBECONFIG),,set-up-images) set-up-environments
.PHONY: set-up-binaries set-up-images set-up-environments
set-up-binaries:
	$(PYTHON) -m localcluster build
set-up-images:
	$(PYTHON) -m localcluster images build
set-up-environments:
	$(BIN)/python -m tests.support.debian
	$(BIN)/python -m tests.support.clients.suite
	$(BIN)/python -m tests.support.stack.environment due
	$(BIN)/python -m tests.support.libraries.environment
	$(BIN)/python -m tests.support.axe
	$(PYTEST) --collect-only --quiet tests >/dev/null # compiles the tests once, instead of in each process

quick: $(VENV)/.stamp ## the tests of the pure layers, in about a minute
	$(BIN)/ruff check --quiet .
	$(PYTEST) --quiet --numprocesses=$(CORES) -m quick $(FLAGS) $(wildcard $(PURE:%=tests/unit/%))

unit: $(VENV)/.stamp ## all tests that need nothing but Python: no API server, MLflow, PostgreSQL, browser or node
	$(PYTEST) --quiet --numprocesses=$(CORES) -m unit $(FLAGS) tests/unit tests/contract

durations: ## all tests, and what they take into tests/durations.json, by which they are shared among the processes
	$(MAKE) test FLAGS=--record-durations

check: $(VENV)/.stamp $(CHECKS_VENV)/.installed $(DOCS_VENV)/.installed ## formatting, lint, types, layers, generated files, scanners, the site
	@$(MAKE) --no-print-directory --jobs=$(CORES) --output-sync=target $(CHECKS)

CHECKS := check-scanners check-types check-style check-layers check-generated site
.PHONY: $(CHECKS)
check-style:
	$(BIN)/ruff format --check --quiet .
	$(BIN)/ruff check --quiet .
check-types:
	$(BIN)/mypy
check-layers:
	$(BIN)/lint-imports
check-generated:
	$(BIN)/python -m pytest --quiet tests/unit/api/test_crds.py tests/unit/api/test_reference.py tests/unit/install/test_chart.py -m "not needs_programs"
	$(BIN)/python charts/copy_crds.py --check
check-scanners:
	$(BIN)/python -m checks --programs $(CHECKS_VENV)/bin

bench: $(VENV)/.stamp ## what is measured, side by side with what one would use instead
	$(BIN)/python -m benchmarks

generate: $(VENV)/.stamp ## everything that is made from the types: crds/, the chart's copy and README, docs/reference/, docs/requirements.md, docs/tools.md, docs/stack.md, docs/stack-together.md, docs/argocd.md, docs/stories
	$(BIN)/python -m viridian.api.crd
	$(BIN)/python -m viridian.api.governance_admission
	$(BIN)/python charts/copy_crds.py
	$(BIN)/python -m docs.scripts.reference
	$(BIN)/python -m docs.scripts.requirements
	$(BIN)/python -m docs.scripts.tools
	$(BIN)/python -m docs.scripts.stack
	$(BIN)/python -m docs.scripts.stack_together
	$(BIN)/python -m docs.scripts.argo_cd
	$(BIN)/python -m docs.scripts.stories
	$(BIN)/python -m docs.scripts.chart_values

site: $(DOCS_VENV)/.installed ## the documentation as a site in dist/site, built strictly: a link that leads nowhere fails it
	NO_MKDOCS_2_WARNING=1 $(DOCS_VENV)/bin/mkdocs --quiet build

images: ## every image, pushed to a registry (REGISTRY=registry.example.com/viridian, TAG=…, INSECURE=1 without TLS)
	@$(PYTHON) -m localcluster images push --registry="$(REGISTRY)" --tag="$(TAG)" $(if $(INSECURE),--insecure) $(if $(BASE),--base="$(BASE)") $(if $(RELEASE),--release) $(IMAGES)

chart: $(VENV)/.stamp ## the chart in one file in dist, pushed with CHARTS=oci://registry.example.com/viridian
	$(BIN)/python -m release.chart $(CHARTS) $(if $(INSECURE),--insecure)

sbom: $(VENV)/.stamp $(MLFLOW_VENV)/.installed ## a bill of materials for each image (CycloneDX), in dist/sbom
	$(BIN)/python -m release.sbom dist/sbom --environment $(VENV) --environment $(MLFLOW_VENV)

audit: $(VENV)/.stamp ## known faults in what the locks pin (ADVISORIES=file or folder in the OSV format)
	$(BIN)/python -m release.audit $(if $(ADVISORIES),"$(ADVISORIES)")

zipapp: $(VENV)/.stamp ## kubectl viridian as one file for this Python, in dist (URL=https://…: for all platforms, with a manifest for krew)
	$(BIN)/python -m release.zipapp $(if $(URL),--base-url="$(URL)")

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

$(VENV)/.stamp: $(VENV)/.installed $(INSTALLED)
	touch $@

$(INSTALLED): pyproject.toml $(VENV)/.installed
	$(BIN)/uv pip install --quiet --offline --no-deps --no-build-isolation --python $(BIN)/python --editable .
	echo $(CURDIR) > $@

mlflow-venv: $(MLFLOW_VENV)/.installed ## a real MLflow server for the tests, in an environment of its own

checks-venv: $(CHECKS_VENV)/.installed ## checkov and bandit, in an environment of their own

cli-venv: $(CLI_VENV)/.installed ## what a person installs for logins by plugins; Kopf loads the official client wherever it finds it

docs-venv: $(DOCS_VENV)/.installed ## MkDocs and its theme, in an environment of their own

stories-venv: $(STORIES_VENV)/.installed ## what draws the pictures of the stories

$(VENV)/.installed: locks/dev.txt
$(CLI_VENV)/.installed: locks/cli.txt
$(MLFLOW_VENV)/.installed: locks/mlflow.txt
$(CHECKS_VENV)/.installed: locks/checks.txt
$(DOCS_VENV)/.installed: locks/docs.txt
$(STORIES_VENV)/.installed: locks/stories.txt
%/.installed: locks/uv.txt
	$(PYTHON) -m localcluster.environments $* $(filter-out locks/uv.txt,$^)
	touch $@

locks: ## pin every dependency anew, with hashes and without any index address
	for extra in operator cli server trainer collector dashboard dev; do $(COMPILE) --extra $$extra -o locks/$$extra.txt pyproject.toml; done
	for part in build checks clients docs envoy mlflow pex stories uv; do $(COMPILE) -o locks/$$part.txt locks/$$part.in; done
	$(COMPILE) --extra trainer -c locks/trainer.txt -o locks/libraries.txt pyproject.toml locks/libraries.in
	$(COMPILE) --no-deps -o locks/axe.txt locks/axe.in
	for lock in locks/bench/*.in examples/stack/*/lock.in; do $(COMPILE) -o $${lock%.in}.txt $$lock; done
