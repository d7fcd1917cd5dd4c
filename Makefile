# Everything here needs Python >= 3.11 and make, nothing else: the virtual environment is made on first use.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.ready

.PHONY: demo test lint bench sandbox clean

# The whole ladder on the embedded sandbox: base -> SFT -> reward model -> DPO, audits, statistics, report.
demo: $(STAMP)
	$(BIN)/pluralign run recipes/quickstart.toml

# Tests, linter, types, import contracts.
test: $(STAMP) lint
	$(BIN)/python -m pytest

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright
	$(BIN)/lint-imports

# Train the sandbox's base model again (about half an hour on 2 cores).
sandbox: $(STAMP)
	$(BIN)/python scripts/train_sandbox.py

clean:
	rm -rf $(VENV) runs .pytest_cache .ruff_cache .import_linter_cache *.egg-info

# Without a GPU, constraints.txt holds torch to a CPU build; with one (or with TORCH set) the wheel is yours to choose.
$(STAMP): pyproject.toml constraints.txt scripts/install.sh
	PYTHON="$(PYTHON)" VENV="$(VENV)" sh scripts/install.sh
	touch $(STAMP)
