"""A version says what it said when it was written, or it says nothing."""

from __future__ import annotations

import hashlib
import json
import tempfile
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.data.formats.marked_shapes import SHAPES

from keenline.annotation import Annotation, Shape
from keenline.data.dataset_version import SPLITS, DatasetVersion, Gone, Provenance, VersionSample
from keenline.data.keenset import read_version, write_version
from keenline.data.mark_json import as_value, from_value
from keenline.errors import Code, DatasetError, OutputError

MOMENT = datetime(2026, 11, 21, 8, 30, 15, tzinfo=UTC)
SAMPLE = VersionSample("good/a.png", "ab" * 32, "good", "train", "good/a.png")


def version(*samples: VersionSample) -> DatasetVersion:
    return DatasetVersion(".", samples or (SAMPLE,), MOMENT, "Ana")


def full() -> DatasetVersion:
    """Every field holds something."""
    marks = tuple(
        Annotation("dent", shape, "Ben", MOMENT, kind, (("depth", "0.2"), ("side", "é")))
        for kind, shape in SHAPES.items()
    )
    sample = VersionSample(
        path="dent/ü \udcff.png",
        sha256="cd" * 32,
        label="dent",
        split="acceptance",
        group="P7",
        provenance=Provenance("P7", "L1", "line 2", "night", "ring", "Ben"),
        mask="masks/ü.png",
        mask_sha256="ef" * 32,
        marks=marks,
    )
    return DatasetVersion(
        folder="../photos",
        samples=(sample, SAMPLE),
        created=MOMENT.astimezone(timezone(timedelta(hours=2))),
        by="Ana \u2028 Reis",
        layout="class folders",
        parent="12" * 32,
        shares={"seeded": 0.3, "validation": 0.15, "acceptance": 0.1},
        seed=7,
        across_lots=True,
        gone=(Gone("old.png", "99" * 32, "seeded", "P1", "L0"),),
        notes=("one", "two"),
    )


@pytest.mark.parametrize("made", [version(), full()], ids=["least", "full"])
def test_what_is_read_is_what_was_written(made: DatasetVersion, tmp_path: Path) -> None:
    written = write_version(made, tmp_path / "v.keenset")
    assert read_version(tmp_path / "v.keenset") in (written, written_with_shares(written))
    assert len(written.id) == 64


def written_with_shares(made: DatasetVersion) -> DatasetVersion:
    """A version read from a file has shares, if only none."""
    return replace(made, shares=dict(made.shares or {}))


def test_the_same_content_has_the_same_id_and_any_other_another(tmp_path: Path) -> None:
    first = write_version(full(), tmp_path / "1.keenset")
    again = write_version(full(), tmp_path / "2.keenset")
    other = write_version(replace(full(), by="Ben"), tmp_path / "3.keenset")
    assert first.id == again.id
    assert (tmp_path / "1.keenset").read_bytes() == (tmp_path / "2.keenset").read_bytes()
    assert other.id != first.id


def test_the_id_is_the_hash_of_the_text_without_it(tmp_path: Path) -> None:
    made = write_version(full(), tmp_path / "v.keenset")
    text = (tmp_path / "v.keenset").read_text()
    member = f'"id":"{made.id}",\n'
    assert text.count(member) == 1
    assert hashlib.sha256(text.replace(member, "").encode()).hexdigest() == made.id
    assert json.loads(text)["id"] == made.id


def test_a_version_is_never_overwritten(tmp_path: Path) -> None:
    file = tmp_path / "v.keenset"
    write_version(version(), file)
    before = file.read_bytes()
    with pytest.raises(DatasetError) as caught:
        write_version(full(), file)
    assert caught.value.code is Code.DATASET_VERSION_EXISTS
    assert file.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["v.keenset"]
    assert not file.stat().st_mode & 0o222


@given(st.data())
def test_any_changed_byte_is_seen(data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "v.keenset")
        write_version(full(), file)
        text = bytearray(file.read_bytes())
        place = data.draw(st.integers(0, len(text) - 1))
        text[place] ^= data.draw(st.integers(1, 255))
        file.chmod(0o644)
        file.write_bytes(text)
        with pytest.raises(DatasetError) as caught:
            read_version(file)
        assert caught.value.code in (Code.DATASET_VERSION_CHANGED, Code.DATASET_VERSION_FILE)


@pytest.mark.parametrize("kept", [0, 10, 90, -1, -200])
def test_a_version_cut_short_is_refused(kept: int, tmp_path: Path) -> None:
    file = tmp_path / "v.keenset"
    write_version(full(), file)
    text = file.read_bytes()[:kept]
    file.chmod(0o644)
    file.write_bytes(text)
    with pytest.raises(DatasetError, match=r"changed after|no dataset version"):
        read_version(file)


def forged(tmp_path: Path, **changes: object) -> Path:
    """A version with a right hash over another content."""
    write_version(version(), tmp_path / "v.keenset")
    value = json.loads((tmp_path / "v.keenset").read_text())
    del value["id"]
    body = json.dumps(value | changes)
    identity = hashlib.sha256(body.encode()).hexdigest()
    file = tmp_path / "forged.keenset"
    file.write_text(f'{{"id":"{identity}",\n{body[1:]}')
    return file


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"keenset": 2}, "newer Keenline"),
        ({"samples": [{"path": "a"}]}, "split"),
        ({"samples": [{"split": "test"}]}, "'test'"),
        ({"samples": 3}, "TypeError"),
        ({"created": "yesterday"}, "yesterday"),
        ({"gone": [{"size": 3}]}, "size"),
    ],
)
def test_a_content_that_is_none_of_a_version_is_named(
    changes: dict[str, object], words: str, tmp_path: Path
) -> None:
    with pytest.raises(DatasetError, match=words) as caught:
        read_version(forged(tmp_path, **changes))
    assert caught.value.code is Code.DATASET_VERSION_FILE


def test_another_file_a_missing_one_and_another_name(tmp_path: Path) -> None:
    (tmp_path / "x.keenset").write_text('{"images": []}')
    with pytest.raises(DatasetError) as other:
        read_version(tmp_path / "x.keenset")
    with pytest.raises(DatasetError) as missing:
        read_version(tmp_path / "none.keenset")
    with pytest.raises(DatasetError) as named:
        write_version(version(), tmp_path / "v.json")
    with pytest.raises(OutputError):
        write_version(version(), tmp_path / "no folder" / "v.keenset")
    assert other.value.code is Code.DATASET_VERSION_FILE
    assert missing.value.code is Code.DATASET_MISSING
    assert named.value.code is Code.DATASET_VERSION_FILE
    assert "v.keenset" in str(named.value)


@pytest.mark.parametrize("kind", SHAPES)
def test_a_mark_of_each_shape_comes_back(kind: str) -> None:
    mark = Annotation("dent", SHAPES[kind], "Ben", MOMENT, "7", (("a", "b"),))
    assert from_value(json.loads(json.dumps(as_value(mark)))) == mark
    bare = Annotation("dent", SHAPES[kind])
    assert from_value(json.loads(json.dumps(as_value(bare)))) == bare


def test_no_kind_of_shape_is_forgotten() -> None:
    assert {type(shape) for shape in SHAPES.values()} - {type(None)} == set(get_args(Shape))
    assert SPLITS == ("train", "validation", "seeded", "acceptance")
