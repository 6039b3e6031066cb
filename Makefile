# make serve   the book on http://127.0.0.1:8000 (another port: make serve PORT=8080)
# make book    only build it, into _build/html
# make test    everything that is tested (make -k test: go on after a stage that fails)
# make check   only what takes no running: form, types, spelling, links (make format mends the form)
# make lab     the chapters in JupyterLab
# make replicate  every chapter many times over, with other seeds and arithmetic (hours; can be stopped, and goes on)
# make strip   take outputs out of the notebooks, as they are committed
# make picture remake the README's picture from the built book
# make clean   remove what was built
# Each makes .venv first if it has to.

PORT ?= 8000
PYTHON3 ?= python3
BIN := .venv/bin
PEERS := .venv-peers/bin
CHECK := .venv-check/bin
NOTEBOOKS := $(wildcard book/*.ipynb)
# What differs from machine to machine and says nothing to a reader. Cells keep their ids, so that diffs stay small.
STRIP := $(BIN)/nbstripout --keep-id --extra-keys "metadata.language_info metadata.vscode cell.metadata.execution"

# What requirements.txt comes to: soupsieve asks for the one, networkx excludes the other.
NEEDED := Python 3.11.5 or newer is needed, and not 3.14.1 (make PYTHON3=/path/to/python3 chooses one).

# Each of them also by itself, as pre-commit calls them.
CHECKS := check-lint check-format check-types check-javascript check-notebooks check-spelling check-links

.PHONY: serve port book test check $(CHECKS) test-unit test-exchange test-notebooks test-browser chromium lab format strip picture replicate clean

serve: port book
	@echo "The book is at http://127.0.0.1:$(PORT)/ (Ctrl-C stops it)"
	@$(BIN)/python -m http.server $(PORT) --bind 127.0.0.1 --directory _build/html >/dev/null

# Asked before the build, not after minutes of it.
port: .venv/.stamp
	@$(BIN)/python -c 'import socket; socket.create_server(("127.0.0.1", $(PORT))).close()' 2>/dev/null || \
	  { echo "Port $(PORT) is taken (or not allowed). Choose another: make serve PORT=8080"; exit 1; }

# -W: a warning is a broken link, reference or cell, so it fails the build; --keep-going shows all of them first.
book: .venv/.stamp
	@$(BIN)/jupyter-book build . -W --keep-going
	@cat _build/otherwise.txt

# Ordered: what is missing or quick to fail comes first.
test: chromium check test-unit test-exchange test-notebooks test-browser
	@echo "All tests passed."

chromium: .venv/.stamp
	@$(BIN)/python tests/browser/chromium.py

check: $(CHECKS)
	@echo "All checks passed."

$(CHECKS): .venv-check/.stamp

check-lint:
	@$(CHECK)/ruff check

check-format:
	@$(CHECK)/ruff format --check || { echo "make format mends these."; exit 1; }

# mypy comes with pip alone; pyright would be a second program for node.
check-types:
	@$(CHECK)/mypy

check-javascript:
	@$(CHECK)/node .venv-check/node_modules/typescript/bin/tsc --project tests/check/jsconfig.json && echo "JavaScript: no issues found"

check-notebooks:
	@$(STRIP) --verify $(NOTEBOOKS) || { echo "These notebooks carry outputs: make strip"; exit 1; }

check-spelling:
	@$(CHECK)/codespell

# Those within the repository: nothing is asked of other hosts. Between pages of the book, Sphinx checks them as it builds.
check-links:
	@$(CHECK)/lychee --config tests/check/lychee.toml .

test-unit: .venv/.stamp
	@$(BIN)/python -m pytest -q tests/unit

# Files from saelib to SAELens and sparsify, and back.
test-exchange: .venv-peers/.stamp
	@$(PEERS)/python -m pytest -q tests/exchange

# With outputs stripped, nbval runs every cell and fails on errors, here also where a claim came out otherwise. The processor
# is made to compute as older ones do, and not as in the build: what holds on one kind of machine alone is noticed.
test-notebooks: book
	@SAELIB_CLAIMS=strict MKL_ENABLE_INSTRUCTIONS=SSE4_2 ATEN_CPU_CAPABILITY=default OMP_WAIT_POLICY=PASSIVE \
	  $(BIN)/python -m pytest -q --nbval-lax --nbval-current-env --nbval-cell-timeout=600 book
	@$(BIN)/python -m pytest -q tests/notebooks tests/replication

test-browser: chromium book
	@$(BIN)/python -m pytest -q tests/browser

replicate: .venv/.stamp
	@$(BIN)/python tests/replication/replicate.py

lab: .venv/.stamp
	@$(BIN)/jupyter lab book

format: .venv-check/.stamp
	@$(CHECK)/ruff check --fix
	@$(CHECK)/ruff format

strip: .venv/.stamp
	@$(STRIP) $(NOTEBOOKS)

picture: chromium book
	@$(BIN)/python tests/browser/picture.py

clean:
	rm -rf _build .pytest_cache .hypothesis .coverage

.venv/.stamp: requirements.txt pyproject.toml
	@command -v $(PYTHON3) >/dev/null || { echo "$(PYTHON3) is not there: $(NEEDED)"; exit 1; }
	@$(PYTHON3) -c 'import sys; v = sys.version_info[:3]; sys.exit(v < (3, 11, 5) or v == (3, 14, 1))' || \
	  { echo "$(PYTHON3) is $$($(PYTHON3) --version 2>&1), which some of the packages refuse: $(NEEDED)"; exit 1; }
	@$(PYTHON3) -c 'import platform as p, sys; sys.exit((p.system(), p.machine()) == ("Darwin", "x86_64"))' || \
	  { echo "PyTorch, in the version that the book needs, is not made for Macs with an Intel processor (nor for a Python made for one)."; exit 1; }
	@$(PYTHON3) -c 'import venv, ensurepip' 2>/dev/null || \
	  { echo "Python's venv module is missing: install it (on Debian and Ubuntu the package is python3-venv)."; exit 1; }
	@echo "Installing the book's packages into .venv (a few minutes, once)"
	@$(PYTHON3) -m venv .venv
	@$(BIN)/python -m pip install -qq -r requirements.txt
	@touch $@

# What only some of the tests need lies in environments of their own, on top of .venv, so that who builds the book installs none
# of it. They see what .venv has, and have no pip of their own, for .venv's serves.
define LAYER
	@$(BIN)/python -m venv --without-pip $(@D)
	@$(BIN)/python -c 'import sysconfig; print("import site; site.addsitedir(%r)" % sysconfig.get_path("purelib"))' \
	  >"$$($(@D)/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/book.pth"
endef

.venv-peers/.stamp: .venv/.stamp tests/exchange/requirements.txt
	@echo "Installing SAELens and sparsify into .venv-peers (a minute, once)"
	$(LAYER)
	@$(PEERS)/python -m pip install -qq --no-deps -r tests/exchange/requirements.txt
	@touch $@

# node comes by pip, so that no machine has to have it; TypeScript, which checks the types in the JavaScript's comments, by npm.
.venv-check/.stamp: .venv/.stamp tests/check/requirements.txt tests/check/package.json tests/check/package-lock.json
	@echo "Installing what checks the code into .venv-check (a minute, once)"
	$(LAYER)
	@$(CHECK)/python -m pip install -qq --no-deps -r tests/check/requirements.txt
	@cp tests/check/package.json tests/check/package-lock.json .venv-check
	@PATH="$(CURDIR)/$(CHECK):$$PATH" npm ci --prefix .venv-check --ignore-scripts --no-audit --no-fund --loglevel=error >/dev/null
	@touch $@
