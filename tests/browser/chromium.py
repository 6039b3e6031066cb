"""Finds a Chrome or Chromium for the browser tests, or gets one, and starts it.

`python tests/browser/chromium.py` prints the path of the one that is there; if there is none, it gets one and prints
that. It exits with a message that says what to install if it can't. `find()` only looks, and `launched()` starts what it found.
"""

import functools
import os
import shutil
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

NAMES = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"]
MACOS = [
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
]
PLAYWRIGHT = [sys.executable, "-m", "playwright"]
# The system's own package managers; each needs root.
MANAGERS = {
    "apt-get": [["apt-get", "update"], ["apt-get", "install", "-y", "--no-install-recommends", "chromium"]],
    "dnf": [["dnf", "install", "-y", "chromium"]],
    "apk": [["apk", "add", "chromium"]],
}
MINUTES = 5
HERE = ("127.0.0.1", "localhost")
ARGUMENTS = [
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # No other host can be reached, whatever asks: what a page gets, it got from the book.
    "--host-resolver-rules=MAP * ~NOTFOUND, " + ", ".join(f"EXCLUDE {host}" for host in HERE),
]
MISSING = """\
The browser tests need Chrome or Chromium, and none was found. Any of these helps:
  - install the package chromium (or Google Chrome) with your system's package manager;
  - .venv/bin/python -m playwright install --with-deps chromium
  - set CHROMIUM=/path/to/chrome if it is in an unusual place."""


def starts(path: str) -> bool:
    """Whether it runs at all: some systems ship a stub, and a download can lack the libraries it needs."""
    try:
        return subprocess.run([path, "--version"], capture_output=True, timeout=60).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def candidates():
    yield from map(shutil.which, NAMES)
    yield from MACOS
    # Asked last: it starts Playwright's driver, which takes a second.
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        yield playwright.chromium.executable_path


@functools.cache
def find() -> str:
    """The path of a Chrome or Chromium that starts, else FileNotFoundError saying what to install."""
    if chosen := os.environ.get("CHROMIUM"):
        # What was asked for or nothing: another browser in its place would hide the mistake.
        if starts(chosen):
            return chosen
        raise FileNotFoundError(f"CHROMIUM={chosen} does not start: it has to be the path of a Chrome or Chromium.")
    for path in candidates():
        if path and Path(path).exists() and starts(path):
            return path
    raise FileNotFoundError(MISSING)


@contextmanager
def launched():
    """The browser, running."""
    path = find()  # which may start Playwright for itself: it can't be started twice at a time
    from playwright.sync_api import sync_playwright

    # Chromium refuses to start its sandbox as root.
    arguments = ARGUMENTS + (["--no-sandbox"] if os.geteuid() == 0 else [])
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=arguments)
        yield browser
        browser.close()


def run(command: list[str]) -> bool:
    """Runs the command, its output on stderr (stdout is for the path), for a few minutes at most."""
    print("+", *command, file=sys.stderr, flush=True)
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    try:
        return subprocess.run(command, stdout=sys.stderr, timeout=60 * MINUTES, env=environment).returncode == 0
    except subprocess.TimeoutExpired:
        print(f"gave up after {MINUTES} minutes", file=sys.stderr)
        return False


def get() -> str:
    """The path of a Chrome or Chromium, installing one if there is none."""
    try:
        return find()
    except FileNotFoundError:
        if os.environ.get("CHROMIUM"):
            raise
    root = os.geteuid() == 0
    # The download first and the libraries it needs second: without access to it, it fails within seconds.
    if run([*PLAYWRIGHT, "install", "--no-shell", "chromium"]):
        if root:
            run([*PLAYWRIGHT, "install-deps", "chromium"])
    elif root:
        for manager, commands in MANAGERS.items():
            if shutil.which(manager):
                all(map(run, commands))
                break
    return find()


if __name__ == "__main__":
    try:
        print(get())
    except FileNotFoundError as error:
        sys.exit(str(error))
