# What a developer, the demo and CI run. `make` alone lists it.

VENV := .venv
PIP := $(VENV)/bin/python -m pip --disable-pip-version-check --quiet
DEMO_ARGS ?= --seconds 30
# pytest processes, which share one RabbitMQ and one PostgreSQL; one more than cores, since tests often wait
WORKERS ?= 3
PYTEST_ARGS ?=
BENCH_ARGS ?=

export PYTHON

.DEFAULT_GOAL := help
.NOTPARALLEL:
.DELETE_ON_ERROR:
.PHONY: help install demo install-dev install-bench servers test test-rabbitmq4 bench bench-quick lint types format check clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

install: $(VENV)/installed ## the interapp command in .venv (PYTHON=… chooses the interpreter)

demo: install ## parent and children against a simulated chassis (DEMO_ARGS="--seconds 30")
	$(VENV)/bin/interapp demo $(DEMO_ARGS)

install-dev: $(VENV)/installed-dev ## the same with everything that tests and checks need

install-bench: $(VENV)/installed-bench ## the same with the peers that the benchmark measures

servers: install-dev ## RabbitMQ and PostgreSQL for the tests, where neither they nor Docker are there
	@cd tests && ../$(VENV)/bin/python -m servers.prepare

test: install-dev servers ## all tests (WORKERS=2, PYTEST_ARGS="-k order")
	$(VENV)/bin/python -m pytest -n $(WORKERS) --dist loadgroup $(PYTEST_ARGS)

test-rabbitmq4: install-dev servers ## integration and fault tests against RabbitMQ 4, from Debian trixie in a folder (root)
	tests/rabbitmq4.sh -n $(WORKERS) $(PYTEST_ARGS)

bench: install-bench servers ## interapp beside raw pika and its peers, up to forty minutes; writes benchmarks/results (BENCH_ARGS="--budget 4")
	PYTHONPATH=.:tests $(VENV)/bin/python -m benchmarks $(BENCH_ARGS)

bench-quick: install-bench servers ## the same in about four minutes: fewer messages, fewer peers
	PYTHONPATH=.:tests $(VENV)/bin/python -m benchmarks --quick $(BENCH_ARGS)

lint: install-dev ## ruff, its formatter, and who may import whom
	$(VENV)/bin/ruff check
	$(VENV)/bin/ruff format --check
	$(VENV)/bin/lint-imports --no-logo

types: install-dev ## mypy, strict
	$(VENV)/bin/mypy

format: install-dev ## rewrite the code as lint wants it
	$(VENV)/bin/ruff check --fix
	$(VENV)/bin/ruff format

check: lint types test ## what CI runs

clean: ## delete .venv, caches and built packages
	rm -rf $(VENV) dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/bin/python:
	scripts/make-venv.sh

# dependency groups need pip 25.1, newer than the one that Python 3.11 brings
$(VENV)/pip: constraints.txt | $(VENV)/bin/python
	$(PIP) install --upgrade --constraint constraints.txt 'pip>=25.1'
	@touch $@

$(VENV)/installed: pyproject.toml constraints.txt $(VENV)/pip
	$(PIP) install --constraint constraints.txt --editable .
	@touch $@

$(VENV)/installed-dev: pyproject.toml constraints.txt $(VENV)/pip
	$(PIP) install --constraint constraints.txt --editable . --group dev
	@touch $@ $(VENV)/installed

$(VENV)/installed-bench: $(VENV)/installed-dev
	$(PIP) install --constraint constraints.txt --editable . --group bench
	@touch $@
