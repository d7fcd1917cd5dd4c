# Everything here needs Python >= 3.11 and make, nothing else: the virtual environment is made on first use.
PYTHON ?= python3
CONSTRAINTS ?= constraints.txt
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.ready
BENCH_VENV := .venv-bench
BENCH_STAMP := $(BENCH_VENV)/.ready

.PHONY: demo test lint sandbox bench clean

# The whole ladder on the embedded sandbox: base -> SFT -> reward model -> DPO, audits, statistics, report.
demo: $(STAMP)
	$(BIN)/pluralign run recipes/quickstart.toml

# Tests, linter, types, import contracts. A process for each core, each with one thread; TESTS="tests/stats" runs fewer.
test: $(STAMP) lint
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist loadfile $(TESTS)

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright
	$(BIN)/lint-imports

# Train the sandbox's base model again, on 12 million tokens; wants both cores of a small machine to itself.
sandbox: $(STAMP)
	OMP_WAIT_POLICY=passive $(BIN)/python scripts/train_sandbox.py --tokens 12000000

# Measure pluralign beside lm-evaluation-harness, TRL and generate, in an environment of its own: some hours on two
# cores. BENCH="--quick" is a small version; BENCH="--help" says what else can be chosen.
bench: $(BENCH_STAMP)
	$(BENCH_VENV)/bin/python -m benchmarks $(BENCH)

clean:
	rm -rf $(VENV) $(BENCH_VENV) .venv-lowest runs .pytest_cache .hypothesis .ruff_cache .import_linter_cache *.egg-info

# CONSTRAINTS holds torch to one version; "Choosing a torch build" in the README says how to choose another.
$(STAMP): pyproject.toml $(CONSTRAINTS) scripts/install.sh
	PYTHON="$(PYTHON)" VENV="$(VENV)" CONSTRAINTS="$(CONSTRAINTS)" sh scripts/install.sh
	touch $(STAMP)

$(BENCH_STAMP): pyproject.toml $(CONSTRAINTS) scripts/install.sh
	PYTHON="$(PYTHON)" VENV="$(BENCH_VENV)" CONSTRAINTS="$(CONSTRAINTS)" EXTRA=bench sh scripts/install.sh
	touch $(BENCH_STAMP)
