# Everything is one word: make demo, make test, make help.
PORT ?= 8000
PYTHON ?= python3
RUN = .venv/bin/python
LOCK = uv pip compile --universal -p 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links \
	--no-header --annotation-style=line

.PHONY: help demo up processes front-end test test-services test-redis test-rabbitmq lint lock simulate faults graphs bench bench-peers clean setup setup-dev

help: ## this list
	@grep -E '^[a-z-]+:.*##' Makefile | sed -E 's/:[^#]*## /\t/' | expand -t 16

setup: ## make .venv with the locked dependencies
	@$(PYTHON) tools/bootstrap.py

setup-dev: ## and the development tools
	@$(PYTHON) tools/bootstrap.py --dev

demo: setup ## set up, start, run the sample workflow, serve until Ctrl-C (PORT=8000)
	@PORT=$(PORT) exec $(RUN) manage.py demo

up: setup ## serve without the sample (PORT=8000)
	@PORT=$(PORT) exec $(RUN) manage.py up

processes: setup ## run the Procfile on services named by DATABASE_URL, BROKER_URL, REDIS_URL
	@$(RUN) manage.py migrate --noinput --verbosity 0
	@PATH="$(CURDIR)/.venv/bin:$$PATH" exec .venv/bin/honcho start

test: ## the whole suite, browser tests included
	@$(PYTHON) tools/bootstrap.py --dev --browser
	@exec $(RUN) -m pytest -n 2 --dist loadfile $(ARGS)

# What touches the database runs again on PostgreSQL with Redis, what touches the broker also with RabbitMQ.
BROKER_TESTS = tests/runs tests/workers tests/workflows tests/api
DRIVER_TESTS = tests/live $(BROKER_TESTS) tests/accounts tests/admin tests/agents tests/portal tests/portal_runs tests/workflowsapp tests/triggers

test-services: test-redis test-rabbitmq ## the suite again on PostgreSQL with Redis, then with RabbitMQ

test-redis: setup-dev
	@$(RUN) tools/with_services.py redis -- $(RUN) -m pytest $(DRIVER_TESTS) $(ARGS)

test-rabbitmq: setup-dev
	@$(RUN) tools/with_services.py rabbitmq -- $(RUN) -m pytest $(BROKER_TESTS) $(ARGS)

lint: setup-dev ## format, lint, types, layers, templates
	@.venv/bin/ruff check . && .venv/bin/ruff format --check . && .venv/bin/mypy && .venv/bin/lint-imports
	@git ls-files 'templates/*.html' | xargs .venv/bin/djangofmt --check

front-end: ## build the designer's island into static/built (needs Node; its users do not)
	@cd frontend/designer && npm ci --no-audit --no-fund && npm run build

lock: ## regenerate the locked requirements (needs uv)
	$(LOCK) requirements.in -o requirements.lock
	$(LOCK) requirements-dev.in -o requirements-dev.lock

simulate: setup-dev ## the engine in virtual time against every fault: 6,500 runs (the suite has a few hundred)
	@ORCHESTRA_SIMULATED_WORLDS=50 exec $(RUN) -m pytest tests/faults/test_simulated.py -k nothing --timeout 3600 $(ARGS)

faults: setup-dev ## 200 runs while everything around them breaks, on a PostgreSQL and a Redis of its own (ARGS=--short, ARGS=--broken)
	@exec $(RUN) -m tests.faults.run $(ARGS)

graphs: setup-dev ## the compiler on 10,000 random graphs, and the seconds it takes for 2,000 nodes
	@ORCHESTRA_GRAPHS=10000 exec $(RUN) -m pytest tests/properties/test_families.py -s $(ARGS)

bench: setup-dev ## print the figures of docs/operations.md, next to plain Celery
	@exec $(RUN) -m tests.load.bench $(ARGS)

bench-peers: setup-dev ## the same beside other engines, each in its own environment under var/bench
	@exec $(RUN) -m tests.load.bench_peers $(ARGS)

clean: ## remove the environment and caches; data in var/ stays
	rm -rf .venv .venv.lock .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache staticfiles
