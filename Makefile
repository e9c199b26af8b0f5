# One-word commands. Each makes the virtual environment first when it is missing or out of date.
# Variables: PYTHON names the interpreter, ARGS is handed to the program that a target runs,
# COMPILED=1 has the rules compiled first (tests and benchmarks; needs a C compiler).

PYTHON ?= python3
ARGS ?=
VENV := .venv
BIN := $(VENV)/bin
READY := $(BIN)/.installed $(if $(COMPILED),build/compiled/.built)
# Python in the checkout, or in its likeness with compiled rules.
RUN := $(if $(COMPILED),cd build/compiled && PYTHONPATH=$(CURDIR)/build/compiled )$(CURDIR)/$(BIN)/python
CHECKED := progress_worker tests bench migrations deploy
UV := uv==0.13.9
ATHERIS := atheris==3.0.0
PIP_AUDIT := pip-audit==2.10.1
CYCLONEDX := cyclonedx-bom==7.5.0
# In two processes: most of the time they wait. ARGS='-n 0' makes it one, to see into.
TWO := --numprocesses 2 --no-loadscope-reorder

# Faust has no wheel for Linux on ARM. Its sdist takes minutes to translate C extensions that
# this project does not use, and seconds without them.
export NO_CYTHON := 1
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_NO_INPUT := 1

.DELETE_ON_ERROR:
.PHONY: help demo test test-faults soak check bench bench-quick bench-latency bench-http bench-live bench-rules clean lock install \
	fuzz audit sbom

help:
	@echo "make demo    the whole system on this machine, from Kafka to an unlocked achievement"
	@echo "make test    every test (ARGS='-m \"not integration\"' for fewer, ARGS='-n 0' in one process)"
	@echo "make test-faults  every round of the fault suite, about 35 minutes"
	@echo "make soak    a backlog, then ten minutes of load: does anything grow? (ARGS='--events 20000 --minutes 1' for less)"
	@echo "make check   formatting, lint and types"
	@echo "make fuzz    a minute of made-up records against the decoder (ARGS=-max_total_time=600 for longer)"
	@echo "make audit   known vulnerabilities of the locked packages"
	@echo "make bench   how fast the worker drains a backlog (bench-quick, bench-latency, bench-http, bench-live, bench-rules: see bench/)"
	@echo "make lock    resolve pyproject.toml into the lock files (ARGS=--upgrade for newer versions)"
	@echo "make sbom    what the image holds, as CycloneDX: build/sbom.cdx.json"
	@echo "make clean   remove the virtual environment and everything that was built"

demo: $(BIN)/.installed
	@echo "Running the demo: an embedded broker, an embedded Postgres, the worker and its events"
	@$(BIN)/progress-worker demo $(ARGS)

test: $(READY)
	@echo "Running the tests, in random order and two processes"
	@$(RUN) -m pytest $(TWO) $(ARGS)

test-faults: $(READY)
	@echo "Running every round of the fault suite (brokers, databases, workers are killed), and the runbook"
	@$(RUN) -m pytest $(TWO) tests/faults tests/kafka/test_transactions.py tests/operations/test_runbook_*.py -m "faults or not faults" $(ARGS)

soak: $(READY)
	@echo "Soaking two workers: they drain a backlog, take a mixed load, and may not grow"
	@$(RUN) -m tests.faults.soak $(ARGS)

check: $(BIN)/.installed
	@echo "Checking format, lint and types of $(CHECKED)"
	@$(BIN)/ruff format --check $(CHECKED)
	@$(BIN)/ruff check $(CHECKED)
	@$(BIN)/mypy --strict $(CHECKED)

fuzz: $(BIN)/.installed build/fuzz/.installed
	@echo "Fuzzing the decoder; what breaks a promise is kept in build/fuzz/found"
	@mkdir -p build/fuzz/found
	@PYTHONPATH=build/fuzz/packages:. $(BIN)/python -m tests.fuzz.fuzz_decoder \
		-max_total_time=60 -artifact_prefix=build/fuzz/found/ $(ARGS)

# A package that the service does not know is a failure: else an unreachable one finds nothing.
audit: build/audit/.installed
	@echo "Asking PyPI for known vulnerabilities of the locked packages (ARGS='-s osv' asks OSV)"
	@build/audit/bin/pip-audit --strict --disable-pip --progress-spinner off \
		--requirement requirements.lock --requirement deploy/build.lock $(ARGS) || { \
		echo "Not clean: a vulnerability is named above, or the service could not be asked." >&2; exit 1; }

bench: $(READY)
	@echo "Measuring the worker with the embedded broker and Postgres"
	@$(RUN) bench/run.py $(ARGS)

bench-quick: $(READY)
	@echo "Measuring the worker against the ceiling"
	@$(RUN) bench/run.py --quick $(ARGS)

bench-latency: $(READY)
	@echo "Measuring how soon an event is committed and its unlocks are published"
	@$(RUN) bench/latency.py $(ARGS)

