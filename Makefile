# nfloss: two commands set everything up and run: `make ablation` and `make test`.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
# torch first and by itself: the pinned version brings CUDA where the index offers it for this machine, else a CPU build.
PIP    := $(BIN)/python -m pip install --quiet --no-compile --disable-pip-version-check -c constraints.txt
RUN    := MLFLOW_DISABLE_TELEMETRY=true DO_NOT_TRACK=true $(BIN)/nfloss

# Whether there is somebody to ask: of a release with known holes, pip-audit must find one. It does not where nothing answers, or
# where a mirror answers that knows of none.
AUDITS = echo 'pillow==9.0.0' | $(BIN)/pip-audit --disable-pip --no-deps -r /dev/stdin --timeout 5 --progress-spinner off \
	-f json 2>/dev/null | grep -q '"vulns": \[{'

# Once for this machine, on all cores: the machine code that training uses; Python's modules, which pip would compile on one core.
LOAD = $(BIN)/python -c 'from runner.training import load_machine_code; load_machine_code()'
COMPILE = $(BIN)/python -m compileall -qq -j 0 -x '/tests/' $(VENV)/lib nfloss runner analysis
# Of the tests' packages, most are never loaded whole: what every process loads, beside the machine code.
COMPILE_MOST = cd $(VENV)/lib/python3*/site-packages && \
	$(abspath $(BIN)/python) -m compileall -qq -x '/tests/' torch numpy pandas scipy matplotlib pyarrow numba llvmlite

.DEFAULT_GOAL := help

help: ## say what there is
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1|\2/' | column -t -s '|'
	@echo "  SET='training.steps=200 seeds=8' overrides keys of the experiment"

EXTRA = $(foreach pair,$(SET),--set $(pair))

ablation: $(VENV)/run ## train experiments/ablation.yaml and open with an answer; again after an interruption, it continues
	$(RUN) run experiments/ablation.yaml $(EXTRA) $(if $(wildcard runs/ablation),--resume)

lasting: lasting-1x lasting-4x lasting-16x ## do verdicts last? every fix alone, 1, 4 and 16 times as long (hours); again after an interruption, it continues
	$(RUN) report runs/lasting-1x --compare runs/lasting-4x runs/lasting-16x

# Of the same question each length has seeds of its own, so that the studies are independent, and the same number of evaluations.
lasting-4x: LONGER = --set training.steps=1600 --set training.evaluate_every=64 --set 'seeds=[10,11,12,13,14,15]'
lasting-16x: LONGER = --set training.steps=6400 --set training.evaluate_every=256 --set 'seeds=[20,21,22,23]'
lasting-1x lasting-4x lasting-16x: $(VENV)/run
	$(RUN) run experiments/lasting.yaml --set name=$@ $(LONGER) $(EXTRA) $(if $(wildcard runs/$@),--resume)

smoke: $(VENV)/run ## the whole way in under a minute, too short to conclude anything: its report says "early"
	rm -rf runs/smoke
	$(RUN) run experiments/smoke.yaml $(EXTRA)

mlflow: $(VENV)/run ## open the MLflow UI on 127.0.0.1
	$(RUN) mlflow

dashboard: $(VENV)/run ## open the Optuna dashboard of the newest study on 127.0.0.1
	$(RUN) dashboard

audit: $(VENV)/run ## every number of the source document recomputed
	$(RUN) audit

# One process more than there are cores: many tests wait for others' processes.
test: $(VENV)/dev ## run the tests
	$(BIN)/python -m pytest -n $$(( $(shell nproc 2>/dev/null || echo 2) + 1 )) --dist loadfile --no-loadscope-reorder --durations 20

check: $(VENV)/dev ## lint, format, types, import rules; known holes in dependencies, where the network allows
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	@if $(AUDITS); then $(BIN)/pip-audit --progress-spinner off --skip-editable; \
	else echo "dependencies not audited: no list of known holes can be reached from here"; fi

fuzz: $(VENV)/dev ## ten thousand mutations of experiments, pictures, lists, loss blocks, whole studies and command lines (minutes)
	NFLOSS_FUZZ=10000 $(BIN)/python -m pytest -q --timeout 0 tests/test_fuzz.py

soak: $(VENV)/dev ## five thousand tiny trials in one process: memory and open files stay flat (minutes)
	NFLOSS_SOAK=5000 $(BIN)/python -m pytest -q -s --timeout 0 tests/runner/study/test_soak.py

slow: $(VENV)/dev ## the tests that take minutes each, and the killed runs sixty times
	NFLOSS_KILLS=60 $(BIN)/python -m pytest -q --timeout 0 tests/runner/study/test_kill.py
	$(BIN)/python -m pytest -m slow --timeout 0 -n $(shell nproc 2>/dev/null || echo 2) --dist loadfile

bench: $(VENV)/bench ## trials per minute beside a plain loop, Ray Tune, Optuna and mushin-py (BENCH=--full: every figure, an hour)
	$(BIN)/python benchmarks/bench.py $(BENCH)

bench-gpu: $(VENV)/dev ## a GPU: microseconds of a network's step and memory, beside the plain loop (BENCH=--help: what can be chosen)
	$(BIN)/python benchmarks/gpu.py $(BENCH)

docs: $(VENV)/dev ## build the documentation into site/ (docs-serve: show it on 127.0.0.1); a broken link is an error
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet

docs-serve: $(VENV)/dev
	$(BIN)/mkdocs serve --dev-addr 127.0.0.1:8000

setup: $(VENV)/dev ## install everything, run nothing

clean: ## remove the environment; studies under runs/ stay
	rm -rf $(VENV)

$(VENV)/torch: constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "nfloss needs Python >= 3.11, $(PYTHON) is $$($(PYTHON) --version); make PYTHON=python3.11 ..."; exit 2; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing into $(VENV) (once; a few minutes)"
	$(PIP) torch
	@touch $@

$(VENV)/run: $(VENV)/torch pyproject.toml
	$(PIP) -e '.[all]'
	@$(LOAD) & loading=$$!; $(COMPILE); wait $$loading
	@touch $@

$(VENV)/dev: $(VENV)/torch pyproject.toml
	$(PIP) -e '.[all,dev]'
	@$(LOAD) & loading=$$!; ($(COMPILE_MOST)); wait $$loading
	@touch $(VENV)/run $@

$(VENV)/bench: $(VENV)/run
	$(PIP) -e '.[bench]'
	@$(COMPILE) || true
	@touch $@

.PHONY: help ablation lasting lasting-1x lasting-4x lasting-16x smoke mlflow dashboard audit test check fuzz soak slow docs docs-serve bench bench-gpu setup clean
