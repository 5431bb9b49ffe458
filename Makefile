# Everything a user needs is in two commands: `make drill` and `make test`.
SHELL := /bin/bash
VENV := .venv
BIN := $(VENV)/bin
PYTHON ?= python3
STAMP := $(VENV)/.installed-$(shell cat pyproject.toml constraints.txt 2>/dev/null | sha256sum | cut -c1-12)
SCENARIO ?= broker-kill-leader

.PHONY: drill test test-all lint unit cluster bench catalogue packages browser install lab-down clean

drill: install ## bring the lab up, kill a Kafka broker under load, judge it, write the report
	@exec $(BIN)/drill run $(SCENARIO) --lab

# A gate that is red by chance is soon not believed: what fails on two busy cores is run once more, and told as such.
test: install lint browser ## everything that CI runs
	@exec $(BIN)/python -m pytest -m "not slow" --reruns 1 -rR

test-all: install lint browser ## every test there is
	@exec $(BIN)/python -m pytest

lint: install ## style, types, the layer contract
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

unit: install browser ## the tests that need no cluster
	@exec $(BIN)/python -m pytest tests/unit tests/contract

cluster: install ## the tests on the real lab
	@exec $(BIN)/python -m pytest tests/cluster

bench: install ## speed and memory, as ratios measured in one run
	@exec $(BIN)/python -m tests.bench

catalogue: install ## write docs/catalogue.md anew, which is made of the code
	@exec $(BIN)/drill catalogue docs/catalogue.md

browser: install ## what the test of the pages' accessibility needs: a Chromium, and axe-core from npm
	@missing=""; for tool in chromium npm; do command -v $$tool > /dev/null || missing="$$missing $$tool"; done; \
	if [ -n "$$missing" ]; then \
	  echo "installing Debian packages:$$missing" >&2; \
	  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$missing >&2; \
	fi
	@$(BIN)/python -m tests.axe

packages: ## install the Debian packages that the lab needs and that are missing
	@missing="$$($(PYTHON) -m lab.packages)"; \
	if [ -n "$$missing" ]; then \
	  echo "installing Debian packages: $$missing" >&2; \
	  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$missing >&2; \
	fi

install: packages $(STAMP)

$(STAMP): ## the Python side, in a virtual environment of the checkout
	@echo "installing Python packages into $(VENV)" >&2
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@rm -f $(VENV)/.installed-*
	@touch $@

lab-down:
	@$(BIN)/drill lab down

clean: ## the virtual environment and what tools leave; the lab's cache is the user's
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
