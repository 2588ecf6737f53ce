"""From criteria to the authority to reject, as its users type it."""

from __future__ import annotations

import csv
import json
import shutil
import sys
from pathlib import Path

import pytest
from pypdf import PdfReader
from tests.cli.conftest import Keenline
from tests.lifecycle.test_acceptance import made as made
from tests.lifecycle.test_readiness import prove, taught_bundle, verdict

from keenline.bundle import read_bundle
from keenline.types import Verdict

CRITERIA = """\
schema = 1
title = "Part 7"
[about]
customer = "Motor works <Graz>"
[[classes]]
name = "dent"
recall = 0.7
[good]
false_alarms = 0.5
"""
REFUSING = CRITERIA + "[time]\nmilliseconds = 0.00001\n"


@pytest.fixture
def place(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(made, tmp_path / "place")
    monkeypatch.setenv("KEENLINE_SIGNING_KEY", str(tmp_path / "key.pem"))
    return tmp_path / "place"


def test_lock_run_and_verify(place: Path, keenline: Keenline) -> None:
    version, bundle = place / "parts/v1.keenset", place / "part.keen"
    (place / "c.toml").write_text(CRITERIA)
    ran = keenline("acceptance", "define", place / "c.toml", version, "--by", "Ana")
    assert ran.code == 0, ran.err
    assert "dent: recall 0.7" in ran.out
    ran = keenline(
        "acceptance", "run", bundle, version, "--criteria", place / "c.keenacc", "--by", "Ben"
    )
    assert ran.code == 0, ran.err
    assert "Accepted: all 3 criteria are met." in ran.out
    page = (place / "c-part.html").read_text()
    assert "Accepted: all 3 criteria are met." in page
    assert "Motor works &lt;Graz&gt;" in page
    assert "2: locked" in page
    assert read_bundle(bundle).manifest.recipe_sha256 in page
    sheets = [sheet.extract_text() for sheet in PdfReader(place / "c-part.pdf").pages]
    for told in ("Accepted: all 3 criteria are met.", "dent: recall", "at least 70 %, proven"):
        assert told in sheets[0]
    checked = keenline("acceptance", "check", place / "c-part.json", "--json").record
    assert checked["whole"]
    assert checked["sha256"] in page
    assert all(f"c-part.json, sha256 {checked['sha256']}" in sheet for sheet in sheets)
    key = checked["key"]
    assert keenline("acceptance", "check", place / "c.keenacc", "--signed-by", key).code == 0
    assert keenline("acceptance", "check", place / "c.keenacc", "--signed-by", "00").code == 3
    # The ledger is whole, and says so until the bundle is touched.
    found = keenline("audit", "verify", bundle, "--json").record
    assert (found["whole"], found["lines"]) == (True, 2)
    head = f"part.keen:{found['head']['number']}:{found['head']['hash']}"
    assert keenline("audit", "verify", f"{bundle}.log", "--head", head).code == 0
    shown = keenline("audit", "show", bundle, "--since", "1h", "--json").out.splitlines()
    assert [json.loads(line)["event"] for line in shown] == ["acceptance", "stage"]
    assert keenline("audit", "show", bundle, "--until", "1h", "--json").out == ""
    assert keenline("audit", "show", bundle, "--csv", place / "a.csv").code == 0
    with (place / "a.csv").open() as file:
        assert [row["who"] for row in csv.DictReader(file)] == ["Ben", "Ben"]
    # What changes the bundle ends its acceptance, with a line.
    ran = keenline("update", bundle, "--good", place / "parts/v1.keenset")
    assert ran.code == 0, ran.err
    assert "the bundle is accepted, and will be trained again once it is changed" in ran.out
    assert "accepted -> trained" in ran.out
    assert keenline("audit", "verify", bundle).code == 0
    log = Path(f"{bundle}.log")
    log.write_text(log.read_text().replace("Ben", "Eva", 1))
    ran = keenline("audit", "verify", bundle)
    assert ran.code == 8
    assert "line 1 was changed" in ran.err


def test_refused_is_a_verdict_for_scripts(
    place: Path, keenline: Keenline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "reportlab", None)
    version, bundle = place / "parts/v1.keenset", place / "part.keen"
    (place / "c.toml").write_text(REFUSING)
    keenline("acceptance", "define", place / "c.toml", version)
    asked = ("acceptance", "run", bundle, version, "--criteria", place / "c.keenacc")
    ran = keenline(*asked, "--exit-verdict", "--json")
    assert ran.code == 1
    assert ran.record["accepted"] is False
    assert ran.record["pdf"] is None
    assert Path(ran.record["page"]).exists()
    again = keenline(*asked, "--again", "the first was a rehearsal")
    assert "no PDF: that takes pip install 'keenline[report]'" in again.out
    assert ran.record["reasons"][0].startswith("time of an image")
    assert keenline(*asked).code == 3  # once


def test_a_template_is_filled_with_the_classes_of_the_set(place: Path, keenline: Keenline) -> None:
    ran = keenline("acceptance", "template", place / "parts/v1.keenset", "--template", "ppap")
    assert ran.code == 0
    assert 'name = "dent"' in ran.out
    assert "PPAP" in ran.out


@pytest.fixture
def taught(tmp_path: Path) -> Path:
    return taught_bundle(tmp_path)


def test_readiness_is_a_checklist_and_authority_follows_it(
    taught: Path, tmp_path: Path, keenline: Keenline
) -> None:
    ran = keenline("authority", "grant", taught, "dent", "--why", "please")
    assert ran.code == 3
    assert "seeded recall: not measured" in ran.err
    prove(taught)
    (first, second) = keenline("readiness", taught, "--json").record["classes"]
    assert (first["class"], first["ready"], second["ready"]) == ("dent", True, False)
    ran = keenline("authority", "grant", taught, "dent", "--why", "accepted", "--by", "Ben")
    assert ran.code == 0, ran.err
    assert verdict(taught) is Verdict.REJECT
    shadow = {"classes": [{"class": "dent", "compared": 100, "disagreed": 30}]}
    (tmp_path / "shadow.json").write_text(json.dumps(shadow))
    ran = keenline("readiness", taught, "--shadow", tmp_path / "shadow.json", "--json")
    assert ran.record["withdrawn"] == ["dent"]
    assert verdict(taught) is Verdict.REVIEW
    assert keenline("audit", "verify", taught).code == 0
    ran = keenline("authority", "withdraw", taught, "dent", "--why", "to be sure")
    assert ran.code == 0


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        '{"classes": [{"class": "dent"}]}',
        '{"classes": [{"class": "x", "compared": 5, "disagreed": 9}]}',
        '{"classes": [{"class": "x", "compared": 5, "disagreed": 0}]}',
    ],
)
def test_facts_that_cannot_be_are_refused(
    text: str, taught: Path, tmp_path: Path, keenline: Keenline
) -> None:
    (tmp_path / "shadow.json").write_text(text)
    ran = keenline("readiness", taught, "--shadow", tmp_path / "shadow.json")
    assert ran.code == 3
    assert "KL1511" in ran.err
