# make help says what there is. Everything that needs the environment makes it first.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help setup sdks peers run demo ui test fuzz check docs bench faults lock clean

bin := .venv/bin
ready := .venv/ready

help: ## say what there is
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | while IFS=$$'\t' read -r target text; do printf 'make %-8s %s\n' "$$target" "$$text"; done

$(ready): scripts/setup pyproject.toml $(wildcard requirements/*.txt)
	@scripts/setup

setup: $(ready) ## make .venv with everything the rest needs (again only when a pin has changed)

sdks: setup ## make an environment for each official SDK the tests use (again only when a pin has changed)
	@scripts/setup_sdks

peers: ## install the coding agents and the foreign mock that tests use, where there is npm (750 MB)
	@scripts/setup_peers

run: setup ## serve on 127.0.0.1:8080; without any key the embedded model answers
	@exec $(bin)/dragoman serve

demo: setup ## the gateway with a generated month to look at, on 127.0.0.1:8081 (ARGS=--fresh begins anew)
	@exec $(bin)/python -m examples.demo $(ARGS)

ui: sdks ## a chat with templates and charts in a browser, on port 8501 (Streamlit), for a gateway that runs
	@exec .venvs/streamlit/bin/python -m streamlit run frontend/streamlit_app.py

test: setup ## the whole test suite
	@scripts/setup_sdks || [ "$${CI:-}" != true ]  # offline their tests are skipped, and say so
	$(bin)/python -m pytest -n auto

fuzz: setup ## nonsense for every reader of the wire, for FUZZ_S seconds (FUZZ_ONLY=gemini narrows it)
	FUZZ_S=$${FUZZ_S:-600} $(bin)/python tests/dialects/fuzz.py

check: setup ## style, types, import contract, facts about the tree and the docs
	$(bin)/python -m ruff check .
	$(bin)/python -m ruff format --check .
	$(bin)/python -m mypy
	$(bin)/lint-imports
	$(bin)/python -m pytest -q tests/test_docs.py tests/test_files.py tests/test_layers.py tests/test_lock.py

docs: setup ## write the generated parts of the docs anew
	$(bin)/python docs/generate.py
	$(bin)/python docs/environment.py

bench: setup ## requests/s and added latency, beside the simulator called directly (ARGS=...)
	$(bin)/python bench/line.py $(ARGS)

faults: setup ## break it on purpose and measure what holds (FAULTS=short, ONLY=crash,purse, SEED=7, ARGS=...)
	$(bin)/python bench/faults.py --size $${FAULTS:-full} --only "$${ONLY:-}" $${SEED:+--seed $$SEED} $(ARGS)

lock: setup ## pin and hash every dependency (ARGS=--upgrade for the newest)
	scripts/lock $(ARGS)

clean: ## remove what setup and the tools made
	rm -rf .venv .venvs examples/agents/node_modules tests/mocks/node_modules .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build dist src/*.egg-info
