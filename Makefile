# make up · make test · make faults · make celery-suite · make bench · make lint · make requirements

PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin

.PHONY: up test faults celery-suite bench lint requirements install install-dev
.DEFAULT_GOAL := up

up: install
	@exec $(BIN)/python manage.py up

install: $(VENV)/.installed

install-dev: $(VENV)/.installed-dev

$(BIN)/python:
	@command -v $(PYTHON) >/dev/null || { echo "make: $(PYTHON) was not found. Jobsite needs Python 3.11 or 3.12; name yours with: make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(0 if (3, 11) <= v[:2] < (3, 13) else "make: $(PYTHON) is Python %d.%d. Jobsite needs 3.11 or 3.12; name one with: make PYTHON=/path/to/python3.11" % v[:2])'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: requirements.txt | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

$(VENV)/.installed-dev: requirements-dev.txt $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@

# On PostgreSQL what the database has a say in. The two longest outages are played on SQLite alone, and schedules with
# real processes on PostgreSQL alone: the whole is to stay under 25 minutes on two cores.
ON_POSTGRES := tests/system/test_line.py tests/system/test_outages.py tests/system/test_limits.py \
	tests/system/test_schedules.py -k "not again_and_again and not arrive_afterwards"

# Apart from each other: the system tests start servers of their own, the unit tests must not see them. These run in one
# process more than there are cores, each with its own Redis: they wait for a third of their time.
test: install-dev
	$(BIN)/python -m pytest -n "$$(($$(nproc) + 1))" tests/unit
	$(BIN)/python -m pytest tests/embedding
	$(BIN)/python -m pytest tests/system --ignore=tests/system/test_schedules.py --durations=15
	TEST_DATABASE=postgres $(BIN)/python -m pytest $(ON_POSTGRES)

# Half an hour: everything killed at random under load, and every job counted (docs/architecture.md). FAULTS_SEED plays
# one again, FAULTS_JOBS and FAULTS_KILLS make it shorter or longer.
faults: install-dev
	$(BIN)/python -m pytest -q tests/faults
	TEST_DATABASE=postgres $(BIN)/python -m pytest -q tests/faults

# Celery's own integration tests with a plain worker and with ours: make celery-suite CELERY=/path/to/celery, the sources
# of the installed version. Once with the worker as a process, once in a thread of theirs, into which some tests look.
celery-suite: install-dev
	@test -d "$(CELERY)/t/integration" || { echo "make: name the folder of Celery's sources: make celery-suite CELERY=/path/to/celery" >&2; exit 1; }
	$(BIN)/uv pip install --quiet --python $(BIN)/python --constraint requirements-dev.txt --extra celery-suite -r pyproject.toml
	$(BIN)/python -m tests.celery_suite "$(CELERY)" --worker process
	$(BIN)/python -m tests.celery_suite "$(CELERY)" --worker embedded

bench: install-dev
	$(BIN)/python -m benchmarks

lint: install-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy jobs jobsite
	$(BIN)/djlint --lint --quiet templates jobs/templates
	$(BIN)/python manage.py makemigrations --check --dry-run
	BASE_URL=https://jobsite.example SECRET_KEY=$$($(BIN)/python -c 'import secrets; print(secrets.token_urlsafe(50))') \
		$(BIN)/python manage.py check --deploy --fail-level WARNING
	$(BIN)/python -m pytest -q tests/unit/test_layers.py

# Pins every direct dependency's own dependencies; run it after a change to pyproject.toml.
requirements: install-dev
	$(BIN)/uv pip compile --quiet --no-header --python-version 3.11 pyproject.toml -o requirements.txt
	$(BIN)/uv pip compile --quiet --no-header --python-version 3.11 --extra dev -c requirements.txt pyproject.toml -o requirements-dev.txt