bench-http: $(READY)
	@echo "Measuring the HTTP view with 100,000 learners against its own queries"
	@$(RUN) bench/view.py $(ARGS)

bench-live: $(READY)
	@echo "Measuring live updates with 5,000 streams and 100 unlocks a second"
	@$(RUN) bench/live.py $(ARGS)

bench-rules: $(READY)
	@echo "Measuring what \`rules diff\` takes with 100,000 learners"
	@$(RUN) bench/rule_diff.py $(ARGS)

install: $(BIN)/.installed

# The lock files hold names, versions and hashes of every platform's files; no address.
lock: build/lock/.installed
	@echo "Resolving pyproject.toml into requirements.lock, deploy/requirements.lock and deploy/build.lock"
	@$(COMPILE) --extra embedded --extra tracing --group dev pyproject.toml --output-file requirements.lock
	@$(COMPILE) --constraint requirements.lock --extra tracing pyproject.toml --output-file deploy/requirements.lock
	@$(COMPILE) --constraint requirements.lock --group build --output-file deploy/build.lock

COMPILE = build/lock/bin/uv pip compile --quiet --universal --python-version 3.11 \
	--generate-hashes --no-annotate --no-emit-index-url --no-emit-find-links \
	--custom-compile-command "make lock" $(ARGS)

# The lock knows no graph of dependencies, of which the tool warns.
sbom: build/sbom/.installed
	@echo "Writing build/sbom.cdx.json: every package of deploy/requirements.lock"
	@build/sbom/bin/python -W ignore::UserWarning -m cyclonedx_py requirements deploy/requirements.lock \
		--pyproject pyproject.toml --output-reproducible --output-file build/sbom.cdx.json

clean:
	@echo "Removing $(VENV), build products and caches"
	@rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
	@find . -name .git -prune -o -name __pycache__ -type d -prune -exec rm -rf {} +

# The lock names every package. With dependencies, pip would refuse the extras that one of them asks
# of another. The packages are installed anew when the lock changes, this project alone when only its
# own metadata does; a marker that is written last makes an interrupted installation start over.
$(BIN)/.installed: $(BIN)/.locked pyproject.toml
	@echo "Installing progress-worker into $(VENV), in place"
	@$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --no-index --editable .
	@touch $@

$(BIN)/.locked: requirements.lock
	@$(NEEDS_PYTHON)
	@echo "Installing the locked packages into $(VENV) (about a minute, once)"
	@$(PYTHON) -m venv --clear $(VENV)
	@$(BIN)/python -m pip install --quiet --no-deps --require-hashes --requirement requirements.lock
	@touch $@

build/lock/.installed: TOOL = $(UV)
build/sbom/.installed: TOOL = $(CYCLONEDX)
build/audit/.installed: TOOL = $(PIP_AUDIT)
build/lock/.installed build/sbom/.installed build/audit/.installed: Makefile
	@$(NEEDS_PYTHON)
	@echo "Installing $(TOOL) into $(@D)"
	@$(PYTHON) -m venv --clear $(@D)
	@$(@D)/bin/python -m pip install --quiet '$(TOOL)'
	@touch $@

# All of the checkout, but with the package of the image's wheel.
build/compiled/.built: $(BIN)/.installed deploy/compile_rules.py $(shell find progress_worker migrations -name '*.py' 2>/dev/null)
	@echo "Compiling the rules (half a minute)"
	@rm -rf $(@D) && mkdir -p $(@D)
	@HATCH_BUILD_HOOK_ENABLE_CUSTOM=1 $(BIN)/python -m build --wheel --no-isolation --outdir build/compiled . >/dev/null
	@$(BIN)/python -m zipfile -e $(@D)/*.whl $(@D)
	@for part in $(filter-out progress_worker build,$(wildcard *)); do ln -s ../../$$part $(@D)/$$part; done
	@touch $@

# Beside the locked packages, which it needs, and not among them.
build/fuzz/.installed: $(BIN)/.installed
	@echo "Installing $(ATHERIS) into build/fuzz"
	@$(BIN)/python -m pip install --quiet --no-deps --upgrade --target build/fuzz/packages '$(ATHERIS)'
	@touch $@

define NEEDS_PYTHON
command -v '$(PYTHON)' >/dev/null || { \
	echo "Python 3.11 to 3.14 is needed, and there is no $(PYTHON): install it, or name another with PYTHON=python3.12." >&2; exit 1; }; \
'$(PYTHON)' -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 15))' || { \
	echo "Python 3.11 to 3.14 is needed, and $(PYTHON) is $$('$(PYTHON)' -V 2>&1): name another with PYTHON=python3.12." >&2; exit 1; }; \
'$(PYTHON)' -c 'import ensurepip, venv' 2>/dev/null || { \
	echo "$(PYTHON) cannot make a virtual environment: install its venv package (Debian and Ubuntu: apt-get install python3-venv)." >&2; exit 1; }
endef
