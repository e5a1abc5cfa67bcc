# Every check and every chore has one definition, here; people, hooks and CI call the same.
.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON ?= python3
RUN := .venv/bin/python
# Two workers: one has the cluster for itself, the other runs what needs none.
PARALLEL := -n 2
STAMP := .venv/.locked
# The tools of the docs and the workflows, apart from what the product is tested with.
DOCS := .venv-docs/bin/python
DOCS_STAMP := .venv-docs/.locked
ACTIONLINT := github.com/rhysd/actionlint/cmd/actionlint@v1.7.12
LOCK := .venv/bin/uv pip compile pyproject.toml --generate-hashes --no-emit-index-url --no-header

.PHONY: help venv up down status join test test-full test-unit test-integration test-e2e test-lab lint schema architecture fmt images bench truth mutants coverage kubeconfig shell-env docs lint-workflows release-check lock

help: ## Show this list of targets
	@awk -F':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

venv: $(STAMP) ## Create .venv from requirements.lock
$(STAMP): requirements.lock
	@echo "creating .venv from requirements.lock …" >&2
	@$(PYTHON) -m venv .venv
	@$(RUN) -m pip install --quiet --require-hashes --only-binary :all: -r requirements.lock
	@touch $@

up down: export LAB_STARTED_AT := $(shell date +%s)

up: venv ## Create a cluster unless KUBECONFIG names one, deploy a stack, and show what you have
	@$(RUN) -m lab up

down: venv ## Destroy that stack, and remove the cluster that `make up` created; the cache stays
	@$(RUN) -m lab down

status: venv ## Show what runs, where, and when keys expire; no secrets
	@$(RUN) -m lab status

join: venv ## Join a demo node with a key from a Secret
	@$(RUN) -m lab join

kubeconfig: venv ## Print the path of the kubeconfig in use
	@$(RUN) -m lab kubeconfig

shell-env: venv ## Print the exports for your own pulumi, kubectl and tailscale
	@$(RUN) -m lab shell-env

images: venv ## Build the images that the lab runs, and print their archives
	@$(RUN) -m lab images

test: lint ## Run lint and all tests but those that take long
	@$(RUN) -m lab prepare
	$(RUN) -m pytest $(PARALLEL) tests/lab tests/e2e tests/integration tests/unit -m "not slow"

test-full: lint ## Run everything, and end to end once more on a storage class that binds at once
	@$(RUN) -m lab prepare
	$(RUN) -m pytest $(PARALLEL) tests/lab tests/e2e tests/integration tests/unit --ignore tests/e2e/test_readme.py
	TEST_STORAGE_CLASS=lab-immediate $(RUN) -m pytest tests/e2e

test-unit: venv ## Run the unit tests: pure and fast
	$(RUN) -m pytest $(PARALLEL) tests/unit

test-integration: venv ## Run the tests against real Headscale processes and the real engine
	$(RUN) -m pytest tests/integration

test-e2e: venv ## Run the tests with the real engine, a real cluster and real Tailscale nodes
	@$(RUN) -m lab prepare
	$(RUN) -m pytest tests/e2e

test-lab: venv ## Break the lab's own cluster, and repair it
	@$(RUN) -m lab prepare
	$(RUN) -m pytest tests/lab

lint: venv ## Run ruff, mypy (strict; tests and examples too) and import-linter
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(RUN) -m mypy
	.venv/bin/lint-imports

schema: venv ## Write schemas/ and docs/configuration.md from the models
	@mkdir -p schemas
	@$(RUN) -m headscale_component schema > schemas/stack.schema.json
	@$(RUN) -m headscale_component reference > docs/configuration.md

architecture: venv ## Write docs/architecture.md: which package imports which
	@$(RUN) -m tools.architecture

fmt: venv ## Let ruff format the code and fix what it can
	$(RUN) -m ruff check --fix .
	$(RUN) -m ruff format .

bench: venv ## Measure against the targets, 200 and 1,000 of each; writes build/bench.json
	@$(RUN) -m lab prepare
	$(RUN) -m tests.bench --many

truth: venv ## Compare what is refused offline with the policy engine of each Headscale
	$(RUN) -m tests.truth

mutants: venv ## Put one serious fault at a time into a copy, and name the unit test that notices
	$(RUN) -m tests.mutants

coverage: venv ## Print the branch coverage of the unit tests; fails below the floor in pyproject.toml
	@mkdir -p build
	$(RUN) -m pytest -q tests/unit --cov --cov-report=term

$(DOCS_STAMP): requirements-docs.lock
	@echo "creating .venv-docs from requirements-docs.lock …" >&2
	@$(PYTHON) -m venv .venv-docs
	@$(DOCS) -m pip install --quiet --require-hashes --only-binary :all: -r requirements-docs.lock
	@touch $@

docs: $(DOCS_STAMP) ## Build the documentation site into build/site; a warning or a dead link fails
	@NO_MKDOCS_2_WARNING=1 $(DOCS) -m mkdocs build --quiet
	@echo "build/site/index.html"

lint-workflows: $(DOCS_STAMP) ## Run actionlint and zizmor on the workflows; needs Go
	go run $(ACTIONLINT) .github/workflows/*.yaml examples/ci-preview/*.yaml
	.venv-docs/bin/zizmor --offline --no-progress .github examples/ci-preview/preview.yaml

release-check: venv $(DOCS_STAMP) ## Check a release from a clean clone: wheel, sdist, docs, image, a program on each Python
	@$(RUN) -m tools.release check

lock: venv ## Write the locks again with the newest versions that pyproject.toml allows
	$(LOCK) --quiet --upgrade --group dev -o requirements.lock
	$(LOCK) --quiet --universal --constraint requirements.lock --no-annotate -o requirements.txt
	.venv/bin/uv pip compile --quiet --upgrade --group docs --group workflows --universal --generate-hashes \
	  --no-emit-index-url --no-header -o requirements-docs.lock
