# Every target works in a fresh clone: `make setup` makes .venv with Python 3.11 or 3.12 and installs the tested versions.

# The first interpreter that really runs and has the right version (a shim on PATH may exist and yet fail).
PYTHON ?= $(shell for p in python3.12 python3.11 python3 python; do \
	$$p -c 'import sys, venv, ensurepip; sys.exit(sys.version_info[:2] not in ((3, 11), (3, 12)))' >/dev/null 2>&1 && echo $$p && break; done)
BIN := .venv/bin
STAMP := .venv/installed
WORKERS ?= 2

.PHONY: help setup grpo tiny test nightly gpu lint audit schemas bench clean
help:            ## show the targets
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/ -/'

# torch goes first and by its exact version, so that a CPU build on disk is taken instead of gigabytes of CUDA packages.
$(STAMP): pyproject.toml setup.py constraints.txt
	@test -n "$(PYTHON)" || { echo "bbflow needs Python 3.11 or 3.12 with venv; name one: make PYTHON=/path/to/python3.11" >&2; exit 2; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet "$$(grep '^torch==' constraints.txt)"
	$(BIN)/python -m pip install --quiet --editable '.[dev]' --constraint constraints.txt
	touch $(STAMP)

setup: $(STAMP)  ## make .venv and install bbflow with what its tests need

grpo: setup      ## the main job: align the bundled policy in four capabilities, and report
	$(BIN)/bbflow fit --config recipes/grpo.yaml

# Two lessons; after each its weights go into the package, for the second to begin with.
tiny: setup      ## rebuild the bundled policy from random weights
	rm -rf build/tiny
	$(BIN)/python -m benchmarks.maintenance.build_tiny architecture bbflow/policies/tiny
	$(BIN)/bbflow fit --config recipes/tiny.yaml --trainer.default_root_dir=build/tiny
	$(BIN)/python -m benchmarks.maintenance.build_tiny package build/tiny/runs/tiny/version_0 bbflow/policies/tiny
	$(BIN)/bbflow fit --config recipes/tiny_requests.yaml --trainer.default_root_dir=build/tiny
	$(BIN)/python -m benchmarks.maintenance.build_tiny package build/tiny/runs/tiny_requests/version_0 bbflow/policies/tiny
	$(BIN)/bbflow generate --config recipes/grpo.yaml --out build/tiny/data
	$(BIN)/bbflow evaluate --policy tiny --data build/tiny/data/test.parquet --out build/tiny/scores --max_new_tokens 72
	$(BIN)/python -m benchmarks.maintenance.build_tiny card build/tiny/data build/tiny/scores bbflow/policies/tiny

test: setup      ## the tests that need neither minutes nor a GPU
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m "not slow and not gpu" -n $(WORKERS) --dist loadfile

nightly: setup   ## the tests that take minutes: twenty runs killed at random, hundreds of thousands of fuzzed inputs, proofs at scale
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m "slow and not gpu" -n $(WORKERS) --dist loadfile

gpu: setup       ## the tests that need a CUDA device
	$(BIN)/python -m pytest -m gpu

lint: setup      ## style, format and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# The tools get an environment of their own: what they need must not bend the versions that are audited.
audit: setup     ## build/sbom.json (CycloneDX) of everything installed, and known vulnerabilities (asks a public database)
	test -d build/audit || $(PYTHON) -m venv build/audit
	build/audit/bin/python -m pip install --quiet cyclonedx-bom pip-audit
	build/audit/bin/cyclonedx-py environment $(BIN)/python --pyproject pyproject.toml --output-reproducible --of JSON -o build/sbom.json
	build/audit/bin/pip-audit --path "$$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')" --skip-editable

schemas: setup   ## write schemas/*.schema.json anew from the code
	$(BIN)/python -m bbflow.cli.schemas

# Those of docs/research/performance.md that need no argument; the others in benchmarks/ say in their first lines what they need.
BENCHES := "training/beside_trl.py grpo" "training/beside_trl.py lora" "training/beside_trl.py sft" training/rollouts.py training/jacobian.py training/grpo_step.py training/head.py training/draw.py training/scaling.py training/startup.py training/main_job_profile.py

bench: setup     ## speed and memory beside TRL, of engines, of a step, of the start
	@for b in $(BENCHES); do echo "== benchmarks/performance/$$b"; $(BIN)/python benchmarks/performance/$$b || exit 1; done

clean:           ## remove the environment and caches, never runs/
	rm -rf .venv build dist *.egg-info .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis
