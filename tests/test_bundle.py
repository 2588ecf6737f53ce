"""A bundle keeps what it was given, and is written whole or not at all."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
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
    check_writable,
    read_bundle,
    write_bundle,
)
from keenline.errors import Code, OutputError
from keenline.recipe import Recipe

SOURCE = Path(__file__).parents[1] / "src"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "part é 1.keen"


@pytest.fixture
def written(path: Path) -> Bundle:
    return write_bundle(path, manifest(), MEMBERS)


# Round trip


names = st.text("abcé/._- ", min_size=1, max_size=12).filter(
    lambda name: name not in (MANIFEST, GRAPH)
)
numbers = st.floats(0, 1e6, allow_nan=False)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | numbers | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=6,
)


@settings(max_examples=60, deadline=None)
@given(
    members=st.dictionaries(names, st.binary(max_size=300), max_size=4),
    held_out_scores=st.lists(numbers, max_size=6),
    facts=st.dictionaries(st.text(max_size=8), json_values, max_size=3),
    updates=st.lists(st.text(max_size=12), max_size=3),
    part=st.text(max_size=12),
    value=numbers,
    scale=st.floats(1e-6, 1e3),
)
def test_what_is_written_is_what_is_read(
    tmp_path_factory: pytest.TempPathFactory,
    members: dict[str, bytes],
    held_out_scores: list[float],
    facts: dict[str, object],
    updates: list[str],
    part: str,
    value: float,
    scale: float,
) -> None:
    path = tmp_path_factory.getbasetemp() / "round-trip.keen"
    base = manifest()
    given_manifest = base.model_copy(
        update={
            "recipe": Recipe(part=part),
            "held_out_scores": tuple(held_out_scores),
            "facts": facts,
            "updates": tuple(updates),
            "threshold": base.threshold.model_copy(update={"value": value}),
            "framing": base.framing.model_copy(update={"scale": scale}),
        }
    )
    members = {GRAPH: b"graph"} | members
    written = write_bundle(path, given_manifest, members)
    read = read_bundle(path)
    assert read.manifest == given_manifest
    assert dict(read.members) == members
    assert read.sha256 == written.sha256
    assert read.graph == b"graph"


def test_a_recipe_keeps_every_value_and_its_hash(path: Path) -> None:
    recipe = Recipe.model_validate(
        {
            "part": "größe",
            "image": {"size": "native", "pixel_size_mm": 0.05, "bit_depth": 12},
            "inspect": {"roi": [[1, 2, 30, 40]], "ignore": [[5, 5, 2, 2]], "fixtured": True},
            "augment": {"rotations": [90, 180], "brightness": 0.1},
            "classes": [{"name": "scratch", "authority": "reject", "threshold": 0.25}],
        }
    )
    write_bundle(path, manifest(recipe=recipe, recipe_sha256=recipe.sha256), MEMBERS)
    read = read_bundle(path).manifest
    assert read.recipe == recipe
    assert read.recipe.sha256 == read.recipe_sha256 == recipe.sha256


def test_the_same_content_gives_the_same_file_and_any_change_another_name(tmp_path: Path) -> None:
    one, two, other = (tmp_path / name for name in ("1.keen", "2.keen", "3.keen"))
    first, second = (write_bundle(path, manifest(), MEMBERS) for path in (one, two))
    assert one.read_bytes() == two.read_bytes()
    assert first.sha256 == second.sha256
    changed = write_bundle(other, manifest(), MEMBERS | {GRAPH: b"another"})
    assert changed.sha256 != first.sha256


def test_any_zip_tool_shows_the_manifest_first(path: Path, written: Bundle) -> None:
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == [MANIFEST, *MEMBERS]
        content = json.loads(archive.read(MANIFEST))
    assert content["schema_version"] == SCHEMA
    assert content["members"][GRAPH] == hashlib.sha256(MEMBERS[GRAPH]).hexdigest()
    assert content["threshold"]["value"] == 1.25


def test_a_bundle_can_be_read_by_others_on_the_machine(path: Path, written: Bundle) -> None:
    assert path.stat().st_mode & 0o777 == 0o644


# What writing leaves behind


@pytest.mark.parametrize("place", ["nowhere/part.keen", "a-file/part.keen", "a-folder"])
def test_a_place_that_cannot_be_written(tmp_path: Path, place: str) -> None:
    (tmp_path / "a-file").write_text("here")
    (tmp_path / "a-folder").mkdir()
    before = sorted(tmp_path.rglob("*"))
    for write in (check_writable, lambda path: write_bundle(path, manifest(), MEMBERS)):
        with pytest.raises(OutputError) as caught:
            write(tmp_path / place)
        assert caught.value.code is Code.OUTPUT_NOT_WRITABLE
    assert sorted(tmp_path.rglob("*")) == before


def test_checking_leaves_nothing_behind(path: Path, written: Bundle) -> None:
    before = path.read_bytes()
    check_writable(path)
    assert list(path.parent.iterdir()) == [path]
    assert path.read_bytes() == before


def test_a_file_is_replaced(path: Path, written: Bundle) -> None:
    later = write_bundle(path, manifest(updates=("once",)), MEMBERS)
    assert read_bundle(path).manifest.updates == ("once",)
    assert later.sha256 != written.sha256
    assert list(path.parent.iterdir()) == [path]


WRITE_MORE_THAN_FITS = """
import os, resource, sys
from pathlib import Path
from keenline.bundle import read_bundle, write_bundle
from keenline.errors import OutputError
path = Path(sys.argv[1])
bundle = read_bundle(path)
if sys.argv[2] == "limited":
    resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, 40_000))
