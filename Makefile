# `make` lists what there is; `make check` is the only definition of clean, and what CI runs.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
PACKAGES := wsgi.py foundation quality payments workforce demo migrations benchmarks tests

.DEFAULT_GOAL := help
.PHONY: help setup run test check format bench faults drill soak mutants planted attack lock clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(READY) ## Everything that is needed, into .venv

# The lock carries the hash of every file it admits; the project itself is linked in, without asking anybody.
$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Rookery needs Python 3.11 or newer; say which: make PYTHON=python3.12 setup")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $(READY)

run: $(READY) ## The main job on real data: engines, service, demo, report; stays up until Ctrl-C
	@exec $(BIN)/rookery demo

test: $(READY) ## All tests, on real PostgreSQL and real Redis
	$(BIN)/python -m pytest -n 2 --dist worksteal

check: $(READY) ## Format, lint, types, import rules, then the tests
	$(BIN)/ruff format --check $(PACKAGES)
	$(BIN)/ruff check $(PACKAGES)
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	@$(MAKE) --no-print-directory test

format: $(READY) ## Put the code into shape
	$(BIN)/ruff format $(PACKAGES)
	$(BIN)/ruff check --fix $(PACKAGES)

bench: $(READY) ## What we claim about speed; DATA=folder of crowd data sets for more of them
	$(BIN)/python -m benchmarks $(if $(DATA),--data $(DATA))

faults: $(READY) ## Every fault under load, in minutes; nothing acknowledged may be lost or done twice. SEED=3 ONLY=web,redis; ONLY=payouts MINUTES=10
	$(BIN)/python -m tests.faults $(if $(SEED),--seed $(SEED)) $(if $(ONLY),--only "$(ONLY)") $(if $(MINUTES),--minutes $(MINUTES))

soak: $(READY) ## The same for hours: HOURS=8; or the books beside a model of them: OPERATIONS=1000000 SEED=1
	$(if $(OPERATIONS),$(BIN)/python -m tests.payments.soak --operations $(OPERATIONS) --seed $(or $(SEED),1),$(BIN)/python -m tests.faults --hours $(or $(HOURS),2) --kills 100 --writes 20000 --minutes 10 $(if $(SEED),--seed $(SEED)))

drill: $(READY) ## Lose a house under load and restore it, upgrade one under load; SIZE=1 for 1 GB
	$(BIN)/python -m tests.drills.restore $(if $(SIZE),--size-gb $(SIZE) --seconds 45)
	$(BIN)/python -m tests.drills.upgrade

mutants: $(READY) ## Take every guard out of the house, one at a time; each time a test must turn red
	$(BIN)/python -m tests.access.mutate

planted: $(READY) ## Plant bugs that cost money, one at a time; each time a test must turn red. ONLY=fx,lock
	$(BIN)/python -m tests.payments.planted $(if $(ONLY),--only "$(ONLY)") $(if $(RESULTS),--results "$(RESULTS)")

attack: $(READY) ## Send every bad input to every route of a real house, then let schemathesis try
	$(BIN)/python -m tests.attack

lock: $(READY) ## Pin the dependencies anew
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	$(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --all-extras --upgrade --quiet \
		--no-header --no-annotate --no-emit-index-url pyproject.toml --output-file requirements.lock

clean: ## Remove .venv and what tools have left
	rm -rf $(VENV) .mypy_cache .ruff_cache .hypothesis .import_linter_cache *.egg-info build
