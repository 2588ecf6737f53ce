"""The disk is full: verdicts and records go on in the reserve, images stop, an alarm says so."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.faults.line import STORE, FaultLine, fault_line
from tests.journal.test_reserve import fill
from tests.station.lines import until

from keenline.errors import Code
from keenline.types import Verdict

_DISK = "64m"


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={_DISK}", "tmpfs", str(place)]
    done = subprocess.run(mount, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"a small disk cannot be mounted here: {done.stderr.strip()}")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def kept_images(line: FaultLine) -> int:
    return line.plant.store.keeper.state.written


def test_the_only_disk_is_full_and_nothing_but_images_is_lost(disk: Path, bundle: Path) -> None:
    """Journal, database and images on one disk that something else fills."""
    with fault_line(disk, bundle) as line:
        line.until_passes(3)
        until(lambda: kept_images(line) > 0)
        assert line.metric("keenline_journal_on_reserve") == 0
        whole = line.metric("keenline_journal_reserve_bytes")

        filler = fill(disk)
        until(lambda: "journal-on-reserve" in line.kinds())
        until(lambda: line.metric("keenline_images_stopped") == 1)
        begin = len(line.results)
        line.until_passes(10)
        assert line.notices_nothing(begin)
        assert line.metric("keenline_journal_on_reserve") == 1
        assert line.metric("keenline_unrecorded") == 0
        assert whole - 1e6 < line.metric("keenline_journal_reserve_bytes") < whole
        until(lambda: line.plant.forwarders[0].state.trouble is not None)
        until(lambda: "image-lost" in line.kinds())

        filler.unlink()
        until(lambda: "journal-reserve-whole" in line.kinds())
        until(lambda: line.metric("keenline_images_stopped") == 0)
        images = kept_images(line)
        until(lambda: kept_images(line) > images)
        line.settle(60)
    assert line.notices_nothing()


def test_without_any_reserve_left_every_part_is_invalid_until_there_is_room(
    disk: Path, bundle: Path, tmp_path: Path
) -> None:
    """Only the journal is on the disk that is full; someone has taken its reserve too."""
    (tmp_path / "line-1-journal").symlink_to(disk, target_is_directory=True)
    with fault_line(tmp_path, bundle) as line:
        line.until_passes(3)
        os.truncate(disk / "reserve", 0)
        filler = fill(disk)
        until(lambda: line.trouble_of("journal"))
        until(lambda: line.plc.output("ready") is False)
        passed = line.passes()
        until(lambda: line.station.tally.counts().codes.get(Code.OUTPUT_DISK_FULL, 0) >= 4)
        assert line.passes() == passed
        assert line.metric("keenline_unrecorded") > 0
        assert line.metric('keenline_trouble{where="journal"}') == 1

        filler.unlink()
        line.until_works()
        line.until_passes(5)
        assert line.metric("keenline_unrecorded") == 0
        accounts = line.settle()
    assert accounts.verdicts[Verdict.INVALID] >= 4
    assert accounts.gates["pass"] == accounts.verdicts[Verdict.PASS]


def test_a_full_disk_for_images_stops_images_only(disk: Path, bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "images").symlink_to(disk, target_is_directory=True)
    store = STORE.replace("reserve_gb = 0.01", 'reserve_gb = 0.01\nfolder = "images"')
    with fault_line(tmp_path, bundle, more=store) as line:
        until(lambda: kept_images(line) > 0)
        filler = fill(disk)
        until(lambda: line.metric("keenline_images_stopped") == 1)
        line.until_passes(5)
        assert not line.plant.journal.is_on_reserve
        assert line.station.health.troubles == {}
        until(lambda: "image-lost" in line.kinds())
        filler.unlink()
        until(lambda: line.metric("keenline_images_stopped") == 0)
        line.settle()
    assert line.notices_nothing()
