"""`keenline station` as a process of its own, between a PLC peer and its images in a folder."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

from PIL import Image as PillowImage
from tests.faults.line import HEAD, STORE, assert_recorded_once, of_journal
from tests.faults.plc_program import TOML, PlcProgram
from tests.small_parts import dented, good_part
from tests.station.lines import until

from keenline.devices.plc_simulated import GatePart
from keenline.journal.entries import Entry
from keenline.store.audit import verify
from keenline.store.database import Database
from keenline.store.queries import Query, find
from keenline.types import Result, Verdict

ROOT = Path(__file__).parents[2]
_MAIN = "from keenline.cli import main; main()"


class StationProcess:
    """One station in `folder`; started, killed and stopped again and again."""

    def __init__(self, folder: Path, bundle: Path, plc_port: int) -> None:
        self.folder = folder
        self.events: list[dict[str, str]] = []
        """Its log, line by line."""
        self.bundle = folder / "part.keen"
        self.bundle.write_bytes(bundle.read_bytes())
        images = folder / "pictures"
        images.mkdir()
        for number in range(1, 7):
            part = dented(number) if number % 3 == 0 else good_part(number)
            PillowImage.fromarray(part).save(images / f"{number}.png")
        self.file = folder / "station.toml"
        head = HEAD.format(station="line-1", bundle=self.bundle, source="plc")
        shown = f'folder = "{images}"\nlatency_ms = 2.0\n'
        self.file.write_text(head + shown + TOML.format(port=plc_port) + STORE)
        self._process: subprocess.Popen[bytes] | None = None
        self._reader: threading.Thread | None = None

    def start(self, first: str = "", **environment: str) -> None:
        """Start it, after it has run the Python statement `first`; returns when it inspects."""
        seen = len(self.events)
        self._process = subprocess.Popen(
            [sys.executable, "-c", f"{first}\n{_MAIN}", "station", str(self.file), "--log-passes"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env=os.environ
            | {"PYTHONPATH": str(ROOT / "src"), "OMP_NUM_THREADS": "1"}
            | environment,
        )
        self._reader = threading.Thread(target=self._read)
        self._reader.start()
        until(lambda: any(is_working(one) for one in self.events[seen:]), 60)

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def children(self) -> list[int]:
        """Processes that it started: its engine."""
        text = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text()
        tasks = Path(f"/proc/{self.pid}/task")
        found = set(text.split())
        for task in tasks.iterdir():
            found |= set((task / "children").read_text().split())
        return [int(pid) for pid in found]

    def kill(self) -> None:
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        """SIGTERM; its exit status."""
        return self._end(signal.SIGTERM)

    def reload(self) -> None:
        os.kill(self.pid, signal.SIGHUP)

    def kinds(self) -> list[str]:
        return [one["event"] for one in list(self.events)]

    def verdicts(self) -> Counter[str]:
        return Counter(one["verdict"] for one in list(self.events) if one["event"] == "part")

    def until_passes(self, more: int, seconds: float = 20.0) -> None:
        wanted = self.verdicts()["PASS"] + more
        until(lambda: self.verdicts()["PASS"] >= wanted, seconds)

    def _end(self, number: signal.Signals) -> int:
        assert self._process is not None
        assert self._reader is not None
        if self._process.poll() is None:
            self._process.send_signal(number)
        status = self._process.wait(30)
        self._reader.join()
        assert self._process.stderr is not None
        self._process.stderr.close()
        return status

    def _read(self) -> None:
        assert self._process is not None
        assert self._process.stderr is not None
        for line in self._process.stderr:
            try:
                found = json.loads(line)
            except ValueError:
                found = {"event": "said", "what": line.decode()}
            self.events.append(found)

    # The accounts

    def settle(self, program: PlcProgram) -> tuple[list[Entry], list[GatePart]]:
        """After the last stop: nothing lost, nothing passed wrongly, all stored once. Answers with
        what the journal holds and what left by the gate."""
        found = of_journal(self.folder / "line-1-journal")
        results = [entry for entry in found if isinstance(entry, Result)]
        assert_recorded_once(found, [])
        told = {(one.trigger.part_id, one.actuates) for one in results}
        gated = program.taken()
        assert [part for part in gated if part.contradiction] == []
        for part in gated:
            if part.gate == "pass":
                assert (part.part_id, "pass") in told
        passes = Counter(
            one.trigger.part_id for one in results if one.decision.verdict is Verdict.PASS
        )
        assert set(passes.values()) <= {1}
        database = Database(f"sqlite:///{self.folder / 'keenline.sqlite'}", must_exist=True)
        stored = Counter(one.result_id for one in find(database, Query()))
        assert verify(database).is_whole
        database.close()
        assert stored == Counter(one.result_id for one in results)
        return found, gated


def is_working(said: dict[str, str]) -> bool:
    return said["event"] == "state" and said["after"] == "ContinuousExecution"


def is_alive(pid: int) -> bool:
    """There is such a process, and it has not ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


class Belt:
    """Brings parts to a PLC program at a steady rate, whatever the station does."""

    def __init__(self, program: PlcProgram, every_s: float = 0.1) -> None:
        self._program, self._every_s = program, every_s
        self.presented: list[str] = []
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="belt")
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join()
        end = time.monotonic() + 5
        while self._program.waiting and time.monotonic() < end:
            time.sleep(0.01)

    def _run(self) -> None:
        while not self._stopping.wait(self._every_s):
            name = f"P{len(self.presented) + 1:06d}"
            self.presented.append(name)
            self._program.present(name)
