"""The sealed set opens once, for criteria locked before; the answer stands on record and signed."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.small_parts import dented, good_folder, recipe, save_image, tiny_backbone

from keenline.bundle import read_bundle
from keenline.data.dealing import Shares
from keenline.data.importers import open_dataset
from keenline.data.seal_log import log_of, read_log
from keenline.data.versioning import create_version
from keenline.errors import Code, CredentialError, KeenlineError
from keenline.lifecycle.acceptance import KIND, Acceptance, accept
from keenline.lifecycle.criteria import Criteria
from keenline.lifecycle.definition import Definition, lock, read_definition
from keenline.lifecycle.ledger import read_ledger, verify
from keenline.lifecycle.reach import sealed_parts
from keenline.lifecycle.signed_file import read_signed
from keenline.lifecycle.signing import signing_key
from keenline.training.fit import train

PLACES = [(20, 12), (70, 14), (30, 52), (80, 50)]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a version of which a third is sealed, and a bundle learnt from it."""
    root = tmp_path_factory.mktemp("acceptance")
    good_folder(root / "parts", 30)
    for seed in range(30):
        part = dented(100 + seed, PLACES[seed % 4], radius=9)
        save_image(root / f"parts/dent/{seed}.png", part)
    created = create_version(root / "parts", by="Ana", shares=Shares(0.1, 0.1, 0.4))
    chosen = recipe(backbone=tiny_backbone(root), precision="f32")
    train(open_dataset(created.file), root / "part.keen", recipe=chosen)
    return root


@pytest.fixture
def place(made: Path, tmp_path: Path) -> Path:
    """A copy of that folder, which a test may change, with a signing key of its own."""
    shutil.copytree(made, tmp_path / "place")
    return tmp_path / "place"


def version(place: Path) -> Path:
    return place / "parts/v1.keenset"


def locked(place: Path, name: str = "c.keenacc", **more: Any) -> Definition:
    asked = {
        "title": "Part 7",
        "classes": [{"name": "dent", "recall": 0.7}],
        "good": {"false_alarms": 0.5},
    }
    return lock(
        Criteria.model_validate(asked | more), version(place), place / name, by="Ana",
        key=place / "key.pem",
    )  # fmt: skip


def run(place: Path, definition: Definition, **more: Any) -> Acceptance:
    report = place / more.pop("report", "report.json")
    return accept(
        place / "part.keen", version(place), definition, report, who="Ben",
        key=place / "key.pem", **more,
    )  # fmt: skip


def events(place: Path) -> list[str]:
    return [line.event for line in read_log(log_of(version(place)))]


def test_criteria_before_the_opening_and_one_answer_on_record(place: Path) -> None:
    definition = locked(place)
    assert events(place) == ["sealed", "locked"]
    before = read_bundle(place / "part.keen")
    found = run(place, definition)
    assert found.judgement.accepted, found.judgement.reasons
    assert events(place) == ["sealed", "locked", "opened"]
    # The counts told beforehand are those that were judged.
    counted = sealed_parts(version(place))
    assert found.evidence.of("dent").recall.n == counted.classes["dent"]
    assert found.evidence.false_alarm_rate.n == counted.good
    # The report stands alone, and names what was tested and what it became.
    report = read_signed(place / "report.json", KIND)
    assert report.content["accepted"] is True
    assert report.content["bundle"]["sha256"] == before.sha256
    assert report.content["criteria_sha256"] == definition.signed.sha256
    assert len(report.content["images"]) == counted.images
    lines = read_ledger(place / "part.keen")
    assert [line.event for line in lines] == ["acceptance", "stage"]
    assert lines[0].facts["report"] == report.sha256
    assert lines[0].before == before.sha256
    assert read_bundle(place / "part.keen").manifest.stage == "accepted"
    assert verify(place / "part.keen").faults == ()


