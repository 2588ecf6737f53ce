"""The command line: assembles every room of the house into `keenline` and its commands."""

from __future__ import annotations


def main() -> None:
    """Run `keenline` with the arguments of this process; never returns."""
    from keenline.cli.app import run

    run()
