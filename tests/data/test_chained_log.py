"""Every way to tamper with a chained log is found, and where."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from keenline.data.chained_log import GENESIS
from keenline.errors import Code, KeenlineError
from keenline.lifecycle.ledger import LedgerHead, append, ledger_of, read_ledger, verify

Lines = list[bytes]


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """The name of a bundle whose ledger has five lines; the file itself is not there."""
    path = tmp_path / "part.keen"
    for number in range(5):
        append(path, "review", who="Ana", why=f"look {number}", before="", after="",
               facts={"b": "2", "a": str(number)})  # fmt: skip
    return path


def rehashed(line: bytes, **changes: str) -> bytes:
    """A line with other words, and a hash that fits them: what a forger who knows the form does."""
    facts = json.loads(line) | changes
    row = [value for name, value in facts.items() if name != "hash"]
    text = json.dumps(row, separators=(",", ":"), sort_keys=True)
    facts["hash"] = hashlib.sha256(text.encode()).hexdigest()
    return json.dumps(facts).encode() + b"\n"


def edited(lines: Lines) -> Lines:
    return [*lines[:2], lines[2].replace(b"look 2", b"look 9"), *lines[3:]]


TAMPERINGS: dict[str, tuple[Callable[[Lines], Lines], str]] = {
    "a word changed": (edited, "line 3 was changed"),
    "a fact changed": (
        lambda lines: [*lines[:1], lines[1].replace(b'"a": "1"', b'"a": "7"'), *lines[2:]],
        "line 2 was changed",
    ),
    "changed and hashed anew": (
        lambda lines: [*lines[:2], rehashed(lines[2], why="look 9"), *lines[3:]],
        "line 3 was changed and hashed anew",
    ),
    "one taken out": (lambda lines: [*lines[:2], *lines[3:]], "line 3 is missing"),
    "the first taken out": (lambda lines: lines[1:], "line 1 is missing"),
    "two swapped": (lambda lines: [lines[0], lines[2], lines[1], *lines[3:]], "line 2 is missing"),
    "one put in": (lambda lines: [*lines[:2], lines[0], *lines[2:]], "line 3 was put in or moved"),
    "torn": (lambda lines: [*lines[:4], lines[4][:-9]], "line 5 ends before its end"),
    "no line of a log": (lambda lines: [*lines[:3], b"[]\n", *lines[4:]], "line 4 is none of"),
    "cut off": (lambda lines: lines[:3], "line 4 is missing: the ledger once reached 5"),
    "made anew": (
        lambda lines: [rehashed(lines[0], why="another story")],
        "line 2 is missing: the ledger once reached 5",
    ),
}


@pytest.mark.parametrize("tampering", TAMPERINGS)
def test_tampering_is_located(tampering: str, bundle: Path) -> None:
    tamper, words = TAMPERINGS[tampering]
    lines = read_ledger(bundle)
    head = LedgerHead(lines[-1].number, lines[-1].hash)
    log = ledger_of(bundle)
    log.write_bytes(b"".join(tamper(log.read_bytes().splitlines(keepends=True))))
    found = verify(bundle, [head])
    assert any(fault.startswith(words) for fault in found.faults), found.faults
    if tampering not in ("cut off", "made anew"):
        with pytest.raises(KeenlineError, match=words) as caught:
            append(bundle, "review", who="Eva", why="go on", before="", after="")
        assert caught.value.code is Code.AUDIT_BROKEN


def test_a_whole_chain_stands_and_goes_on(bundle: Path) -> None:
    lines = read_ledger(bundle)
    assert [line.number for line in lines] == [1, 2, 3, 4, 5]
    assert lines[0].previous == GENESIS
    assert [line.previous for line in lines[1:]] == [line.hash for line in lines[:-1]]
    assert lines[3].facts == {"a": "3", "b": "2"}
    assert verify(bundle).faults == ("the bundle: There is no such bundle",)
