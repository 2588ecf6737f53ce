"""A process of its own that carries a journal to a store, for tests that kill it.

Arguments: folder of the journal, URL of the database, a file with its password, batch size.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from keenline.credentials import Credential
from keenline.journal.forwarding import Forwarder
from keenline.journal.log import Journal
from keenline.store.database import Database
from keenline.store.results import ResultSink


def main() -> None:
    folder, url, secret, batch = sys.argv[1:]
    journal = Journal(Path(folder))
    database = Database(url, password=Credential(file=secret), timeout_s=2)
    forwarder = Forwarder(journal, ResultSink(database), batch=int(batch))
    forwarder.start()
    while not forwarder.drain(1):
        time.sleep(0.01)
    forwarder.stop()
    journal.close()
    print("done")


main()
