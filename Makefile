# Two commands matter: `make run` and `make test`. Everything they need is installed into .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
comma := ,
PAGE := api/speech_experiment_api/static/index.html
PAGE_SOURCES := $(shell find api/page -name node_modules -prune -o -type f -print)

.PHONY: help install page run test test-page check check-tools format bench chaos soak clean

help:  ## what can be done here
	@grep -E '^[a-z-]+:.*##' Makefile | sed 's/:.*## /\t/' | expand -t 12

$(STAMP): pyproject.toml
	@echo "· creating $(VENV) and installing (about a minute the first time)"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --disable-pip-version-check --progress-bar on -q -e '.[dev]'
	@touch $(STAMP)

$(PAGE): $(PAGE_SOURCES) | $(STAMP)
	@echo "· building the web page"
	@$(BIN)/python api/page/build.py

page: $(PAGE)  ## build the web page, if its sources are newer

install: $(STAMP)  ## create .venv and install everything into it, and build the web page
	@$(MAKE) --no-print-directory -s page || echo "· everything but the web page is there; \`make page\` tries again"

run: install  ## start the embedded stack, run the demo, stay up until Ctrl-C
	@$(BIN)/speech-tracker up --demo

test: install  ## all tests, on real Kafka, Postgres, ClickHouse (chDB) and S3
	@$(BIN)/python -m pytest

test-page: install  ## tests of the web page alone: its logic, its server, and the page in Chromium
	@$(BIN)/python -m pytest tests/unit/page tests/integration/test_page_sessions.py tests/browser

check: install  ## lint, formatting, types, import rules
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy schemas producers projections consumers api infra
	@$(BIN)/pyright --project pyproject.toml
	@$(BIN)/lint-imports

check-tools: install  ## scores beside real tools that need a C++ compiler (meeteval, WORLD, SPTK) or Debian's sctk
	@$(BIN)/python -m pip install --disable-pip-version-check -q -e '.[tools]'
	@test -x /usr/lib/sctk/bin/md-eval.pl || echo "· without Debian's package sctk its tools are left out"
	@$(BIN)/python -m pytest tests/unit/scoring tests/unit/cli/test_cli_measure.py

format: install  ## format the code
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

bench: install  ## measure us and real peers in one run
	@$(BIN)/python -m tests.benchmarks

chaos: install  ## the long fault-injection suite; ONLY=trainers,drains picks scenarios by their names
	@$(BIN)/python -m pytest -s -m chaos tests/chaos $(if $(ONLY),-k "$(subst $(comma), or ,$(ONLY))")

MINUTES ?= 30
soak: install  ## steady load for MINUTES=30: memory, descriptors and threads stay flat
	@$(BIN)/python -m tests.chaos.soak $(MINUTES)

clean:  ## remove the environment and caches
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis
