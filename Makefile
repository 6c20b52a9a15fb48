# `make` lists the targets. Everything runs in a virtual environment of its own, .venv, which is made on first use.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
IN_MEMORY := tests/actors/test_in_memory.py tests/services tests/testing
COMPILED := .venv-compiled
TESTS_OF_COMPILED := tests/core tests/worker tests/bus tests/net tests/test_lane.py tests/test_lane_descriptors.py
NODES_OF_COMPILED := tests/node tests/actors tests/contract tests/conformance --ignore=tests/actors/test_in_memory.py
# pytest sets its own filters for each test, and has not seen that of a worker (skypy/worker/tasks/loop.py).
WITHOUT_MYPYC_WARNING := -W "ignore:the (type, exc, tb) signature of throw() is deprecated:DeprecationWarning"
VERSIONS := 3.11 3.12 3.13 3.14 3.15
PYTHONS = $(shell .ci/pythons $(VERSIONS))
SUITES := unit memory sockets nodes conformance
RUN_OPTIONS := $(if $(PORT),--set env.port=$(PORT))

.DEFAULT_GOAL := help
.PHONY: help run client test versions lint types unit memory sockets nodes conformance soak bench bench-quick bench-all bench-guard compiled format diagram clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: $(INSTALLED) ## serve the echo on 127.0.0.1:8888 (PORT=9000 for another port)
	@echo "Serving the half-close echo; Ctrl-C stops it. Talk to it from another terminal:"
	@echo "    make client                                    (lines; quit, shut_r, shut_w are commands)"
	@printf '%s\n' "    printf 'a\nb\n' | nc -N 127.0.0.1 $(or $(PORT),8888)      (if nc is installed)"
	@exec $(BIN)/skypy run config/echo.toml $(RUN_OPTIONS)

client: $(INSTALLED) ## talk to the echo (PORT=9000 for another port)
	@exec $(BIN)/skypy client 127.0.0.1:$(or $(PORT),8888)

test: lint types unit memory sockets nodes conformance ## everything that must pass

versions: $(INSTALLED) ## types and suites on every interpreter of 3.11 to 3.15 (of PATH and pyenv; PYTHONS="..." names others)
	@failed= passed=; for python in $(PYTHONS); do \
	    version=$$($$python -c 'import platform; print(platform.python_version())') || exit 1; \
	    echo "== Python $$version: $$python"; \
	    { $(BIN)/mypy --python-version $$(echo $$version | cut -d. -f1,2) && \
	        $(MAKE) --no-print-directory --keep-going VENV=.venv-$$version PYTHON=$$python $(SUITES); } && \
	        passed="$$passed $$version" || failed="$$failed $$version"; \
	done; \
	echo "Passed on:$${passed:- none}. Failed on:$${failed:- none}."; [ -n "$$passed" ] && [ -z "$$failed" ]

lint: $(INSTALLED) ## style and formatting
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(INSTALLED) ## mypy --strict
	$(BIN)/mypy

unit: $(INSTALLED) ## the pure core, the worker, config and command line
	$(BIN)/pytest -q tests --ignore=tests/net --ignore=tests/node --ignore=tests/actors $(IN_MEMORY:%=--ignore=%) --ignore=tests/contract --ignore=tests/conformance

memory: $(INSTALLED) ## whole nodes in memory: actors, the shipped services, the testing kit
	$(BIN)/pytest -q $(IN_MEMORY)

sockets: $(INSTALLED) ## the socket service on real sockets
	$(BIN)/pytest -q tests/net

nodes: $(INSTALLED) ## whole nodes, two at a time: real processes, the echo, actors, faults
	$(BIN)/pytest -q -n 2 --dist loadfile tests/node tests/actors tests/contract --ignore=tests/actors/test_in_memory.py

conformance: $(INSTALLED) ## cases of Netty, Erlang and skynet over real TCP
	$(BIN)/pytest -q -n 2 --dist loadfile tests/conformance

soak: $(INSTALLED) ## long runs
	$(BIN)/pytest -q tests -m soak -o faulthandler_timeout=0 -o timeout=0

bench: $(INSTALLED) ## every case beside its rivals, about 5 minutes; the table goes to benchmarks/results
	$(BIN)/python -m benchmarks install
	$(BIN)/python -m benchmarks run

bench-quick: $(INSTALLED) ## the main cases, about a minute
	$(BIN)/python -m benchmarks install
	$(BIN)/python -m benchmarks run --preset quick

bench-all: $(INSTALLED) ## every case, longer, with the heavy rivals as well
	$(BIN)/python -m benchmarks install --heavy
	$(BIN)/python -m benchmarks run --preset all

bench-guard: $(INSTALLED) ## fails when skypy has become slower beside asyncio than committed
	$(BIN)/python -m benchmarks guard

compiled: ## a wheel with what is hot as machine code, in dist, and tests of it (needs a C compiler; takes minutes)
	$(PYTHON) -m venv --clear $(COMPILED)
	$(COMPILED)/bin/python -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1'
	$(COMPILED)/bin/python -m pip install --quiet --disable-pip-version-check --group dev
	@# From a copy: the compiler leaves its modules beside the sources, where they would be taken for them.
	source=$$(mktemp -d) && trap 'rm -rf "$$source"' EXIT && cp -r pyproject.toml README.md LICENSE skypy "$$source" && \
	    HATCH_BUILD_HOOK_ENABLE_MYPYC=1 $(COMPILED)/bin/python -m pip wheel --quiet --disable-pip-version-check --no-deps -w dist "$$source"
	$(COMPILED)/bin/python -m pip install --quiet --disable-pip-version-check "$$(ls -t dist/skypy_runtime-*.whl | head -1)"
	@# The tests come from here, skypy from there.
	$(COMPILED)/bin/python -c 'import os, sysconfig; open(sysconfig.get_path("purelib") + "/tests.pth", "w").write(os.getcwd())'
	PYTHONSAFEPATH=1 $(COMPILED)/bin/python -m pytest -q $(WITHOUT_MYPYC_WARNING) -m "not soak and not interpreted" $(TESTS_OF_COMPILED)
	PYTHONSAFEPATH=1 $(COMPILED)/bin/python -m pytest -q $(WITHOUT_MYPYC_WARNING) -m "not soak and not interpreted" -n 2 --dist loadfile $(NODES_OF_COMPILED)

format: $(INSTALLED) ## put the sources into shape
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

diagram: $(INSTALLED) ## draw the state diagram of ARCHITECTURE.md anew from the table
	$(BIN)/python -m tests.diagram

clean: ## remove what was made
	rm -rf $(VENV) $(VENV)-3.* $(COMPILED) .pytest_cache .mypy_cache .ruff_cache .hypothesis benchmarks/build benchmarks/.venv dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(INSTALLED): pyproject.toml
	@command -v $(PYTHON) >/dev/null || { \
	    echo "make: no interpreter \"$(PYTHON)\": install Python 3.11 or newer, or name one: make PYTHON=/path/to/python3" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	    echo "make: $(PYTHON) is $$($(PYTHON) -V 2>&1), skypy needs 3.11 or newer: make PYTHON=python3.11" >&2; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { \
	    echo "make: $(PYTHON) has no venv module: install it (Debian and Ubuntu: apt install python3-venv)" >&2; exit 1; }
	@echo "Making the virtual environment $(VENV)"
	@$(PYTHON) -m venv --clear $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1'
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --only-binary :all: --editable . --group dev
	@touch $@
