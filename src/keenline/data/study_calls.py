"""A table of calls (CSV), such as a filled-in sheet, turned into the calls of each appraiser."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

from keenline.data.csv_rows import csv_rows
from keenline.data.study_folder import Call
from keenline.errors import Code, DatasetError

WORDS = {"a": True, "accept": True, "good": True, "pass": True, "ok": True, "1": True}
WORDS |= {"r": False, "reject": False, "bad": False, "fail": False, "nok": False, "0": False}
"""What people say, in small letters."""


def calls_in(file: Path, appraiser: str | None) -> dict[str, list[Call]]:
    """Rows with trial, part (its code) and call, and appraiser unless one is named.

    Rows without a call are left out. Raises DatasetError (STUDY_CALLS) for a row that cannot be
    read; parts and trials are checked when calls are kept.
    """
    needed = ("trial", "part", "call") if appraiser else ("trial", "part", "call", "appraiser")
    found: defaultdict[str, list[Call]] = defaultdict(list)
    for line, row in csv_rows(file, needed, Code.STUDY_CALLS):
        said = row.get("call", "").lower()
        if not said:
            continue
        who, trial = appraiser or row.get("appraiser", ""), row.get("trial", "")
        if said not in WORDS or not (trial.isascii() and trial.isdigit()) or not who:
            raise DatasetError(
                Code.STUDY_CALLS,
                "A row is no call",
                where=f"{file}, line {line}",
                expected="an appraiser, a trial from 1, a part, and accept or reject",
                got=f"{who!r}, {trial!r}, {row.get('part', '')!r}, {said!r}",
            )
        found[who].append(Call(int(trial), row.get("part", ""), WORDS[said]))
    return dict(found)
