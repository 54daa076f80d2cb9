# `make run` serves the product, `make test` proves it; `make help` lists the rest.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

PORT ?= 8000
NODES ?= 2
MEMBERS ?= 20000
PYTHON ?= python3
BIN := .venv/bin
# Node.js comes with the locked packages; the system's, if any, is left alone.
export PATH := $(CURDIR)/$(BIN):$(PATH)
HASHED := $(BIN)/python -m pip --quiet --disable-pip-version-check install --require-hashes
INSTALL := $(HASHED) --only-binary :all:
ADDRESS := http://127.0.0.1:$(PORT)

.PHONY: help
help: ## List these targets
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z0-9-]+):.*## /  make \1\t/' | expand -t 18

.PHONY: run
run: .venv/run.stamp ## Serve the product with its demo community (PORT=8000)
	@$(BIN)/python -c 'import socket; socket.create_server(("127.0.0.1", $(PORT)), reuse_port=False).close()' 2>/dev/null \
		|| { echo "Port $(PORT) is taken: choose another with 'make run PORT=$$(($(PORT) + 1))'." >&2; exit 1; }
	@echo "Preparing the database ..."
	@$(BIN)/python manage.py migrate --verbosity 0
	@$(BIN)/python manage.py seed_demo
	@printf '\n  Demo community  %s/demo/\n  Dashboard       %s/dashboard/\n\nCtrl+C stops it.\n' $(ADDRESS) $(ADDRESS)
	@exec env AVCHAT_DEMO=1 $(BIN)/python manage.py serve --bind 127.0.0.1:$(PORT)

.PHONY: cluster
cluster: .venv/mysql.stamp services ## Serve from several nodes, with every service, behind nginx (NODES=2 PORT=8000)
	@exec setpriv --pdeathsig TERM $(BIN)/python manage.py cluster --nodes $(NODES) --port $(PORT)

.PHONY: test
test: .venv/test.stamp .venv/mysql.stamp static/node_modules/.stamp debian services lint ## Run every check and test
	@echo "Widget: unit tests ..."
	@npm --prefix static run --silent test
	@echo "Server, protocol and browser tests ..."
	@$(BIN)/pytest -m "not faults"
	@echo "What the database has a say in, once more on MariaDB ..."
	@AVCHAT_TEST_DATABASE=mariadb AVCHAT_TEST_TRANSPORTS=ws $(BIN)/pytest -m database

.PHONY: mariadb
mariadb: .venv/test.stamp .venv/mysql.stamp debian services ## Run every test on MariaDB instead of SQLite (half an hour)
	@# A cluster has MariaDB anyway.
	@AVCHAT_TEST_DATABASE=mariadb $(BIN)/pytest -m "not faults" --ignore tests/cluster

.PHONY: faults
faults: .venv/test.stamp .venv/mysql.stamp services hosts ## Kill, freeze and cut off what a cluster stands on, under load (ten minutes; the cut needs root)
	@$(BIN)/pytest -m faults

.PHONY: c10k
c10k: .venv/test.stamp ## Ten thousand members on a server of their own: memory, losses, latency (a minute; last line JSON)
	@$(BIN)/python -m benchmarks.c10k

.PHONY: c1m
c1m: .venv/test.stamp .venv/mysql.stamp services ## As many MEMBERS as you like, on several processes with Redis (MEMBERS=20000)
	@$(BIN)/python -m benchmarks.c10k --members $(MEMBERS)

.PHONY: lint
lint: .venv/test.stamp static/node_modules/.stamp ## Check style, types and who imports whom
	@echo "Style, types, imports ..."
	@$(BIN)/ruff check --quiet
	@$(BIN)/ruff format --check --quiet || { echo "These files are not formatted; 'make format' formats them:" >&2; $(BIN)/ruff format --check; }
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo
	@npm --prefix static run --silent check

.PHONY: format
format: .venv/test.stamp ## Format the Python code and fix what can be fixed
	@$(BIN)/ruff check --fix --quiet || true
	@$(BIN)/ruff format

