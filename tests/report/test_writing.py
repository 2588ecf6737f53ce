"""A file is whole or not there, and a failure says which."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import pytest

from keenline.errors import Code, OutputError
from keenline.report.writing import as_utf8, write_whole


def test_writes_and_replaces(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    write_whole(b"one", path)
    write_whole(b"two", path)
    assert path.read_bytes() == b"two"
    assert list(tmp_path.iterdir()) == [path]


def test_others_may_read_the_file_as_usual(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    before = os.umask(0o022)
    try:
        write_whole(b"", path)
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o644


def test_a_missing_folder_is_an_output_error(tmp_path: Path) -> None:
    with pytest.raises(OutputError) as caught:
        write_whole(b"", tmp_path / "nowhere" / "report.html")
    assert caught.value.code == Code.OUTPUT_NOT_WRITABLE


def test_a_path_that_is_a_folder_leaves_no_partial_file(tmp_path: Path) -> None:
    target = tmp_path / "report.html"
    target.mkdir()
    with pytest.raises(OutputError):
        write_whole(b"data", target)
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_full_disk_is_told_apart(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No space") as full, Path("/dev/full").open("wb", 0) as file:
        file.write(b"data")
    assert full.value.errno == errno.ENOSPC
    problem = OutputError.of(full.value, tmp_path)
    assert problem.code == Code.OUTPUT_DISK_FULL


def test_undecodable_file_names_survive() -> None:
    name = os.fsdecode(b"caf\xe9.png")
    assert as_utf8(name) == b"caf\\udce9.png"
    assert as_utf8("prüf") == "prüf".encode()
