# What a developer types. `make run` and `make test` need Python 3.11 or newer, git and make.

VENV := .venv
PO := $(wildcard translations/*/LC_MESSAGES/*.po)
MO := $(PO:.po=.mo)
# One worker more than there are cores: some tests wait for minutes until a real clock goes on.
WAITING := $(shell echo $$(($$(nproc 2>/dev/null || echo 2) + 1)))
QUICK := not slow and not race and not browser
LONG := (slow or browser) and not race and not soak
# Reading all the other files takes each worker a while.
RACES := $(shell grep -rl 'mark\.race' tests --include='test_*.py')
LONG_ONES := $(shell grep -rlE 'mark\.(slow|browser)' tests --include='test_*.py')
ON_POSTGRES := not browser and not soak and (not slow or postgres)
# Tests of a second and of minutes lie side by side: none waits behind another while a worker is free.
SIDE_BY_SIDE := -n $(WAITING) --maxschedchunk 1
# A browser or a server among other tests may wait too long for a core: what fails gets one more try with the
# machine to itself.
WHAT_FAILED := --last-failed --last-failed-no-failures none
# In these no database has a part, or only as a notebook.
NO_DATABASE := $(addprefix --ignore=tests/,test_architecture.py test_verbs.py api/test_verbs.py test_gateways.py \
	test_access.py api/test_access.py test_letters.py test_config.py test_calendar_reading.py test_states.py \
	test_hub.py test_lines.py test_turns.py test_assets.py test_busy_times.py test_translations.py \
	test_asvs.py test_client.py test_demand_models.py test_logs.py test_payment_gateways.py test_phrasing.py \
	api/test_docs.py domain/test_markdown.py domain/test_pricing.py domain/test_wordings.py)
# The pages ask a database through the domain, which is tried on both; make soak tries these on PostgreSQL too.
PAGES := $(addprefix --ignore-glob=tests/,test_account*.py test_admin*.py test_assistant.py test_auth.py \
	test_bad_input.py test_bills.py test_conversations.py test_customer*.py test_forecast_pages.py test_guides.py \
	test_people_choices.py test_routes.py test_security.py test_service_professional*.py test_tracking.py \
	api/test_attacks.py)
BENCHMARKS := search booking slots export api live analytics recommendations forecast assistant cache load backup
# Each of a hundred processes would compile the site and its packages anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: run test check browser postgres soak bench scan coverage lint lock messages migration states help clean

run: $(VENV)/.run $(MO)  ## serve at http://127.0.0.1:$PORT (5000), with demo people on the first run
	@bin/run

test: $(VENV)/.test $(MO)  ## the quick tests, on SQLite, in random order
	$(VENV)/bin/pytest -q -n auto -m "$(QUICK)"

check: lint test browser-installed  ## everything that must hold before a change is merged; no repetitions (soak)
	$(VENV)/bin/pytest -q -m race $(RACES)
	$(VENV)/bin/pytest -q $(SIDE_BY_SIDE) -m "$(LONG)" $(LONG_ONES) || $(VENV)/bin/pytest -q $(WHAT_FAILED) -m "$(LONG)" $(LONG_ONES)
	TEST_DATABASE=postgresql RACE_ROUNDS=40 $(VENV)/bin/pytest -q $(SIDE_BY_SIDE) -m "$(ON_POSTGRES)" $(NO_DATABASE) $(PAGES) \
	|| TEST_DATABASE=postgresql RACE_ROUNDS=40 $(VENV)/bin/pytest -q $(WHAT_FAILED) -m "$(ON_POSTGRES)" $(NO_DATABASE) $(PAGES)
	@echo "The quick benchmarks print what this machine does now; a figure is no reason to refuse a change."
	set -e; for one in $(BENCHMARKS); do $(VENV)/bin/python -m benchmarks.$$one --quick; done

browser: $(VENV)/.test $(MO) browser-installed  ## only the tests in a real browser
	$(VENV)/bin/pytest -q -m browser

postgres: $(VENV)/.test $(MO)  ## the quick tests on PostgreSQL
	TEST_DATABASE=postgresql $(VENV)/bin/pytest -q -n auto -m "$(QUICK)"

soak: $(VENV)/.test $(MO) browser-installed  ## what check leaves out: more ways and widths, long walks, long races, full benchmarks
	$(MAKE) postgres
	$(VENV)/bin/pytest -q $(SIDE_BY_SIDE) -m "soak"
	TEST_DATABASE=postgresql $(VENV)/bin/pytest -q $(SIDE_BY_SIDE) -m "soak and postgres"
	RACE_ROUNDS=2000 $(VENV)/bin/pytest -q -m race $(RACES)
	RACE_ROUNDS=2000 TEST_DATABASE=postgresql $(VENV)/bin/pytest -q -m race $(RACES)
	$(MAKE) bench

bench: $(VENV)/.test  ## the benchmarks behind docs/performance.md
	set -e; for one in $(BENCHMARKS); do $(VENV)/bin/python -m benchmarks.$$one; done

scan: $(VENV)/.test $(VENV)-scan/.run $(MO)  ## wapiti and sqlmap against the site as each role, 15 to 25 minutes; see docs/scans.md
	$(VENV)/bin/python -m scans

coverage: $(VENV)/.test $(MO)  ## the quick tests, and the lines they miss
	$(VENV)/bin/pytest -q -n auto -m "$(QUICK)" --cov --cov-report=term-missing:skip-covered

lint: $(VENV)/.test  ## ruff, bandit, and hadolint for the Dockerfile
	$(VENV)/bin/ruff check .
	$(VENV)/bin/bandit --quiet --recursive --configfile pyproject.toml .
	$(VENV)/bin/hadolint Dockerfile

lock: $(VENV)/.test  ## compile requirements*.in into the locked *.txt; UPGRADE=1 takes newer versions
	bin/lock $(if $(UPGRADE),--upgrade)

messages: $(VENV)/.test  ## collect the texts of the code into translations/*/LC_MESSAGES/*.po
	bin/messages

migration: $(VENV)/.test  ## write a migration from the difference to models.py: make migration NAME="add tips"
	bin/migration $(NAME)

states: $(VENV)/.run  ## write docs/states.md anew from the table of what can happen to a booking
	bin/states

help:  ## this list
	@grep -E '^[a-z-]+:.*##' Makefile | sed -E 's/:[^#]*## */\t/' | expand -t 14

clean:  ## remove the environment and what tests left behind; the data in instance/ stays
	rm -rf $(VENV) $(VENV)-scan .pytest_cache .ruff_cache .hypothesis .coverage test-results $(MO)
	find . -name __pycache__ -prune -exec rm -rf {} +

$(VENV)/.run: requirements.txt bin/setup bin/uv.txt
	@bin/setup run

$(VENV)-scan/.run: requirements-scan.txt bin/setup bin/uv.txt
	@bin/setup scan

$(VENV)/.test: requirements.txt requirements-dev.txt bin/setup bin/uv.txt
	@bin/setup test

%.mo: %.po | $(VENV)/.run
	$(VENV)/bin/pybabel -q compile -i $< -o $@

.PHONY: browser-installed
browser-installed:
	@command -v chromium-headless-shell >/dev/null || command -v chromium >/dev/null || { \
	  echo "The browser tests need Chromium: sudo apt-get install chromium-headless-shell"; exit 1; }
