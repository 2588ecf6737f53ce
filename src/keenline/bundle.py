"""A learnt part in one file: turns graphs and facts into NAME.keen and back, refusing tampering.

A bundle is a zip archive with `manifest.json` first and the members it lists, each with its
sha256. Nothing in it is executable and nothing is pickled.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import struct
import tempfile
import zipfile
import zlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from keenline.errors import BundleError, Code, OutputError
from keenline.recipe import Recipe

SCHEMA = 1
"""Version of the manifest this code writes, and the newest it reads."""

GRAPH = "graph.onnx"
MEMORY = "memory.npz"
PATCHES = "patches.jpg"
MANIFEST = "manifest.json"

_LARGEST_MEMBER = 1 << 30  # bytes; a bundle is megabytes, so more than this is an attack or a slip


# What zipfile raises for damage: RuntimeError where a bit says that an entry is encrypted,
# ValueError for names and offsets that cannot be.
_UNZIPPING_FAULTS = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    KeyError,
    RuntimeError,
    ValueError,
    struct.error,
)

Precision: TypeAlias = Literal["f32", "bf16", "int8"]


class _Facts(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class FramingFacts(_Facts):
    """How an image as it was read becomes what the graph sees."""

    width: int = Field(ge=1)
    """Of the images it was learnt from, in pixels (the median when they differ)."""
    height: int = Field(ge=1)
    fixed_size: bool
    """Every image must have this size, within 5 %."""
    scale: float = Field(gt=0)
    """Working pixels for one pixel of the image as it was read."""
    multiple: int = Field(ge=1)
    """Working width and height are multiples of this."""
    tile: int | None = None
    """Side of a tile in working pixels; None when an image is seen whole."""
    overlap: int = 0
    bit_depth: int | None = None
    """Bits that carry the signal in 16-bit files."""


class ThresholdFacts(_Facts):
    """Above which score a part does not pass, and what may be claimed of it."""

    value: float = Field(ge=0)
    kind: Literal["guaranteed", "estimated"]
    held_out: int = Field(ge=0)
    above: int = Field(ge=0)
    false_alarm_rate: float
    confidence: float
    statement: str


class EngineFacts(_Facts):
    """What runs the graph, and what its verdicts were compared with."""

    name: str
    precision: Precision
    compared_with: str
    """Engine and version whose verdicts agreed before the bundle was written."""
    compared_images: int
    largest_score_difference: float
    """Relative to the threshold."""


class BackboneFacts(_Facts):
    """Where the features come from."""

    name: str
    network: str = ""
    source: str = ""
    licence: str = ""
    sha256: str = ""


class ClassFacts(_Facts):
    """A class of defects that the bundle tells apart, and how well it did on parts left out."""

    name: str
    images: int = Field(ge=1)
    """Labelled images it was learnt from."""
    parts: int = Field(ge=1)
    """Physical parts among them; what a claim about the class rests on."""
    found: int = Field(ge=0)
    """Parts of the class that were recognised as it while left out of learning."""
    tried: int = Field(ge=0)
    """Parts of the class that were left out once; 0 when there was but one."""
    false_alarms: int = Field(ge=0)
    """Good parts that were taken for the class while left out of learning."""
    good: int = Field(ge=0)
    """Good parts that were left out once."""


class TrainingFacts(_Facts):
    """What it was learnt from."""

    images: int
    parts: int
    held_out_parts: int
    data_sha256: str
    seed: int
    skipped: int = 0
    seconds: float = 0.0
    dataset_version: str = ""
    """Id of the dataset version it was; empty where it was a folder."""


class TaughtFacts(_Facts):
    """What the classes beside a memory bank were taught from."""

    images: int
    """Good ones included."""
    parts: int
    data_sha256: str
    seed: int
    dataset_version: str = ""
    """As in `TrainingFacts`."""


class Manifest(_Facts):
    """Everything about a bundle except its graphs."""

    schema_version: int = SCHEMA
    keenline: str
    """Version of the software that wrote it."""
    created: str
    """UTC, ISO 8601."""
    stage: str = "trained"
    detector: str
    recipe: Recipe
    recipe_sha256: str
    framing: FramingFacts
    threshold: ThresholdFacts
    engine: EngineFacts
    backbone: BackboneFacts | None = None
    training: TrainingFacts
    held_out_scores: tuple[float, ...] = ()
    """Scores of the parts behind the threshold, raw."""
    classes: tuple[ClassFacts, ...] = ()
    """What it tells apart besides what is merely strange; the graph answers in this order."""
    taught: TaughtFacts | None = None
    """None where there are no classes, or where they were learnt together with all else."""
    facts: dict[str, object] = Field(default_factory=dict)
    """What the detector adds for an auditor."""
    updates: tuple[str, ...] = ()
    """One sentence for each `keenline update` since it was trained."""

    @property
    def training_counts(self) -> dict[str, int]:
        """Parts of each class: thirty photographs of one scratch are one sample."""
        return {known.name: known.parts for known in self.classes}


@dataclass(frozen=True, slots=True)
class Bundle:
    """A manifest and the members it vouches for."""

    manifest: Manifest
    members: Mapping[str, bytes]
    sha256: str = ""
    """Of the manifest as stored, which names the sha256 of every member: it names the bundle."""

    @property
    def graph(self) -> bytes:
        return self.members[GRAPH]


def write_bundle(path: Path, manifest: Manifest, members: Mapping[str, bytes]) -> Bundle:
    """Write a bundle in one step: either the whole file is there afterwards, or the old one.

    Raises OutputError when the place cannot be written or the disk is full.
    """
    text = _manifest_text(manifest, members)
    try:
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "wb") as file:
                _write_zip(file, text, members)
                file.flush()
                os.fsync(file.fileno())
            os.chmod(temporary, 0o644)
            os.replace(temporary, path)
        finally:
            # Gone already where it took the old file's place.
            Path(temporary).unlink(missing_ok=True)
    except OSError as error:
        raise OutputError.of(error, path) from error
    return Bundle(manifest, dict(members), hashlib.sha256(text).hexdigest())


def name_of(manifest: Manifest, members: Mapping[str, bytes]) -> str:
    """The sha256 by which a bundle of these will be named once it is written."""
    return hashlib.sha256(_manifest_text(manifest, members)).hexdigest()


def check_writable(path: Path) -> None:
    """Raise OutputError now rather than after minutes of learning."""
    try:
        # A file without a name, so that none is left however this ends.
        with tempfile.TemporaryFile(dir=path.parent):
            pass
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, "it is a folder")
    except OSError as error:
        raise OutputError.of(error, path) from error


def read_bundle(path: Path) -> Bundle:
    """Read a bundle and check every member against the manifest.

    Raises BundleError: missing, not a bundle, cut short, changed after it was written, or written
    by a newer version.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            text = _member(archive, MANIFEST)
            stored = _stored_manifest(path, text)
            sums = stored["members"]
            assert isinstance(sums, dict)
            members = {name: _member(archive, name) for name in sums}
            listed = Counter([MANIFEST, *sums])
            extra = sorted(Counter(archive.namelist()) - listed)
    except FileNotFoundError as error:
        raise BundleError(
            Code.BUNDLE_MISSING, "There is no such bundle", where=path, next="check the path"
        ) from error
    except _UNZIPPING_FAULTS as error:
        raise _broken(path, error) from error
    except OSError as error:
        raise BundleError(
            Code.BUNDLE_NOT_A_BUNDLE, "The bundle cannot be read", where=path, got=error
        ) from error
    changed = [n for n, data in members.items() if hashlib.sha256(data).hexdigest() != sums[n]]
    if changed or extra:
        raise BundleError(
            Code.BUNDLE_TAMPERED,
            "The bundle was changed after it was written",
            where=path,
            expected="every member to have the sha256 that the manifest names",
            got=", ".join(changed + extra) + " differ or are not listed",
            next="restore the bundle from where it was trained",
        )
    return Bundle(_parsed(path, stored), members, hashlib.sha256(text).hexdigest())


