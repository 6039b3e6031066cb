# make serve   the book on http://127.0.0.1:8000 (another port: make serve PORT=8080)
# make book    only build it, into _build/html
# make test    everything that is tested (make -k test: go on after a stage that fails)
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
NOTEBOOKS := $(wildcard book/*.ipynb)
# What differs from machine to machine and says nothing to a reader. Cells keep their ids, so that diffs stay small.
STRIP := $(BIN)/nbstripout --keep-id --extra-keys "metadata.language_info metadata.vscode cell.metadata.execution"

# What requirements.txt comes to: soupsieve asks for the one, networkx excludes the other.
NEEDED := Python 3.11.5 or newer is needed, and not 3.14.1 (make PYTHON3=/path/to/python3 chooses one).

.PHONY: serve port book test test-unit test-exchange test-notebooks test-browser chromium lab strip picture replicate clean

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
test: chromium test-unit test-exchange test-notebooks test-browser
	@echo "All tests passed."

chromium: .venv/.stamp
	@$(BIN)/python tests/browser/chromium.py

test-unit: .venv/.stamp
	@$(BIN)/python -m pytest -q tests/unit

# Files from saelib to SAELens and sparsify, and back.
test-exchange: .venv-peers/.stamp
	@$(PEERS)/python -m pytest -q tests/exchange

# With outputs stripped, nbval runs every cell and fails on errors, here also where a claim came out otherwise. The processor
# is made to compute as older ones do, and not as in the build: what holds on one kind of machine alone is noticed.
test-notebooks: book
	@$(STRIP) --verify $(NOTEBOOKS) || { echo "These notebooks carry outputs: make strip"; exit 1; }
	@SAELIB_CLAIMS=strict MKL_ENABLE_INSTRUCTIONS=SSE4_2 ATEN_CPU_CAPABILITY=default OMP_WAIT_POLICY=PASSIVE \
	  $(BIN)/python -m pytest -q --nbval-lax --nbval-current-env --nbval-cell-timeout=600 book
	@$(BIN)/python -m pytest -q tests/notebooks tests/replication

test-browser: chromium book
	@$(BIN)/python -m pytest -q tests/browser

replicate: .venv/.stamp
	@$(BIN)/python tests/replication/replicate.py

lab: .venv/.stamp
	@$(BIN)/jupyter lab book

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

# SAELens needs packages that the book does not, and torch and pytest, which the book has: so its environment lies on top of
# .venv and sees what that has. Without a pip of its own, for .venv's serves.
.venv-peers/.stamp: .venv/.stamp tests/exchange/requirements.txt
	@echo "Installing SAELens and sparsify into .venv-peers (a minute, once)"
	@$(BIN)/python -m venv --without-pip .venv-peers
	@$(BIN)/python -c 'import sysconfig; print("import site; site.addsitedir(%r)" % sysconfig.get_path("purelib"))' \
	  >"$$($(PEERS)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/book.pth"
	@$(PEERS)/python -m pip install -qq --no-deps -r tests/exchange/requirements.txt
	@touch $@
