"""A process of its own that carries a journal to a broker by Sparkplug B, for tests that kill it.

Arguments: folder of the journal, port of the broker.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from keenline.journal.forwarding import Forwarder
from keenline.journal.log import Journal
from keenline.publish.sparkplug import SparkplugSettings


def main() -> None:
    folder, port = sys.argv[1:]
    journal = Journal(Path(folder))
    settings = SparkplugSettings(port=int(port), timeout_s=2)
    forwarder = Forwarder(journal, settings.build("press-4", Path(folder)), batch=5)
    forwarder.start()
    while not forwarder.drain(1):
        time.sleep(0.01)
    print("done", flush=True)
    time.sleep(60)


main()