def _manifest_text(manifest: Manifest, members: Mapping[str, bytes]) -> bytes:
    content = manifest.model_dump(mode="json")
    content["members"] = {n: hashlib.sha256(data).hexdigest() for n, data in members.items()}
    content["sha256"] = _content_sum(content)
    return json.dumps(content, indent=1, ensure_ascii=False, sort_keys=True).encode()


def _content_sum(content: Mapping[str, object]) -> str:
    rest = {key: value for key, value in content.items() if key != "sha256"}
    return hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()


def _write_zip(file: object, text: bytes, members: Mapping[str, bytes]) -> None:
    with zipfile.ZipFile(file, "w") as archive:  # type: ignore[call-overload]
        for name, data in {MANIFEST: text, **members}.items():
            # A fixed time stamp: the same content gives the same file.
            entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            # Weights hardly shrink: a level of 6 took five times as long and saved 4 % more.
            archive.writestr(entry, data, zipfile.ZIP_DEFLATED, compresslevel=1)


def _member(archive: zipfile.ZipFile, name: str) -> bytes:
    entry = archive.getinfo(name)
    if entry.file_size > _LARGEST_MEMBER:
        raise zipfile.BadZipFile(f"{name} claims to be larger than {_LARGEST_MEMBER} bytes")
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise zipfile.BadZipFile(f"{name} is compressed in a way that bundles never are")
    return archive.read(name)


