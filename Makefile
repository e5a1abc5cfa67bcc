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

help: ## show this
	@awk -F':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

venv: $(STAMP) ## make .venv from requirements.lock
$(STAMP): requirements.lock
	@echo "making .venv from requirements.lock …" >&2
	@$(PYTHON) -m venv .venv
	@$(RUN) -m pip install --quiet --require-hashes --only-binary :all: -r requirements.lock
	@touch $@

up down: export LAB_STARTED_AT := $(shell date +%s)

up: venv ## make a cluster where there is none, deploy the lab stack, and show what you have
	@$(RUN) -m lab up

down: venv ## destroy the lab stack and remove all that `make up` made, except the cache
	@$(RUN) -m lab down

status: venv ## what runs, where, and when keys end; no secrets
	@$(RUN) -m lab status

join: venv ## join a demo node with a key from a Secret
	@$(RUN) -m lab join

kubeconfig: venv ## print the path of the kubeconfig in use
	@$(RUN) -m lab kubeconfig

shell-env: venv ## print the exports for your own pulumi, kubectl and tailscale
	@$(RUN) -m lab shell-env

images: venv ## build the images that the lab runs
	@$(RUN) -m lab images

test: lint ## lint, types, unit, integration, e2e: all but what takes long
	@$(RUN) -m lab prepare
	$(RUN) -m pytest $(PARALLEL) tests/lab tests/e2e tests/integration tests/unit -m "not slow"

test-full: lint ## everything, and end to end once more on a storage class that binds at once
	@$(RUN) -m lab prepare
	$(RUN) -m pytest $(PARALLEL) tests/lab tests/e2e tests/integration tests/unit --ignore tests/e2e/test_readme.py
	TEST_STORAGE_CLASS=lab-immediate $(RUN) -m pytest tests/e2e

test-unit: venv ## pure and fast
	$(RUN) -m pytest $(PARALLEL) tests/unit

test-integration: venv ## against real headscale processes and the real engine
	$(RUN) -m pytest tests/integration

test-e2e: venv ## the real engine, a real cluster, real tailscale nodes
	@$(RUN) -m lab prepare
	$(RUN) -m pytest tests/e2e

test-lab: venv ## break the lab's own cluster, and repair it
	@$(RUN) -m lab prepare
	$(RUN) -m pytest tests/lab

lint: venv ## ruff, mypy (strict; tests and examples too), import-linter
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(RUN) -m mypy
	.venv/bin/lint-imports

schema: venv ## write schemas/ and docs/configuration.md from the models
	@mkdir -p schemas
	@$(RUN) -m headscale_component schema > schemas/stack.schema.json
	@$(RUN) -m headscale_component reference > docs/configuration.md

architecture: venv ## write docs/architecture.md: which package imports which
	@$(RUN) -m tools.architecture

fmt: venv ## let ruff format and fix what it can
	$(RUN) -m ruff check --fix .
	$(RUN) -m ruff format .

bench: venv ## measure against the targets, 200 and 1,000 of each; writes build/bench.json
	@$(RUN) -m lab prepare
	$(RUN) -m tests.bench --many

truth: venv ## hold what is refused before anything runs against the policy engine of each Headscale
	$(RUN) -m tests.truth

mutants: venv ## put one serious fault at a time into a copy, and name the unit test that notices
	$(RUN) -m tests.mutants

coverage: venv ## branch coverage by the unit tests, as a table; fails below the floor in pyproject.toml
	@mkdir -p build
	$(RUN) -m pytest -q tests/unit --cov --cov-report=term

$(DOCS_STAMP): requirements-docs.lock
	@$(PYTHON) -m venv .venv-docs
	@$(DOCS) -m pip install --quiet --require-hashes --only-binary :all: -r requirements-docs.lock
	@touch $@

docs: $(DOCS_STAMP) ## build the documentation site into build/site; a warning or a dead link fails
	@NO_MKDOCS_2_WARNING=1 $(DOCS) -m mkdocs build --quiet
	@echo "build/site/index.html"

lint-workflows: $(DOCS_STAMP) ## actionlint and zizmor on the workflows; needs Go
	go run $(ACTIONLINT) .github/workflows/*.yaml examples/ci-preview/*.yaml
	.venv-docs/bin/zizmor --offline --no-progress .github examples/ci-preview/preview.yaml

release-check: venv $(DOCS_STAMP) ## from a clean clone: wheel, sdist, docs and image, and a program on each Python
	@$(RUN) -m tools.release check

lock: venv ## make the locks again with the newest versions that pyproject.toml allows
	$(LOCK) --quiet --upgrade --group dev -o requirements.lock
	$(LOCK) --quiet --universal --constraint requirements.lock --no-annotate -o requirements.txt
	.venv/bin/uv pip compile --quiet --upgrade --group docs --group workflows --universal --generate-hashes \
	  --no-emit-index-url --no-header -o requirements-docs.lock
