# `make` lists the targets. GNU make 3.81 or newer. Each target first makes sure of .venv.
#
#   PYTHON=python3.12   the Python that .venv is made with (3.11 to 3.14)
#   TORCH=FILE          a wheel to install PyTorch from. On Linux the default build brings CUDA
#                       (about 3 GB); PyTorch's "Get started" page says how to find the CPU build:
#                       put the address it names into PIP_EXTRA_INDEX_URL, or the wheel into TORCH.
#   LOCK=1              install the other packages from requirements.lock, each by its hash; so does
#                       CI=true, as build machines set it
#   ARGS="…"            more words for the command: make lab ARGS=--no-browser, make test ARGS="-k cli"
PYTHON ?= python3
VENV   ?= .venv
TORCH  ?= torch
FRESH  ?=
LOCK   ?= $(filter true,$(CI))
ARGS   ?=

PY := $(VENV)/bin/python
LOG := $(VENV)/setup.log
# What can be wrong after an edit and is found in a minute.
QUICK := tests/words tests/pictures tests/tasks/test_engine.py tests/tasks/test_windows.py \
  tests/tasks/test_inpainting.py tests/tasks/test_noise.py tests/tasks/test_stops.py \
  tests/test_layers.py tests/test_public_api.py tests/test_types.py
EXTRAS := dev,notebook,studio,serve,teach,video
COMMA := ,
# The stamp's name holds the folder: a copied clone must not run the code of the first one.
STAMP := $(VENV)/.ready-$(shell printf %s "$(CURDIR)" | cksum | cut -d ' ' -f 1)
PIP := $(PY) -m pip install --quiet --no-input --disable-pip-version-check

# Settings of the shell's own Python, or of another environment, would leak into .venv.
unexport PYTHONPATH PYTHONHOME PYTHONSTARTUP PIP_TARGET PIP_PREFIX
export PIP_USER = 0
export PYTHONNOUSERSITE = 1
# The bundled model is so small that a second thread costs more than it brings (31 s against
# 146 s for four notebooks); two processes keep two cores busy instead.
ONE_THREAD := OMP_NUM_THREADS=$${OMP_NUM_THREADS:-1}

.DEFAULT_GOAL := help
.PHONY: help setup run test quick coverage wheel lab studio site bench judge soak lock

help:  ## list the targets
	@awk -F ':.*##' '/^[a-z]+:.*##/ {printf "make %-9s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

setup: $(STAMP)  ## make .venv and install everything
	@echo "$(VENV) is ready"

run: $(STAMP)  ## run every notebook on the bundled model; pictures go to outputs/
	@$(PY) -m kandi_nb.cli run all $(ARGS)

test: $(STAMP)  ## run the test suite, without network
	@HF_HUB_OFFLINE=1 $(ONE_THREAD) $(PY) -m pytest -n 2 --dist worksteal $(ARGS)

quick: $(STAMP)  ## run the tests for whoever edits: words, pictures, tasks on tiny models
	@HF_HUB_OFFLINE=1 $(ONE_THREAD) $(PY) -m pytest -n 2 --dist loadscope $(QUICK) $(ARGS)

coverage: $(STAMP)  ## run the suite and say which branches of the code it leaves out
	@HF_HUB_OFFLINE=1 $(ONE_THREAD) $(PY) -m pytest -n 2 --dist worksteal --cov --cov-branch \
	  --cov-report=term:skip-covered --cov-report=html:outputs/coverage $(ARGS)

wheel: $(STAMP)  ## build dist/kandi_nb-….whl, with notebooks and weights inside
	@$(PY) -m hatchling build -t wheel $(ARGS)

lab: $(STAMP)  ## open JupyterLab on copies of the notebooks, in work/ (FRESH=1: new ones)
	@$(PY) -m kandi_nb.cli lab $(if $(filter-out 0,$(FRESH)),--fresh) $(ARGS)

studio: $(STAMP)  ## serve every task as a page, at 127.0.0.1:7860 (ARGS="--port 8000")
	@$(PY) -m kandi_nb.cli studio $(ARGS)

site: $(STAMP)  ## build site/: executed notebooks and docs as pages (after make run)
	@$(PY) docs/build_site.py $(ARGS)

bench: $(STAMP)  ## measure goals and options; writes docs/benchmarks.md
	@HF_HUB_OFFLINE=1 $(PY) benchmarks/report.py $(ARGS)

judge: $(STAMP)  ## let the judge read the bundled model's pictures (minutes)
	@HF_HUB_OFFLINE=1 $(PY) -m kandi_nb.cli mini judge --no-write $(ARGS)

soak: $(STAMP)  ## run the long tests: kills, load, full-size memory (minutes, 9 GB)
	@HF_HUB_OFFLINE=1 $(ONE_THREAD) $(PY) -m pytest -m soak $(ARGS)

# PyTorch and what only its CUDA build needs are no part of it: which build it is, each machine decides.
lock: $(STAMP)  ## resolve constraints.txt anew into requirements.lock, with hashes
	@$(PIP) uv==0.13.9
	@printf 'hatchling\neditables\n' | $(PY) -m uv pip compile --quiet pyproject.toml - \
	  $(patsubst %,--extra %,$(subst $(COMMA), ,$(EXTRAS))) --constraint constraints.txt \
	  --universal --python-version 3.11 --generate-hashes --no-annotate --no-header \
	  | awk '/^[a-z]/ {left_out = /^(torch==|triton|cuda-|nvidia-)/} !left_out' >requirements.lock.tmp
	@grep -q ^diffusers== requirements.lock.tmp && mv requirements.lock.tmp requirements.lock

# One line a stage; pip's own words go to the log, whose end is shown if a stage fails.
define stage
	@echo "$(1)"
	@{ $(2); } >>$(LOG) 2>&1 || { tail -n 15 $(LOG) >&2; echo "This failed: $(1) (all of it: $(LOG))" >&2; exit 1; }
endef

LOCKED := $(filter-out 0,$(LOCK))
BY_HASH = $(PIP) --require-hashes --no-deps -r requirements.lock && $(PIP) --no-deps --no-build-isolation -e .

$(STAMP): pyproject.toml constraints.txt $(if $(LOCKED),requirements.lock)
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 14))' 2>/dev/null || { \
	  echo "kandi_nb needs Python 3.11 to 3.14, and $(PYTHON) is: $$($(PYTHON) --version 2>&1 | tail -n 1)" >&2; \
	  for p in python3.14 python3.13 python3.12 python3.11; do \
	    if $$p -c '' 2>/dev/null; then echo "Found one that fits: make setup PYTHON=$$p" >&2; exit 1; fi; \
	  done; \
	  echo "Install one, then name it: make setup PYTHON=/path/to/python3" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo "$(PYTHON) cannot make environments: its venv module is not installed." >&2; \
	  echo "On Debian and Ubuntu: sudo apt install python3-venv. Or name another one: make setup PYTHON=…" >&2; \
	  exit 1; }
	@if [ -e $(VENV) ] && ! { [ -e $(VENV)/pyvenv.cfg ] && [ -w $(VENV) ]; }; then \
	  echo "$(VENV) is there, but is no environment that can be written to: move it away." >&2; exit 1; fi
	@rm -f $(VENV)/.ready-*
	@$(PY) -c 'import pip, sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 14))' 2>/dev/null || { \
	  echo "[1/3] making $(VENV) with $$($(PYTHON) --version)"; \
	  $(PYTHON) -m venv --clear $(VENV); }
	@: >$(LOG)
	$(call stage,[2/3] installing PyTorch (a large download the first time),$(PIP) -c constraints.txt "$(TORCH)")
	$(call stage,[3/3] installing the other packages and kandi_nb itself,$(if $(LOCKED),$(BY_HASH),$(PIP) -c constraints.txt -e ".[$(EXTRAS)]"))
	@touch $@
