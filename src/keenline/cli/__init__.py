"""The command line: assembles every room of the house into `keenline` and its commands."""

from __future__ import annotations

import sys


def main() -> None:
    """Run `keenline` with the arguments of this process; never returns."""
    try:
        from keenline.cli.app import run

        run()
    except KeyboardInterrupt:  # before any command had begun
        sys.exit(130)
