# The two commands a newcomer needs are `make demo` and `make test`; `make help` lists the rest.
PYTHON ?= python3
WORKERS ?= 2
RUN = $(PYTHON) sandbox/first_run.py
PARALLEL = -n $(WORKERS) --dist loadscope --no-loadscope-reorder
CODE = experience_api process_api system_api shared sandbox openapi tests

.PHONY: help demo test unit faults fuzz bench issuer-check check lint types imports contracts contracts-extra salesforce publish examples lock env clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-15s %s\n", $$1, $$2}' Makefile

demo: ## start everything, play the story, stay up until Ctrl-C (ONCE=1: play it and exit)
	@ONCE=$(ONCE) $(RUN) -m sandbox.demo

test: ## the whole test suite, engines and ERP included, on two processes (WORKERS=4; WORKERS=0: one after the other)
	@$(RUN) -m pytest $(PARALLEL) $(ARGS)

unit: ## only the tests that need no server: two or three minutes
	@$(RUN) -m pytest $(PARALLEL) -m "not servers" -q

faults: ## break everything on purpose and count what is lost or doubled: most of an hour (ARGS="--short", "--only webhooks", …)
	@$(RUN) -m sandbox.faults $(ARGS)

fuzz: ## schemathesis against the three running tiers (SEED=7 MINUTES=10)
	@SEED=$(SEED) MINUTES=$(MINUTES) $(RUN) -m tests.fuzz $(ARGS)

bench: ## Quoteway and its peers side by side: ratios, table and plot (needs wrk, haproxy, nginx; ARGS="--seconds 2"; "--only orders" needs none)
	@$(RUN) -m tests.benchmarks $(ARGS)

issuer-check: ## an issuer that is not ours, npm's oidc-provider, is believed (needs Node; skipped without)
	@$(RUN) -m pytest tests/security/test_independent_issuer.py -rs

check: lint types imports contracts unit ## lint, types, import rules, contracts, unit tests

lint: ## ruff
	@$(RUN) -m ruff check $(CODE)
	@$(RUN) -m ruff format --check $(CODE)

types: ## mypy strict
	@$(RUN) -m mypy

imports: ## who may import whom
	@$(RUN) -c "from importlinter.cli import lint_imports_command; lint_imports_command()"

contracts: ## the documents match the code, and nothing that is published breaks
	@$(RUN) -m openapi.generate --check
	@$(RUN) -m openapi.gate

contracts-extra: ## oasdiff and Spectral look at them too, where Node is present
	@$(RUN) -m openapi.gate --with-oasdiff
	@$(RUN) -m openapi.spectral

salesforce: ## type-check the Salesforce package's Apex (needs Node and a JDK of 21 or newer; skipped without)
	@$(RUN) -m openapi.apex

publish: ## move openapi/published/ forward to what the code says, with its changelog and the catalogue page
	@$(RUN) -m openapi.publish

examples: ## record the contracts' examples anew, from the running sandbox
	@$(RUN) -m sandbox.contract_examples
	@$(RUN) -m openapi.generate --write

lock: ## recompile requirements/*.txt
	@$(RUN) -c "pass" && PATH="$(CURDIR)/.venv/bin:$$PATH" requirements/lock.sh $(ARGS)

env: ## only build the environment
	@$(RUN)

clean: ## remove what was built here (the ERP's cached database stays in the user's cache folder)
	rm -rf .venv build .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
