"""A process of its own that appends results to a journal and says how far it is; tests kill it.

Arguments: folder of the journal, number of the first result.
"""

from __future__ import annotations

import sys
from itertools import count
from pathlib import Path

from tests.store.records import result

from keenline.journal.log import Journal


def main() -> None:
    folder, first = sys.argv[1:]
    journal = Journal(Path(folder), segment_bytes=50_000, reserve_bytes=0)
    for number in count(int(first)):
        journal.append(result(number))
        sys.stdout.write(f"{number}\n")
        sys.stdout.flush()
        if number % 50 == 0:
            journal.flush()


main()
