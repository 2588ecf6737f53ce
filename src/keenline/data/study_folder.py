"""The plan of a study turned into a folder, and the calls made in it, each kept as it is made.

`study.json` is the plan; `images` holds a copy of every image under a name that says nothing of the
part; `sheets` a table to fill in for each appraiser; `calls` one file for each appraiser, a line a
call, written and brought to the disk before the next is asked for.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from keenline.data.dataset import content_hash
from keenline.data.new_folder import new_folder
from keenline.data.study_plan import StudyPlan
from keenline.errors import Code, DatasetError, OutputError
from keenline.types import GOOD

PLAN = "study.json"
SCHEMA = 1


@dataclass(frozen=True, slots=True)
class Shown:
    """One part of a study in its folder."""

    code: str
    name: str
    """As the user knows it."""
    label: str
    borderline: bool
    images: tuple[str, ...]
    """Below the folder, one for each capture."""
    sha256: tuple[str, ...]

    @property
    def is_good(self) -> bool:
        """Whether it is to be accepted."""
        return self.label == GOOD

    def image_of(self, trial: int) -> str:
        """What is shown in a trial, from 1: another capture each time, as long as there are any."""
        return self.images[(trial - 1) % len(self.images)]


@dataclass(frozen=True, slots=True)
class Study:
    """A study in its folder."""

    folder: Path
    title: str
    created: str
    by: str
    seed: int
    parts: Mapping[str, Shown]
    orders: Mapping[str, tuple[tuple[str, ...], ...]]
    notes: tuple[str, ...]
    id: str
    """SHA-256 of the plan: calls belong to this plan and to no other."""

    @property
    def trials(self) -> int:
        """How often each part is judged."""
        return len(next(iter(self.orders.values())))


@dataclass(frozen=True, slots=True)
class Call:
    """What one appraiser said of one part in one trial."""

    trial: int
    """From 1."""
    part: str
    """Its code."""
    accept: bool
    time: str = ""
    said: str = ""
    """What a model said exactly: its verdict and its score."""


def write_study(plan: StudyPlan, folder: Path, *, title: str, by: str) -> Study:
    """Copy the images and write plan and sheets; raises OutputError when the folder holds anything,
    ImageError when an image is not there."""
    new_folder(folder)
    try:
        (folder / "images").mkdir()
        (folder / "sheets").mkdir()
        (folder / "calls").mkdir()
        parts = []
        for part in plan.parts:
            names, hashes = [], []
            for number, image in enumerate(part.candidate.images, 1):
                more = f"-{number}" if len(part.candidate.images) > 1 else ""
                name = f"images/{part.code}{more}{image.suffix.lower()}"
                hashes.append(content_hash(image))
                shutil.copyfile(image, folder / name)
                names.append(name)
            facts = part.candidate
            parts.append(
                Shown(
                    part.code, facts.name, facts.label, part.borderline, tuple(names), tuple(hashes)
                )
            )
        document = {
            "study": SCHEMA,
            "title": title,
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            "by": by,
            "seed": plan.seed,
            "notes": list(plan.notes),
            "parts": [asdict(part) for part in parts],
            "orders": plan.orders,
        }
        text = json.dumps(document, indent=1) + "\n"
        for name in plan.orders:
            (folder / "sheets" / f"{name}.csv").write_text(_sheet(plan, parts, name), "utf-8")
        (folder / PLAN).write_text(text, "utf-8")  # last: without it the folder is no study
    except OSError as error:
        raise OutputError.of(error, folder) from error
    return read_study(folder)


def read_study(folder: Path) -> Study:
    """Raises DatasetError (STUDY_FILE) when it is none."""
    file = folder / PLAN
    try:
        text = file.read_bytes()
        value = json.loads(text)
        if value["study"] > SCHEMA:
            raise ValueError(f"of schema {value['study']}, written by a newer Keenline")
        parts = [Shown(**(row | _tuples(row))) for row in value["parts"]]
        return Study(
            folder=folder,
            title=value["title"],
            created=value["created"],
            by=value["by"],
            seed=value["seed"],
            parts={part.code: part for part in parts},
            orders={n: tuple(tuple(t) for t in trials) for n, trials in value["orders"].items()},
            notes=tuple(value["notes"]),
            id=hashlib.sha256(text).hexdigest(),
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _no_study(file, error) from error


def require_images(study: Study) -> None:
    """Raise DatasetError (STUDY_FILE) when an image of the study is not what was planned."""
    for part in study.parts.values():
        for name, known in zip(part.images, part.sha256, strict=True):
            path = study.folder / name
            if not path.is_file() or content_hash(path) != known:
                raise _no_study(path, "an image that is missing or was changed")


def read_calls(study: Study, appraiser: str) -> list[Call]:
    """What was recorded so far. A last line that was not finished, as after a power cut, is left
    out; raises DatasetError (STUDY_CALLS) for any other line that is no call of this study."""
    file = _calls_file(study, appraiser)
    if not file.exists():
        return []
    calls = []
    for number, line in enumerate(file.read_bytes().split(b"\n")[:-1], 1):
        try:
            row = json.loads(line)
            if row.pop("study") != study.id:
                raise ValueError("a call of another plan")
            calls.append(Call(**row))
        except (ValueError, KeyError, TypeError) as error:
            raise DatasetError(
                Code.STUDY_CALLS, "A call cannot be used", where=f"{file}, line {number}", got=error
            ) from error
    return calls


def append_calls(study: Study, appraiser: str, calls: Iterable[Call]) -> None:
    """Add calls, each on the disk before the next; raises OutputError, and DatasetError
    (STUDY_CALLS) for a part or trial that the plan has not and for a second call of one."""
    known = {(call.trial, call.part) for call in read_calls(study, appraiser)}
    file = _calls_file(study, appraiser)
    try:
        with file.open("ab+") as out:
            out.seek(0)
            whole = out.read().rfind(b"\n") + 1
            out.truncate(whole)  # the half of a line that a sudden end left
            for call in calls:
                _require_new(study, appraiser, call, known)
                known.add((call.trial, call.part))
                out.write(json.dumps(asdict(call) | {"study": study.id}).encode() + b"\n")
                out.flush()
                os.fsync(out.fileno())
    except OSError as error:
        raise OutputError.of(error, file) from error


def appraisers_of(study: Study) -> tuple[str, ...]:
    """Everybody planned, and whoever recorded calls besides, sorted after them."""
    others = {file.stem for file in (study.folder / "calls").glob("*.jsonl")}
    return (*study.orders, *sorted(others - set(study.orders)))


def order_of(study: Study, appraiser: str) -> tuple[tuple[str, ...], ...]:
    """The codes of each trial; of who was not planned, such as a model, as the first appraiser."""
    return study.orders.get(appraiser, next(iter(study.orders.values())))


def by_part(calls: Iterable[Call]) -> dict[str, tuple[bool, ...]]:
    """Calls of one appraiser: by code, trial by trial."""
    rows: dict[str, dict[int, bool]] = {}
    for call in calls:
        rows.setdefault(call.part, {})[call.trial] = call.accept
    return {code: tuple(row[trial] for trial in sorted(row)) for code, row in rows.items()}


def _calls_file(study: Study, appraiser: str) -> Path:
    if not appraiser or any(sign in appraiser for sign in "/\\\0\n") or appraiser.startswith("."):
        raise DatasetError(Code.STUDY_CALLS, "This cannot be the name of a file", got=appraiser)
    return study.folder / "calls" / f"{appraiser}.jsonl"


def _require_new(study: Study, appraiser: str, call: Call, known: set[tuple[int, str]]) -> None:
    got = f"trial {call.trial} of {call.part}"
    if call.part not in study.parts or not 1 <= call.trial <= study.trials:
        raise DatasetError(
            Code.STUDY_CALLS, "The plan has no such part or trial", where=appraiser, got=got
        )
    if (call.trial, call.part) in known:
        raise DatasetError(
            Code.STUDY_CALLS, "This call was made before", where=appraiser, got=got,
            next="a call is never changed",
        )  # fmt: skip


def _sheet(plan: StudyPlan, parts: Sequence[Shown], appraiser: str) -> str:
    by_code = {part.code: part for part in parts}
    rows = ["trial,place,part,image,call"]
    for trial, codes in enumerate(plan.orders[appraiser], 1):
        for place, code in enumerate(codes, 1):
            rows.append(f"{trial},{place},{code},{by_code[code].image_of(trial)},")
    return "\n".join(rows) + "\n"


def _tuples(row: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    return {key: tuple(row[key]) for key in ("images", "sha256")}


def _no_study(where: Path, got: object) -> DatasetError:
    return DatasetError(
        Code.STUDY_FILE,
        "The study cannot be used as it is",
        where=where,
        expected="what keenline study plan wrote",
        got=got,
    )
