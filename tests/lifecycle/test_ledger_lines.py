"""Reviews, people who may sign and authority that was refused are lines of the one chain."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from tests.lifecycle.test_acceptance import locked, version
from tests.lifecycle.test_acceptance import made as made
from tests.lifecycle.test_acceptance import place as place
from tests.lifecycle.test_acceptance import run as accepted
from tests.lifecycle.test_readiness import taught_bundle
from tests.store.records import result

from keenline.bundle import read_bundle
from keenline.data.seal_log import log_of, read_log
from keenline.errors import Code, LifecycleError
from keenline.lifecycle import authority
from keenline.lifecycle.ledger import ledger_of, read_ledger, verify
from keenline.lifecycle.review_session import note_session
from keenline.lifecycle.signers import add_signer, remove_signer, require_signer, signers
from keenline.lifecycle.signing import public_of, signing_key
from keenline.review.judging import review
from keenline.store.remarks import content_of_remark
from keenline.types import Result, Verdict

ANA, EVA = "0a" * 32, "0e" * 32


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return taught_bundle(tmp_path)


def decided(number: int, sha256: str) -> Result:
    return replace(result(number, verdict=Verdict.PASS), bundle_sha256=sha256)


def refuse(bundle: Path) -> None:
    with pytest.raises(LifecycleError):
        authority.grant(bundle, "dent", who="Ben", why="the customer waits")


def judge(bundle: Path) -> None:
    found = [decided(n, read_bundle(bundle).sha256) for n in (1, 2, 3)]
    words = ("good", "dent", "?")
    said = [review(each, word, "Ada") for each, word in zip(found, words, strict=True)]
    other = review(decided(4, "ab" * 32), "good", "Ada")
    line = note_session(
        bundle, [*said, other], {each.result_id: each for each in (*found, decided(4, "ab" * 32))}
    )
    assert line is not None
    digests = (hashlib.sha256(content_of_remark(each).encode()).hexdigest() for each in said)
    assert line.facts == {
        "judged": "3",
        "said": "1 good, 1 defect, 1 unclear",
        "confirmed misses": "1",
        "role": "review",
        "stations": "press-4",
        "calls": hashlib.sha256("\n".join(sorted(digests)).encode()).hexdigest(),
    }
    assert note_session(bundle, [other], {other.result_id: decided(4, "ab" * 32)}) is None


def name_people(bundle: Path) -> None:
    add_signer(bundle, "Ana", ANA.upper(), who="Eva", why="quality manual 4.2")
    add_signer(bundle, "Eva", f"{EVA[:4]} {EVA[4:]}", who="Eva", why="quality manual 4.2")
    remove_signer(bundle, "Ana", who="Eva", why="left")


def test_a_refused_grant_says_who_asked_why_and_what_was_missing(bundle: Path) -> None:
    refuse(bundle)
    (line,) = read_ledger(bundle)
    assert (line.event, line.who, line.before) == ("refused", "Ben", read_bundle(bundle).sha256)
    assert "the customer waits" in line.why
    assert line.facts["class"] == "dent"
    assert line.facts["samples"].startswith("pass")
    assert line.facts["seeded recall"].startswith("fail: not measured")


def test_people_are_added_and_struck_out_by_lines(bundle: Path) -> None:
    assert signers(bundle) is None
    require_signer(bundle, ANA, "the report")  # nobody was named: every key may
    name_people(bundle)
    (left,) = signers(bundle) or ()
    assert (left.name, left.key, left.by) == ("Eva", EVA, "Eva")
    require_signer(bundle, EVA, "the report")
    for wrong in (
        lambda: require_signer(bundle, ANA, "the report"),
        lambda: add_signer(bundle, "Eva", ANA, who="Eva", why="again"),
        lambda: add_signer(bundle, "Tom", "12", who="Eva", why="no key"),
        lambda: remove_signer(bundle, "Tom", who="Eva", why="unknown"),
    ):
        with pytest.raises(LifecycleError) as caught:
            wrong()
        assert caught.value.code is Code.ACCEPTANCE_SIGNER
    remove_signer(bundle, "Eva", who="Eva", why="left")
    assert signers(bundle) == ()
    with pytest.raises(LifecycleError):
        require_signer(bundle, EVA, "the report")


@pytest.mark.parametrize("write", [refuse, judge, name_people])
@pytest.mark.parametrize("what", ["who", "why", "facts"])
def test_tampering_with_each_kind_of_line_is_located(
    write: Callable[[Path], None], what: str, bundle: Path
) -> None:
    add_signer(bundle, "Tom", "07" * 32, who="Eva", why="first line")
    write(bundle)
    assert verify(bundle).faults == ()
    log = ledger_of(bundle)
    lines = log.read_text().splitlines()
    row = json.loads(lines[1])
    row[what] = {} if what == "facts" else "nothing happened"
    log.write_text("\n".join([lines[0], json.dumps(row), *lines[2:]]) + "\n")
    assert verify(bundle).faults == ("line 2 was changed",)


def test_a_key_that_may_not_sign_opens_no_sealed_set(place: Path) -> None:
    definition = locked(place)
    mine = public_of(signing_key(place / "key.pem"))
    add_signer(place / "part.keen", "Ana", ANA, who="Eva", why="quality manual")
    with pytest.raises(LifecycleError) as caught:
        accepted(place, definition)
    assert caught.value.code is Code.ACCEPTANCE_SIGNER
    assert "opened" not in {line.event for line in read_log(log_of(version(place)))}
    add_signer(place / "part.keen", "Ben", mine, who="Eva", why="quality manual")
    assert accepted(place, definition).judgement.accepted
