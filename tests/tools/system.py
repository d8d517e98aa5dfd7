"""Installs the system programs that some tests watch the server with, where apt works; says what is missing elsewhere."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

PACKAGES = {"strace": "strace", "cc": "gcc"}  # program → Debian's package


def main() -> int:
    """Exit code 1 with CI=true when something is missing; the tests that need it then fail too, rather than skip."""
    missing = [program for program in PACKAGES if shutil.which(program) is None]
    if missing and shutil.which("apt-get") and os.geteuid() == 0:
        quiet = {"env": {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}, "stdout": subprocess.DEVNULL}
        subprocess.run(["apt-get", "update", "-qq"], check=False, **quiet)
        packages = [PACKAGES[program] for program in missing]
        subprocess.run(["apt-get", "install", "-y", "-qq", *packages], check=False, **quiet)
        missing = [program for program in PACKAGES if shutil.which(program) is None]
    for program in missing:
        print(f"!!! {program} is not on this machine: tests that need it do NOT run.", file=sys.stderr)
    return 1 if missing and os.environ.get("CI") == "true" else 0


if __name__ == "__main__":
    sys.exit(main())