.PHONY: lock
lock: ## Lock the newest dependencies that pyproject.toml allows (needs uv)
	@command -v uv >/dev/null || { echo "uv is missing: pip install uv" >&2; exit 1; }
	@$(UV_COMPILE) --output-file requirements.lock
	@$(UV_COMPILE) --extra dev --constraint requirements.lock --output-file requirements-dev.lock

UV_COMPILE := uv pip compile pyproject.toml --quiet --upgrade --universal --python-version 3.11 --generate-hashes \
	--no-config --no-header --no-emit-index-url --no-emit-find-links

.PHONY: clean
clean: ## Remove what was installed and built here; var/ (your data) stays
	@rm -rf .venv static/node_modules .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

.PHONY: python
python:
	@command -v $(PYTHON) >/dev/null || { echo "python3 is missing: apt install python3 python3-venv" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Python 3.11 or newer is needed, and $(PYTHON) is $$($(PYTHON) --version); name another with PYTHON=..." >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "Python's venv is missing: apt install python3-venv" >&2; exit 1; }
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || { rm -rf .venv; $(PYTHON) -m venv .venv; }

.venv/run.stamp: requirements.lock | python
	@echo "Installing the Python packages (about a minute, the first time only) ..."
	@$(INSTALL) --requirement requirements.lock
	@touch $@

.venv/test.stamp: requirements-dev.lock | python
	@echo "Installing the test tools (a minute or two, the first time only) ..."
	@$(INSTALL) --requirement requirements-dev.lock
	@touch $@ .venv/run.stamp

static/node_modules/.stamp: static/package-lock.json .venv/test.stamp
	@echo "Installing the widget's build tools ..."
	@npm --prefix static ci --no-audit --no-fund --loglevel=error
	@touch $@

# There is no wheel of the driver for MariaDB: it is compiled, and only for those who want it.
.venv/mysql.stamp: requirements-mysql.lock .venv/run.stamp | compiler
	@echo "Compiling the driver for MariaDB ..."
	@$(INSTALL) --requirement <(grep -A1 ^setuptools requirements-mysql.lock)
	@$(HASHED) --no-build-isolation --no-binary mysqlclient --requirement requirements-mysql.lock
	@touch $@

.PHONY: compiler
compiler: .venv/run.stamp
	@$(BIN)/python -c 'import MySQLdb' 2>/dev/null && exit; \
	need=""; \
	command -v gcc >/dev/null || need+=" gcc libc6-dev"; \
	command -v pkg-config >/dev/null || need+=" pkg-config"; \
	command -v mariadb_config >/dev/null || need+=" libmariadb-dev"; \
	test -e "$$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_paths()["include"])')/Python.h" || need+=" python3-dev"; \
	$(APT)

.PHONY: services
services: .venv/run.stamp
	@need="$$($(BIN)/python manage.py cluster --missing)"; $(APT)

.PHONY: debian
debian:
	@need=""; \
	command -v chromium >/dev/null || need+=" $(BROWSER)"; \
	/sbin/ldconfig -p | grep -q libatomic.so.1 || need+=" libatomic1"; \
	command -v php >/dev/null || need+=" php-cli"; \
	command -v ruby >/dev/null || need+=" ruby"; \
	$(APT)

# What makes the hosts between which the network is cut.
.PHONY: hosts
hosts:
	@need=""; \
	PATH="$$PATH:/usr/sbin:/sbin" command -v ip >/dev/null || need+=" iproute2"; \
	$(APT)

# Installs what $need names, where it may.
define APT
if [ -z "$$need" ]; then exit; fi; \
if [ "$$(id -u)" = 0 ]; then may=env; elif sudo --non-interactive true 2>/dev/null; then may="sudo --non-interactive env"; \
else echo "Packages are missing whose installation needs root: apt install $$need" >&2; exit 1; fi; \
echo "Installing $$need with apt (a few minutes, the first time only) ..."; \
$$may DEBIAN_FRONTEND=noninteractive apt-get -qq update </dev/null; \
$$may DEBIAN_FRONTEND=noninteractive apt-get -qq install --yes --no-install-recommends $$need </dev/null >/dev/null
endef
