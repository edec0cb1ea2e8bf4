PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin
READY := $(VENV)/.ready
OUT ?=

.PHONY: train test check prove fuzz format bench torture published clean

# `make train` with OUT=FOLDER writes there; without it, into the next free folder under runs/.
train: $(READY)
	$(RUN)/handgrad train $(if $(OUT),--out $(OUT))

# worksteal: a worker takes neighbouring tests, which share fixtures and compiled kernels.
test: $(READY)
	$(RUN)/pytest -n 2 --dist worksteal

check: $(READY)
	$(RUN)/ruff format --check .
	$(RUN)/ruff check .
	$(RUN)/mypy
	$(RUN)/lint-imports --no-logo

# The complete proving ground, of which `make test` runs a part; rewrites the tables of docs/proving.md.
prove: $(READY)
	$(RUN)/python -m benchmarks.faults --write docs/proving.md
	$(RUN)/python -m benchmarks.reported

# Ten minutes for each target, and 2,000 programs; a small part of it is in `make test`.
fuzz: $(READY)
	$(RUN)/python -m benchmarks.fuzz

format: $(READY)
	$(RUN)/ruff format .
	$(RUN)/ruff check --fix .

# JAX is one of the peers; where it cannot be installed, the table leaves it out.
bench: $(READY)
	-$(RUN)/pip install --quiet --constraint constraints.txt --editable '.[dev,bench]'
	$(RUN)/python -m benchmarks.peers
	$(RUN)/python -m benchmarks.peers --after
	$(RUN)/python -m benchmarks.peers --memory
	$(RUN)/python -m benchmarks.peers --cuda

# Kills, power cuts and damaged files, for minutes; docs/reliability.md has the figures.
torture: $(READY)
	$(RUN)/python -m benchmarks.torture

published: $(READY)
	$(RUN)/python -m benchmarks.published

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "handgrad needs Python 3.11 or newer: make PYTHON=python3.11 ...")'
	$(PYTHON) -m venv $(VENV)
	$(RUN)/pip install --quiet --no-compile --constraint constraints.txt --editable '.[dev]'
	touch $@

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache
