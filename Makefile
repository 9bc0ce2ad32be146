# Everything a contributor types. Each target makes .venv when there is none; only Python 3.10+, venv and make are needed.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: help setup demo test check nuke test-blender blender-pictures bench clean

help:
	@echo "make setup   install videomatte and its tools into $(VENV)"
	@echo "make demo    solve the demo shot, write out/demo/ and a contact sheet"
	@echo "make check   style, types and the fast tests (under a minute)"
	@echo "make test    every test"
	@echo "make nuke    the Nuke node on every Python of Nuke; NUKE_EXECUTABLE=... in a real one too"
	@echo "make test-blender   the add-on in Blender 4.2, 4.5, 5.0, 5.1 and 5.2"
	@echo "make bench   frames per second and memory on this machine"
	@echo "make slurm   the farm's script on a real SLURM of one node; as root, after apt install slurm-wlm munge"
	@echo "make soak    300 shots arrive in ten minutes while everything is killed at random"

setup: $(VENV)/.ready

$(VENV)/.ready: pyproject.toml .ci/constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint .ci/constraints.txt --editable '.[dev]'
	touch $@

demo: setup
	$(BIN)/videomatte demo --out out/demo

check: setup
	$(BIN)/ruff check bridge host_plugins tests docs
	$(BIN)/mypy
	$(BIN)/pytest -m 'not slow'

test: setup
	$(BIN)/ruff check bridge host_plugins tests docs
	$(BIN)/mypy
	$(BIN)/pytest

nuke: setup
	$(BIN)/pytest tests/nuke_node

test-blender: setup
	VIDEOMATTE_BLENDERS="4.2 4.5 5.0 5.1 5.2" $(BIN)/pytest tests/test_blender_matte.py tests/test_blender_keys.py \
		tests/test_blender_plates.py tests/test_blender_faults.py tests/test_blender_extension.py

blender-pictures: setup
	PYTHONPATH=tests $(BIN)/python tests/blender_pictures.py $(if $(BLENDER),--blender $(BLENDER)) $(if $(IMAGE),--image $(IMAGE)) $(if $(WORK),--work $(WORK))

bench: setup
	$(BIN)/videomatte bench

soak: setup
	$(BIN)/python tests/soak.py

slurm: setup
	PYTHON=$(BIN)/python bash tests/slurm_node.sh

clean:
	rm -rf $(VENV) out
