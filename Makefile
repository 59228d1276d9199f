# `make demo` and `make test` are all a newcomer needs; each does its own set-up.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
.DEFAULT_GOAL := help

.PHONY: help setup demo test check bench score format lint type lock clean

help:  ## this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

setup: $(VENV)/.ready system  ## .venv from the hash-pinned lock; mosquitto, chromium and a JDK where they may be installed

$(VENV)/.ready: requirements.lock pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	touch $@

# what tests talk to and the product does not need: a COSE library whose pins clash with ours,
# Spark, Azurite, and axe that judges pages, each in an environment of its own
.PHONY: peers
peers: $(VENV)/.cose $(VENV)/.spark $(VENV)/.azurite $(VENV)/.axe

$(VENV)/.%: tests/peers/%.lock | $(VENV)/.ready
	$(PYTHON) -m venv $(VENV)/$*
	$(VENV)/$*/bin/python -m pip install --quiet --require-hashes -r tests/peers/$*.lock
	touch $@

$(VENV)/.azurite $(VENV)/.axe: $(VENV)/.%: tests/peers/%/package-lock.json | $(VENV)/.ready
	@sh .ci/npm-peer $* $(VENV)/$*
	touch $@

.PHONY: system
system:
	@sh .ci/system-packages

demo: setup  ## the whole line on this machine: bikes, relays, broker, truck, page, cloud copy
	$(BIN)/truck demo

# whole processes, a browser, Spark and kill -9 want the machine for themselves; the rest shares its cores
ALONE := tests/live tests/truck/serve tests/cloud_sync/engines
test: setup peers  ## all tests
	$(BIN)/python -m pytest --numprocesses auto --dist loadfile $(ALONE:%=--ignore=%)
	$(BIN)/python -m pytest $(ALONE)

check: setup lint type  ## lint and types

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

type: setup
	$(BIN)/mypy

format: setup  ## rewrite the code in the house style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: setup  ## measured ratios, printed and written to build/bench.json
	PYTHONPATH=.:tests $(BIN)/python tests/bench/run.py

score: setup  ## the aims of the race logic beside their figures, written to build/score.json
	$(BIN)/python tests/score/run.py

lock:  ## renew the lock files (needs uv)
	uv pip compile pyproject.toml --extra dev --generate-hashes --no-emit-index-url --no-emit-find-links --no-annotate --no-header --quiet --python-version 3.11 --output-file requirements.lock
	for peer in cose spark; do uv pip compile tests/peers/$$peer.in --generate-hashes --no-emit-index-url --no-emit-find-links --no-annotate --no-header --quiet --python-version 3.11 --output-file tests/peers/$$peer.lock; done
	for peer in azurite axe; do (cd tests/peers/$$peer && npm install --package-lock-only --ignore-scripts --silent); $(PYTHON) .ci/without-addresses tests/peers/$$peer/package-lock.json; done

clean:  ## remove what was built
	rm -rf $(VENV) build
