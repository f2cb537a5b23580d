# Two commands: `make learn` to study and `make test` to prove everything. Each first makes what it needs in .venv.

unexport PYTHONDONTWRITEBYTECODE  # without .pyc files torch takes twice as long to import

BIN := .venv/bin
EVERYTHING := llm,site,dev
PYTEST := $(BIN)/python -m pytest --timeout 900

.DEFAULT_GOAL := help
.PHONY: help learn test slow lint constraints

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' Makefile

learn: ## study: JupyterLab on the next exercise; without a terminal, a short demonstration
	@scripts/setup.sh
	@if [ -t 0 ]; then exec $(BIN)/fathom learn; else exec $(BIN)/fathom demo; fi

test: ## prove everything but the slow replays: the tests on all cores, then the benchmarks on their own
	@scripts/setup.sh $(EVERYTHING)
	@# one worker a core: threads of torch's own in each would only be in each other's way
	OMP_NUM_THREADS=1 $(PYTEST) -n logical --dist loadfile --no-loadscope-reorder -m "not benchmark and not slow"
	$(PYTEST) -m benchmark -p no:xdist -s

slow: ## replay the long runs behind recorded numbers
	@scripts/setup.sh $(EVERYTHING)
	$(PYTEST) --timeout 7200 -m slow -p no:xdist

lint: ## ruff and mypy
	@scripts/setup.sh $(EVERYTHING)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy autograder
	@# a program imports what stands beside it by its bare name, as it does when it runs
	@for phase in phase*/; do echo "mypy $$phase"; (cd $$phase && \
	MYPYPATH=..:../phase1_foundations ../$(BIN)/mypy --config-file ../pyproject.toml *.py) || exit 1; done

constraints: ## resolve every package afresh and pin what came out
	@scripts/setup.sh
	@set -e; fresh=$$(mktemp -d); trap 'rm -rf "$$fresh"' EXIT; \
	$(BIN)/python -m venv "$$fresh"; \
	"$$fresh/bin/python" -m pip install --editable '.[$(EVERYTHING)]'; \
	{ echo '# Resolved together, with every extra, by `make constraints`.'; \
	  "$$fresh/bin/python" -m pip freeze --exclude-editable \
	    | sed -E 's/\+[^ ]*$$//; /^(cuda|nvidia|triton|setuptools)/d'; } >constraints.txt
