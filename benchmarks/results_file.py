"""A table turned into its section of RESULTS.md, with what it was measured on and by what."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from keenline.cli.machine import this_machine

RESULTS = Path(__file__).with_name("RESULTS.md")
BUSY = 0.5
"""Load above which something else must have been running."""

PACKAGES = ("numpy", "onnx", "onnxruntime", "openvino", "scikit-learn")


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A Markdown table; the first column is text, the others are numbers."""
    lines = ["| " + " | ".join(header) + " |", "|---" + "|---:" * (len(header) - 1) + "|"]
    lines += ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows]
    return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class Start:
    """What was so when a program started, before its own work counts."""

    load: float
    """Processes running or waiting, averaged over the last minute; 0 where nobody counts."""
    commit: str

    @classmethod
    def now(cls) -> Start:
        return cls(os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0, commit())


def circumstances(start: Start, *, others: str = "") -> str:
    """One paragraph: command, date, machine, versions and how busy the machine was."""
    machine = this_machine(Path(__file__).parent)
    command = " ".join(["python", f"benchmarks/{Path(sys.argv[0]).name}", *sys.argv[1:]])
    told = ", ".join(machine.instructions or ())
    versions = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    ended = commit()
    code = start.commit if ended == start.commit else f"{start.commit} (at the end {ended})"
    busy = "; other work ran beside it, so times are too long" if start.load > BUSY else ""
    return (
        f"Made by `{command}` on {datetime.now(UTC):%Y-%m-%d %H:%M} UTC at {code}, on "
        f"{machine.processor} ({machine.cores} cores; {told}), {machine.system}, "
        f"Python {machine.python}, {versions}{others}. Load of the machine before: "
        f"{start.load:.2f}{busy}."
    )


def write_section(name: str, text: str, path: Path = RESULTS) -> None:
    """Put `text` between the marker comments of section `name`, at the end when it is new."""
    start, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    text = text.replace(str(path.resolve().parents[2]), "..")  # no path of one machine
    section = f"{start}\n{text.strip()}\n{end}"
    content = path.read_text("utf-8") if path.is_file() else "# Results\n"
    if start in content and end in content:
        before, _, rest = content.partition(start)
        content = before + section + rest.partition(end)[2]
    else:
        content = f"{content.rstrip()}\n\n{section}\n"
    path.write_text(content, "utf-8")


def commit() -> str:
    asked = subprocess.run(
        ["git", "-C", str(RESULTS.parent), "describe", "--always", "--dirty"],
        capture_output=True,
        text=True,
        check=False,
    )
    return asked.stdout.strip() or "an unknown commit"
