# Two commands do the main things on a fresh machine: `make demo` and `make test`. Each does its own set-up.
SHELL := /bin/sh
VENV := .venv
BIN := $(VENV)/bin
PYTHON ?= $(shell for p in python3.11 python3.12 python3; do command -v $$p && break; done)
UV_VERSION := $(shell sed -n 's/^uv==\([0-9.]*\).*/\1/p' requirements.lock)
INSTALLED := $(VENV)/.installed
TAG ?= annulus:$(shell sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)
# The second try, with the machine's own certificates, is for networks whose proxy signs with its own.
SYNC := $(BIN)/uv pip sync --quiet --python $(BIN)/python requirements.lock

# Whatever the machine says, bytecode is kept: without it each process that scores compiles TensorFlow's sources anew, for ten seconds.
export PYTHONDONTWRITEBYTECODE :=

# One thread a process: the tests use the cores by running beside each other, a file in one process. At most eight: a process that
# trains needs a gigabyte. The tests of installations mostly wait for other processes, and need more than two gigabytes each: two at once.
PYTEST := OMP_NUM_THREADS=1 TF_NUM_INTRAOP_THREADS=1 NUMBA_NUM_THREADS=1 $(BIN)/python -m pytest --dist loadfile --no-loadscope-reorder
ON_ALL_CORES := --numprocesses logical --maxprocesses 8
TWO_AT_ONCE := --numprocesses 2

.PHONY: help bench-prefect image image-check install demo demo-ui up down status bench-radiomics bench-radiomics-scaling bench-ingest messages torture crash-states power-loss soak fuzz fuzz-values fuzz-geometry bench-field-of-view bench-e2e bench-certainty viewer bench-deep bench-store bench-portal bench-validation coverage-validation control-training test test-fast test-on-servers coverage check format lock clean

help:  ## this list
	@sed -n 's/^\([a-z0-9-]*\):.*## \(.*\)/make \1|\2/p' Makefile | column -t -s '|'

install: $(INSTALLED)  ## the virtual environment with every dependency, at the locked versions

$(INSTALLED): requirements.lock
	@sh deploy/check_prerequisites.sh "$(PYTHON)"
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	$(SYNC) || $(SYNC) --system-certs
	touch $(INSTALLED)

# What only looks or stops waits for no newer packages.
$(BIN)/python:
	@$(MAKE) -s install

demo: install  ## three synthetic centres from DICOM push to validation report, in the folder annulus-demo
	$(BIN)/python -m deploy.demo

demo-ui: install  ## the Prefect UI with the runs of the last demonstration, until Ctrl-C
	$(BIN)/python -m deploy.demo ui

up: install  ## start the whole system on this machine: DICOM node, Prefect server, dispatcher, deployments, portal
	@$(BIN)/python -m deploy up

down: | $(BIN)/python  ## stop the system, the studies under way first
	@$(BIN)/python -m deploy down

status: | $(BIN)/python  ## what runs, how many studies are in which state, where to look
	@$(BIN)/python -m deploy status

image:  ## the container image TAG, by docker, podman or buildah (BUILDER); PROXY_CERTIFICATE=FILE behind a proxy that signs with its own
	sh deploy/build_image.sh $(TAG)

image-check: install  ## every part of the image TAG as its user, with a root that is read-only; needs root
	$(BIN)/python -m tests.torture.image $(TAG)

bench-radiomics: install  ## speed and values against PyRadiomics and pictologics; ARGS=--quick for about a minute
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.benchmarks.bench_radiomics $(ARGS)

bench-radiomics-scaling: install  ## cost by tumour, field of view and rings; memory of a cohort of ARGS=--studies=100
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.benchmarks.bench_radiomics_scaling $(ARGS)

bench-ingest: install  ## ingest against Orthanc and storescp, interleaved; ARGS="--rounds 3" for a shorter run
	$(BIN)/python -m tests.benchmarks.bench_ingest $(ARGS)

messages: install  ## every message that a person may read, by package and module
	$(BIN)/python -m tests.message_list

torture: install  ## the node is killed 200 times while it receives, then so with its registry lost, its clock moved and its disk full; ARGS="--kills 20"
	for trouble in nothing registry clock disk; do \
		$(BIN)/python -m tests.torture.crash --with $$trouble $(ARGS) || exit 1; done

crash-states: install  ## every state that a crash may leave of a reception, and a start in each; ARGS="--part 1/10" for a tenth of them
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.torture.crash_states $(ARGS)

power-loss: install  ## the power is cut at each fsync of the feature store, over 100 scores; ARGS="--scores 20" for a short one
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.torture.power_loss $(ARGS)

