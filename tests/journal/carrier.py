"""A process of its own that carries a journal to a file, slowly; tests kill it.

Arguments: folder of the journal, file to which each delivered number is appended.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path

from keenline.journal.entries import Entry
from keenline.journal.forwarding import Forwarder
from keenline.journal.log import Journal
from keenline.types import Result


class FileSink:
    """A line for each batch."""

    name = "file"

    def __init__(self, file: Path) -> None:
        self._file = file

    def deliver(self, entries: Sequence[Entry]) -> None:
        numbers = [str(one.trigger.number) for one in entries if isinstance(one, Result)]
        with self._file.open("a", encoding="ascii") as file:
            file.write(" ".join(numbers) + "\n")
        time.sleep(0.002)

    def close(self) -> None:
        """Nothing is held open."""


def main() -> None:
    folder, file = sys.argv[1:]
    journal = Journal(Path(folder), reserve_bytes=0)
    forwarder = Forwarder(journal, FileSink(Path(file)), batch=5)
    forwarder.start()
    print("started", flush=True)
    while not forwarder.drain(1):
        pass
    forwarder.stop()
    journal.close()


main()