try:
    write_bundle(path, bundle.manifest, {"graph.onnx": os.urandom(400_000)})
except OutputError as error:
    print(int(error.code))
"""


def _write_more(path: Path, how: str, *before: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*before, sys.executable, "-c", WRITE_MORE_THAN_FITS, str(path), how],
        env=os.environ | {"PYTHONPATH": str(SOURCE)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_a_write_that_fails_half_way_leaves_the_old_bundle(path: Path, written: Bundle) -> None:
    done = _write_more(path, "limited")
    assert done.stdout.split() == [str(int(Code.OUTPUT_NOT_WRITABLE))], done.stderr
    assert read_bundle(path) == written
    assert list(path.parent.iterdir()) == [path]


def test_a_full_disk_leaves_the_old_bundle(path: Path, written: Bundle) -> None:
    mount = 'mount -t tmpfs -o size=64k none "$0" && cp "$1" "$0/part.keen" && shift && exec "$@"'
    disk = path.parent / "disk"
    disk.mkdir()
    if shutil.which("unshare") is None:
        pytest.skip("needs unshare to make a small disk of its own")
    program = [sys.executable, "-c", WRITE_MORE_THAN_FITS, str(disk / "part.keen"), "disk"]
    done = subprocess.run(
        ["unshare", "-rm", "sh", "-c", mount, str(disk), str(path), *program],
        env=os.environ | {"PYTHONPATH": str(SOURCE)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    if "unshare" in done.stderr or "mount" in done.stderr:
        pytest.skip(f"no small disk of its own here: {done.stderr.strip()}")
    assert done.stdout.split() == [str(int(Code.OUTPUT_DISK_FULL))], done.stderr


def test_an_interrupted_write_leaves_the_old_bundle(path: Path, written: Bundle) -> None:
    class Interrupting(Mapping[str, bytes]):
        """Members of which the second is interrupted, as Ctrl-C would."""

        def __getitem__(self, name: str) -> bytes:
            return b"data"

        def __iter__(self) -> Any:
            return iter(["one", "two"])

        def __len__(self) -> int:
            return 2

        def items(self) -> Any:
            yield "one", b"data"
            yield "two", b"data"

        def keys(self) -> Any:
            yield "one"
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_bundle(path, manifest(), Interrupting())
    assert read_bundle(path) == written
    assert list(path.parent.iterdir()) == [path]