def test_what_is_refused_says_why_and_stays_what_it_was(place: Path) -> None:
    definition = locked(place, environment={"light": "ring"}, time={"milliseconds": 1e-6})
    found = run(place, definition)
    assert not found.judgement.accepted
    assert [reason.split(":")[0] for reason in found.judgement.reasons] == [
        "time of an image",
        "light",
    ]
    assert read_bundle(place / "part.keen").manifest.stage == "trained"
    (line,) = read_ledger(place / "part.keen")
    assert line.facts["answer"] == "refused"
    assert "light: not said" in line.why


def test_a_second_run_takes_a_reason_and_is_marked(place: Path) -> None:
    definition = locked(place)
    run(place, definition)
    later = locked(place, "later.keenacc", title="Easier")
    with pytest.raises(KeenlineError, match="answers only once") as caught:
        run(place, later, report="second.json")
    assert caught.value.code is Code.DATASET_SEALED
    assert events(place) == ["sealed", "locked", "opened", "locked"]
    found = run(place, later, report="second.json", again="the lamp had failed")
    assert "opened once before" in found.notes[0]
    assert "the lamp had failed" in found.notes[0]
    assert "may have been chosen knowing its answers" in found.notes[1]
    said = read_signed(place / "second.json", KIND).content
    assert said["notes"][0] == found.notes[0]
    assert "again because the lamp had failed" in read_log(log_of(version(place)))[-1].why


def test_a_set_too_small_for_a_criterion_is_not_opened(place: Path) -> None:
    definition = locked(place, classes=[{"name": "dent", "recall": 0.99}])
    with pytest.raises(KeenlineError, match="takes 299 without an error") as caught:
        run(place, definition)
    assert caught.value.code is Code.ACCEPTANCE_UNREACHABLE
    assert events(place) == ["sealed", "locked"]


def easier(file: Path) -> None:
    whole = json.loads(file.read_text())
    whole["content"]["criteria"]["classes"][0]["recall"] = 0.5
    file.write_text(json.dumps(whole))


def easier_and_hashed_anew(file: Path) -> None:
    from keenline.lifecycle.signing import sha256_of

    easier(file)
    whole = json.loads(file.read_text())
    whole["sha256"] = sha256_of(whole["content"])
    file.write_text(json.dumps(whole))


def easier_and_signed_anew(file: Path) -> None:
    from keenline.lifecycle.signing import signed

    easier(file)
    content = json.loads(file.read_text())["content"]
    file.write_text(json.dumps(signed(content, signing_key(file.parent / "mallory.pem"))))


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:100])


@pytest.mark.parametrize("tamper", [easier, easier_and_hashed_anew, easier_and_signed_anew, cut])
def test_criteria_changed_after_they_were_locked_open_nothing(
    tamper: Callable[[Path], None], place: Path
) -> None:
    definition = locked(place)
    tamper(place / "c.keenacc")
    with pytest.raises(KeenlineError) as caught:
        run(place, read_definition(place / "c.keenacc"))
    assert caught.value.code is Code.ACCEPTANCE_CHANGED
    assert events(place) == ["sealed", "locked"]
    if tamper is easier_and_signed_anew:  # sound in itself, but of another key
        with pytest.raises(KeenlineError, match="signed with the key"):
            read_definition(place / "c.keenacc", signed_by=definition.signed.key)


def test_criteria_of_another_version_open_nothing(place: Path) -> None:
    definition = locked(place)
    save_image(place / "parts/dent/later.png", dented(900, radius=9))
    other = create_version(place / "parts", by="Ana", parent=version(place), shares=Shares(0.3))
    with pytest.raises(KeenlineError) as caught:
        accept(place / "part.keen", other.file, definition, place / "r.json", who="Ben")
    assert caught.value.code is Code.ACCEPTANCE_CHANGED


def test_locked_criteria_are_never_overwritten(place: Path) -> None:
    locked(place)
    with pytest.raises(KeenlineError) as caught:
        locked(place)
    assert caught.value.code is Code.ACCEPTANCE_CRITERIA
    assert events(place) == ["sealed", "locked"]


def test_a_key_that_others_may_read_signs_nothing(tmp_path: Path) -> None:
    key = signing_key(tmp_path / "key.pem")
    assert key.stat().st_mode & 0o777 == 0o600
    key.chmod(0o644)
    with pytest.raises(CredentialError):
        signing_key(key)
