# The four things done with a clone: see it work, test it, check it, measure it.
PYTHON ?= python3
VENV := .venv
TRAIN := .venv-train
BIN := $(VENV)/bin
PEERS := tests/peers/node_modules
comma := ,
MADE_FROM := pyproject.toml constraints.txt
PINNED := --quiet --constraint constraints.txt

# uv takes seconds where pip takes minutes. It does not read pip's settings: where only pip was told
# of a mirror (uv: UV_DEFAULT_INDEX), pip installs.
define install
@$(1)/bin/python -m pip --disable-pip-version-check install $(PINNED) uv && \
	  $(1)/bin/python -m uv pip install --python $(1)/bin/python $(PINNED) --editable '$(2)' || \
	  { echo "==> once more with pip, which takes minutes"; \
	    $(1)/bin/python -m pip --disable-pip-version-check install $(PINNED) --editable '$(2)'; }
endef

.DEFAULT_GOAL := help
.PHONY: help demo test test-slow test-train check bench clean

help: ## say what the targets do
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1	/'

demo: $(VENV)/core.stamp ## learn a rendered part, inspect it, write a report
	@echo "==> keenline demo"
	$(BIN)/keenline demo

test: $(VENV)/dev.stamp $(PEERS)/peers.stamp ## run the tests, about 15 minutes
	@echo "==> pytest"
	$(BIN)/python -m pytest -m "not slow" $(ARGS)

test-slow: $(VENV)/dev.stamp $(PEERS)/peers.stamp ## run the tests that take long, about 10 minutes
	@echo "==> pytest, the slow ones"
	$(BIN)/python -m pytest -m slow $(ARGS)

test-train: $(TRAIN)/train.stamp ## run the tests that need torch, about 8 minutes (installs 6 GB)
	@echo "==> pytest, with the extra train"
	$(TRAIN)/bin/python -m pytest -m train $(ARGS)

check: $(VENV)/dev.stamp ## lint, format, types, import contracts
	@echo "==> ruff check"
	$(BIN)/ruff check .
	@echo "==> ruff format --check"
	$(BIN)/ruff format --check .
	@echo "==> mypy --strict src"
	$(BIN)/mypy --strict src
	@echo "==> lint-imports"
	$(BIN)/lint-imports

# The programs and their order are the list in benchmarks/README.md: lines "- `name.py`".
bench: $(VENV)/dev.stamp ## measure speed, memory and accuracy (takes long)
	@names=$$(sed -nE 's/^- `([a-z0-9_]+\.py)`.*/\1/p' benchmarks/README.md); \
	test -n "$$names" || { echo "benchmarks/README.md lists no program"; exit 1; }; \
	for name in $$names; do \
	  echo "==> benchmarks/$$name"; $(BIN)/python benchmarks/$$name || exit 1; \
	done

clean: ## remove the virtual environment and what tools cached
	rm -rf $(VENV) $(TRAIN) $(PEERS) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis

$(VENV)/made.stamp:
	@command -v $(PYTHON) >/dev/null || { echo "$(PYTHON) not found: install Python 3.11, 3.12 or 3.13"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || \
	  { echo "$$($(PYTHON) -V) found, Python 3.11, 3.12 or 3.13 needed: make PYTHON=python3.12 ..."; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' || \
	  { echo "$(PYTHON) has no venv module; on Debian and Ubuntu: apt install python3-venv"; exit 1; }
	@echo "==> virtual environment in $(VENV)"
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/core.stamp: $(VENV)/made.stamp $(MADE_FROM)
	@echo "==> installing keenline (core)"
	$(call install,$(VENV),.)
	@touch $@

$(VENV)/dev.stamp: $(VENV)/core.stamp $(MADE_FROM)
	@echo "==> installing what tests and checks need"
	$(call install,$(VENV),.[dev])
	@touch $@

$(TRAIN)/train.stamp: $(MADE_FROM)
	@echo "==> installing torch and what comes with it into $(TRAIN)"
	$(PYTHON) -m venv $(TRAIN)
	$(call install,$(TRAIN),.[dev$(comma)train])
	@touch $@

$(PEERS)/peers.stamp: $(VENV)/dev.stamp tests/peers/package.json
	@echo "==> installing the peers of tests that come from npm"
	@mkdir -p $(PEERS)
	PATH="$(CURDIR)/$(BIN):$$PATH" npm install --prefix tests/peers --no-package-lock \
	  --no-audit --no-fund --loglevel error
	@touch $@