soak: install  ## 300 studies through the whole system while its parts are killed; ARGS="--studies 30" for a short one, "--studies 100 --hasty --kills 50" for many kills
	$(BIN)/python -m tests.torture.soak $(ARGS)

fuzz: install  ## 20000 mutated requests, PDUs, command sets and datasets at a live node; ARGS="--count 200000"
	$(BIN)/python -m tests.torture.fuzz $(ARGS)

fuzz-values: install  ## 20000 objects with random values at a live node, on SQLite and PostgreSQL; ARGS="--count 1000"
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.torture.values $(ARGS)

fuzz-geometry: install  ## 20000 random slices of contours, 500 random studies: right, or it is said why not; ARGS="--examples 1000 --studies 50"
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.torture.geometry $(ARGS)

bench-field-of-view: install  ## how features and scores move when the field of view is cropped; writes deploy/guide/field-of-view.md
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.benchmarks.bench_field_of_view --page deploy/guide/field-of-view.md $(ARGS)

bench-e2e: install  ## from the last image to the report in the PACS, against the same functions alone
	$(BIN)/python -m tests.benchmarks.bench_end_to_end $(ARGS)

bench-certainty: install  ## perturbed contours of seven real tumours: overlap, volume, surfaces, and how far a score moves; ARGS="--contours 50"
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.benchmarks.bench_certainty $(ARGS)

viewer: install  ## what OHIF shows of a score; ARGS="--ohif FOLDER --study FOLDER", or --demonstration FOLDER (tests/benchmarks/viewer.py)
	$(BIN)/python -m tests.benchmarks.viewer $(ARGS)

bench-deep: install  ## the network against what this machine's arithmetic allows; ARGS=--quick for about a minute
	$(BIN)/python -m tests.benchmarks.bench_deep $(ARGS)

bench-portal: install  ## what a page of the portal costs the server with 10 000 studies; ARGS="--studies 1000"
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.benchmarks.bench_portal $(ARGS)

bench-prefect: install  ## bytes of Prefect's database for a study and a night; ARGS="--studies 10 --nights 1"
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.benchmarks.bench_prefect $(ARGS)

bench-store: install  ## what a study costs in feature store and registry; ARGS="--sizes 100" for half a minute
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.benchmarks.bench_store $(ARGS)

bench-validation: install  ## the bootstrap against lifelines and scikit-survival, and a whole report; ARGS=--quick leaves out n = 100 000
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.benchmarks.bench_validation $(ARGS)

control-training: install  ## does cross-validation of a training find nothing in permuted outcomes, and what was planted
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.benchmarks.training_control $(ARGS)

coverage-validation: install  ## how often the intervals of a report hold the truth and its verdicts are wrong, over simulated cohorts
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.benchmarks.interval_coverage; intervals=$$?; \
		OMP_NUM_THREADS=1 $(BIN)/python -m tests.benchmarks.every_center_errors; centers=$$?; \
		OMP_NUM_THREADS=1 $(BIN)/python -m tests.benchmarks.verdict_errors $(ARGS) && exit $$((intervals + centers))

test: install  ## every test, on all cores; what a missing peer or missing real data skips is said in one line
	$(PYTEST) $(ON_ALL_CORES) tests/unit tests/oracles $(ARGS)
	$(PYTEST) $(TWO_AT_ONCE) tests/integration $(ARGS)

test-fast: install  ## the tests that start no server and take no long time, on all cores
	$(PYTEST) $(ON_ALL_CORES) -m "not server and not slow" tests/unit tests/oracles $(ARGS)

test-on-servers: install  ## the integration tests with registry and Prefect on PostgreSQL and features in an object store
	$(PYTEST) $(TWO_AT_ONCE) --on-servers tests/integration $(ARGS)

coverage: install  ## branch coverage of every room by the tests without tests/integration; fails below its floor
	rm -f .coverage .coverage.*
	$(PYTEST) $(ON_ALL_CORES) --cov --cov-report= tests/unit tests/oracles $(ARGS)
	$(BIN)/python -m tests.coverage_by_room

check: lint  ## what .ci/run checks besides the tests

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python .ci/unreached.py

format: install  ## let ruff put the code in order
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

LOCKED := --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --no-header --quiet

lock: install  ## write requirements.lock anew from pyproject.toml, and of it what runs without the tests, for the image
	$(BIN)/uv pip compile pyproject.toml --group dev $(LOCKED) -o requirements.lock
	$(BIN)/uv pip compile pyproject.toml --constraint requirements.lock $(LOCKED) -o requirements-runtime.lock

clean:  ## remove the virtual environment and the demonstration
	rm -rf $(VENV) .pictologics annulus-demo .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
