"""Makes sure that there is a Chromium for the end-to-end tests: the system's, or Debian's, or Playwright's own.

Prints where it is. Exit code 1 with CI=true when none can be had; otherwise a loud warning, and the end-to-end tests fail.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def find() -> str | None:
    """Path of a Chromium: $CHROMIUM, one on the PATH, or Playwright's own."""
    if os.environ.get("CHROMIUM"):
        return os.environ["CHROMIUM"]
    for name in NAMES:
        path = shutil.which(name)
        if path:
            return path
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        path = playwright.chromium.executable_path
    return path if os.path.exists(path) else None  # noqa: PTH110 - a string from Playwright


def install() -> None:
    """Debian's package where apt works for us, Playwright's download elsewhere."""
    if shutil.which("apt-get") and os.geteuid() == 0:
        quiet = {"env": {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}, "stdout": subprocess.DEVNULL}
        subprocess.run(["apt-get", "update", "-qq"], check=False, **quiet)
        packages = ["chromium", "fonts-noto-cjk"]
        if subprocess.run(["apt-get", "install", "-y", "-qq", *packages], check=False, **quiet).returncode == 0:
            return
    subprocess.run([sys.executable, "-m", "playwright", "install", "chromium"], check=False)


def main() -> int:
    """Find, install if need be, find again."""
    path = find()
    if path is None:
        print("No Chromium on this machine: installing one …", flush=True)
        install()
        path = find()
    if path is None:
        print("!!! No Chromium could be found or installed: the end-to-end tests cannot run.", file=sys.stderr)
        return 1 if os.environ.get("CI") == "true" else 0
    print(f"Chromium: {path}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