def _stored_manifest(path: Path, text: bytes) -> dict[str, object]:
    try:
        stored = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _manifest_fault(path, str(error)) from error
    if not isinstance(stored, dict) or not isinstance(stored.get("schema_version"), int):
        raise _manifest_fault(path, "no schema_version")
    if stored["schema_version"] > SCHEMA:
        raise BundleError(
            Code.BUNDLE_NEWER_SCHEMA,
            "The bundle was written by a newer version of Keenline",
            where=path,
            expected=f"schema up to {SCHEMA}",
            got=f"schema {stored['schema_version']}, Keenline {stored.get('keenline', '?')}",
            next="update Keenline on this machine",
        )
    members = stored.get("members")
    if not isinstance(members, dict) or GRAPH not in members:
        raise _manifest_fault(path, f"no list of members with {GRAPH} in it")
    if stored.get("sha256") != _content_sum(stored):
        raise BundleError(
            Code.BUNDLE_TAMPERED,
            "The bundle's manifest was changed after it was written",
            where=path,
            next="restore the bundle from where it was trained",
        )
    return stored


def _parsed(path: Path, stored: Mapping[str, object]) -> Manifest:
    content = {key: value for key, value in stored.items() if key not in ("members", "sha256")}
    try:
        return Manifest.model_validate_json(json.dumps(content))
    except ValidationError as error:
        raise _manifest_fault(path, "; ".join(_fault_words(error))) from error


def _fault_words(error: ValidationError) -> list[str]:
    return [f"{'.'.join(str(k) for k in f['loc'])}: {f['msg']}" for f in error.errors()]


def _manifest_fault(path: Path, got: str) -> BundleError:
    return BundleError(
        Code.BUNDLE_MANIFEST,
        "The bundle's manifest cannot be understood",
        where=f"{path}, {MANIFEST}",
        got=got,
        next="train the part again, or restore the bundle",
    )


def _broken(path: Path, error: Exception) -> BundleError:
    with path.open("rb") as file:
        is_zip = file.read(4) == b"PK\x03\x04"
    return BundleError(
        Code.BUNDLE_TRUNCATED if is_zip else Code.BUNDLE_NOT_A_BUNDLE,
        "The bundle is cut short or damaged" if is_zip else "The file is not a Keenline bundle",
        where=path,
        got=error,
        next="copy it again" if is_zip else "give a .keen file written by `keenline train`",
    )
