# Two commands do everything on a machine with Python ≥ 3.11, pip and make: `make run` and `make test`.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=

.PHONY: run test check lint types contracts format fuzz bench bench-presets bench-search bench-diagnosis bench-autopilot screenshots clean

run: $(VENV)/.train  ## launch the default preset: the screen in a terminal, the headless log where there is none
	@$(BIN)/tuimon run digits-mlp $(ARGS)

test: $(VENV)/.dev  ## the whole test suite
	$(BIN)/pytest -n 2 --dist loadgroup $(ARGS)

check: lint types contracts  ## everything CI checks before the tests

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.dev
	$(BIN)/mypy

contracts: $(VENV)/.dev
	$(BIN)/lint-imports --no-cache

format: $(VENV)/.dev  ## write the code the way `make lint` wants it
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

INPUTS ?= 1000000
fuzz: $(VENV)/.dev  ## a million generated inputs for each edge where something comes in; SEED=… repeats a run
	cd tests && PYTHONPATH=.:.. ../$(BIN)/python -W error -m fuzz --inputs $(INPUTS) $(if $(SEED),--seed $(SEED)) $(ARGS)

bench: $(VENV)/.bench  ## what watching costs: each benchmark prints what it measured beside its baseline
	@for name in log draw monitor probe diagnosis screen study; do echo "== $$name"; $(BIN)/python tests/benchmarks/bench_$$name.py || exit 1; done

bench-presets: $(VENV)/.dev  ## trains presets and what they suggest to try, over 5 seeds, and judges their claims; about an hour
	$(BIN)/python tests/benchmarks/bench_presets.py $(ARGS)

bench-search: $(VENV)/.dev  ## random search, rounds and TPE beside a grid of as many trials, on the digits; several minutes a seed
	$(BIN)/python tests/benchmarks/bench_search.py $(ARGS)

bench-diagnosis: $(VENV)/.dev  ## trains the labelled set of faulty and healthy runs once, and scores the diagnosis on it beside others
	cd tests && PYTHONPATH=.:.. ../$(BIN)/python -m benchmarks.diagnosis $(ARGS)

bench-autopilot: $(VENV)/.dev  ## what the autopilot makes of faulty runs that a lever can cure, and of their healthy twins
	cd tests && PYTHONPATH=.:.. ../$(BIN)/python -m benchmarks.diagnosis.autopilot $(ARGS)

screenshots: $(VENV)/.screenshots  ## the pictures of the README, from a real run
	$(BIN)/python screenshots/make_screenshots.py

clean:  ## remove the virtual environment and all caches; runs are kept
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis tests/.hypothesis .import_linter_cache build dist

# torch comes first, at the version that is tested: a plain `torch` may be another one, with other libraries behind it.
$(VENV)/.torch: constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install -q --disable-pip-version-check -c constraints.txt torch
	@touch $@

$(VENV)/.%: pyproject.toml $(VENV)/.torch
	$(BIN)/pip install -q --disable-pip-version-check -c constraints.txt -e '.[$*]'
	@touch $@
