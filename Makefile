# Two commands matter: `make run` and `make test`. Everything they need is installed into .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: help install run test check format bench chaos clean

help:  ## what can be done here
	@grep -E '^[a-z-]+:.*##' Makefile | sed 's/:.*## /\t/' | expand -t 12

$(STAMP): pyproject.toml
	@echo "· creating $(VENV) and installing (about a minute the first time)"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --disable-pip-version-check --progress-bar on -q -e '.[dev]'
	@touch $(STAMP)

install: $(STAMP)  ## create .venv and install everything into it

run: install  ## start the embedded stack, run the demo, stay up until Ctrl-C
	@$(BIN)/speech-tracker up --demo

test: install  ## all tests, on real Kafka, Postgres, ClickHouse (chDB) and S3
	@$(BIN)/python -m pytest

check: install  ## lint, formatting, types, import rules
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy schemas producers projections consumers api infra
	@$(BIN)/pyright --project pyproject.toml
	@$(BIN)/lint-imports

format: install  ## format the code
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

bench: install  ## measure us and real peers in one run
	@$(BIN)/python -m tests.benchmarks

chaos: install  ## the long fault-injection suite
	@$(BIN)/python -m pytest -m chaos tests/chaos

clean:  ## remove the environment and caches
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis
