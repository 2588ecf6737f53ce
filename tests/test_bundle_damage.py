"""A bundle that was cut, changed or made by others is refused with a reason, or says the same."""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.manifests import MEMBERS, manifest

from keenline.bundle import (
    GRAPH,
    MANIFEST,
    SCHEMA,
    Bundle,
    read_bundle,
    write_bundle,
)
from keenline.errors import BundleError, Code


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "part é 1.keen"


@pytest.fixture
def written(path: Path) -> Bundle:
    return write_bundle(path, manifest(), MEMBERS)


def _code(path: Path) -> Code:
    with pytest.raises(BundleError) as caught:
        read_bundle(path)
    assert caught.value.where is not None
    assert path.name in caught.value.where
    return caught.value.code


def _contents(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def _rewritten(path: Path, contents: Mapping[str, bytes]) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in contents.items():
            archive.writestr(name, data)


def _signed(content: dict[str, Any]) -> bytes:
    """A manifest whose own sum is right, as someone who reads the source could make it."""
    rest = {key: value for key, value in content.items() if key != "sha256"}
    sha256 = hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()
    return json.dumps(rest | {"sha256": sha256}).encode()


def test_missing(path: Path) -> None:
    assert _code(path) is Code.BUNDLE_MISSING


def test_a_folder(path: Path) -> None:
    path.mkdir()
    assert _code(path) is Code.BUNDLE_NOT_A_BUNDLE


@pytest.mark.parametrize("content", [b"", b"P", b"\x89PNG\r\n\x1a\n" * 40, b"text\n" * 900])
def test_not_a_bundle(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    assert _code(path) is Code.BUNDLE_NOT_A_BUNDLE


def test_another_zip_file(path: Path) -> None:
    _rewritten(path, {"word/document.xml": b"<xml/>"})
    assert _code(path) in (Code.BUNDLE_NOT_A_BUNDLE, Code.BUNDLE_TRUNCATED)


@pytest.mark.parametrize("share", [0.01, 0.3, 0.6, 0.9, 0.999])
def test_truncated(path: Path, written: Bundle, share: float) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    assert _code(path) is Code.BUNDLE_TRUNCATED


@pytest.mark.parametrize("name", MEMBERS)
def test_a_changed_member(path: Path, written: Bundle, name: str) -> None:
    contents = _contents(path)
    _rewritten(path, contents | {name: contents[name][:-1] + b"?"})
    assert _code(path) is Code.BUNDLE_TAMPERED


def test_a_missing_member(path: Path, written: Bundle) -> None:
    contents = _contents(path)
    del contents["memory.npz"]
    _rewritten(path, contents)
    assert _code(path) is Code.BUNDLE_TRUNCATED


def test_an_extra_member(path: Path, written: Bundle) -> None:
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("more.bin", b"hello")
    assert _code(path) is Code.BUNDLE_TAMPERED


def test_a_second_member_of_the_same_name(path: Path, written: Bundle) -> None:
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr(GRAPH, MEMBERS[GRAPH])
    assert _code(path) is Code.BUNDLE_TAMPERED


@pytest.mark.parametrize(
    "change",
    [
        {"threshold": {"value": 99.0}},
        {"engine": {"precision": "int8"}},
        {"recipe": {"gates": {"anomaly_may_reject": True}}},
        {"training": {"held_out_parts": 590}},
    ],
)
def test_a_changed_manifest(path: Path, written: Bundle, change: dict[str, Any]) -> None:
    contents = _contents(path)
    content = json.loads(contents[MANIFEST])
    for table, values in change.items():
        content[table] |= values
    _rewritten(path, contents | {MANIFEST: json.dumps(content).encode()})
    assert _code(path) is Code.BUNDLE_TAMPERED


def test_a_newer_schema_says_which_even_where_the_rest_is_unknown(
    path: Path, written: Bundle
) -> None:
    content = {"schema_version": SCHEMA + 1, "keenline": "9.1.0", "what": ["ever"]}
    _rewritten(path, {MANIFEST: json.dumps(content).encode(), GRAPH: b""})
    with pytest.raises(BundleError) as caught:
        read_bundle(path)
    assert caught.value.code is Code.BUNDLE_NEWER_SCHEMA
    assert "9.1.0" in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{",
        b"[1]",
        b"null",
        b"\xff\xfe",
        b"[" * 100_000,
        b"{}",
        b'{"schema_version": "1"}',
        b'{"schema_version": true}',
        b'{"schema_version": 1}',
        b'{"schema_version": 1, "members": []}',
        b'{"schema_version": 0, "members": {}}',
    ],
)
def test_a_manifest_that_is_none(path: Path, text: bytes) -> None:
    _rewritten(path, {MANIFEST: text, GRAPH: b""})
    assert _code(path) in (Code.BUNDLE_MANIFEST, Code.BUNDLE_TAMPERED)


@pytest.mark.parametrize(
    "change",
    [
        {"surprise": 1},
        {"threshold": None},
        {"held_out_scores": [float("nan")]},
        {"members": {GRAPH: 7}},
        {"members": {}},
        {"schema_version": -1},
        {"recipe": {"unknown": 1}},
    ],
)
def test_a_signed_manifest_with_a_wrong_value(
    path: Path, written: Bundle, change: dict[str, Any]
) -> None:
    contents = _contents(path)
    content = json.loads(contents[MANIFEST]) | change
    _rewritten(path, {MANIFEST: _signed(content), GRAPH: contents[GRAPH]})
    assert _code(path) in (Code.BUNDLE_MANIFEST, Code.BUNDLE_TAMPERED, Code.BUNDLE_TRUNCATED)


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_any_byte_changed_is_an_error_or_changes_nothing(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    path = tmp_path_factory.getbasetemp() / "flipped.keen"
    before = write_bundle(path, manifest(), MEMBERS)
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content)
    try:
        after = read_bundle(path)
    except BundleError:
        return
    # Time stamps and the like are not part of what the bundle says.
    assert after.manifest == before.manifest
    assert dict(after.members) == dict(before.members)


@settings(max_examples=60, deadline=None)
@given(share=st.floats(0, 1, exclude_max=True))
def test_any_cut_is_an_error(tmp_path_factory: pytest.TempPathFactory, share: float) -> None:
    path = tmp_path_factory.getbasetemp() / "cut.keen"
    write_bundle(path, manifest(), MEMBERS)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(BundleError):
        read_bundle(path)


@pytest.mark.parametrize(
    ("offset", "value"),
    [(8, 1), (10, 99), (10, 12), (10, 14), (42, 255), (45, 255)],
    ids=["encrypted", "unknown", "bzip2", "lzma", "near", "far"],
)
def test_a_directory_entry_that_lies(path: Path, written: Bundle, offset: int, value: int) -> None:
    content = bytearray(path.read_bytes())
    content[content.rindex(b"PK\x01\x02") + offset] = value
    path.write_bytes(content)
    assert _code(path) is Code.BUNDLE_TRUNCATED


def test_a_manifest_without_a_graph(path: Path, written: Bundle) -> None:
    content = json.loads(_contents(path)[MANIFEST]) | {"members": {}}
    _rewritten(path, {MANIFEST: _signed(content)})
    assert _code(path) is Code.BUNDLE_MANIFEST


def test_a_member_that_claims_gigabytes_is_not_unpacked(path: Path, written: Bundle) -> None:
    content = path.read_bytes()
    place = content.rindex(b"PK\x01\x02")  # the last entry of the directory: memory.npz
    huge = (3 << 30).to_bytes(4, "little")
    path.write_bytes(content[: place + 24] + huge + content[place + 28 :])
    assert _code(path) is Code.BUNDLE_TRUNCATED
