"""Sections of the results file replace themselves only, and a goal is met on the right side."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from goals import Peer, against_goals, measured
from results_file import write_section
from rounds import Variant
from workers import WorkerFailed, ask, medians


def variant(**found: dict[str, float]) -> Variant:
    tasks = {name.replace("_", " "): value for name, value in found.items()}
    return Variant("a variant", Path("python"), "keenline_worker.py", {}, found=tasks)


def line_with(text: str, table: str) -> str:
    return next(line for line in table.splitlines() if text in line)


def test_a_section_replaces_itself_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "RESULTS.md"
    path.parent.mkdir(parents=True)
    path.write_text("# Results\n\nKept.\n", "utf-8")
    write_section("one", "first", path)
    write_section("two", "second", path)
    write_section("one", "third", path)
    text = path.read_text("utf-8")
    assert text.startswith("# Results\n\nKept.\n")
    assert "first" not in text
    assert text.index("third") < text.index("second")
    assert text.count("<!-- one: begin -->") == 1


def test_a_section_holds_no_path_of_this_machine(tmp_path: Path) -> None:
    path = tmp_path / "clone" / "benchmarks" / "RESULTS.md"
    path.parent.mkdir(parents=True)
    write_section("one", f"not there: {tmp_path}/shared/data", path)
    assert "not there: ../shared/data" in path.read_text("utf-8")


@pytest.mark.parametrize(("ours", "met"), [(1.0, "| yes |"), (1.1, "| **no** |")])
def test_twenty_times_lower_is_judged_by_the_peer(ours: float, met: str) -> None:
    peer = Peer(variant(inspect={"ms": 20.0, "auroc": 0.9}), None, None)
    table = against_goals([variant(inspect={"ms": ours, "auroc": 0.9})], None, peer)
    assert met in line_with("20x", table)
    assert "| yes |" in line_with("no worse", table)


@pytest.mark.parametrize(("seconds", "met"), [(9.9, "| yes |"), (10.1, "| **no** |")])
def test_a_limit_is_judged_from_above(seconds: float, met: str) -> None:
    table = against_goals([variant(fit_200={"seconds": seconds})], None, Peer(None, None, None))
    assert met in line_with("fit of 200", table)
    assert "not measured" in line_with("first verdict", table)


def test_what_failed_is_listed() -> None:
    table = measured([variant(inspect={"ms": 1.5}, large={"error": "no memory"})], [None])  # type: ignore[dict-item]
    assert "| 1.50 |" in line_with("latency, ms", table)
    assert "- a variant, large: no memory" in table


def test_medians_are_of_numbers_only() -> None:
    found = medians(
        [{"ms": 1.0, "model": "a"}, {"ms": 9.0, "model": "a"}, {"ms": 2.0, "model": "a"}]
    )
    assert found == {"ms": 2.0, "model": "a"}


def test_a_worker_answers_or_says_why_not(tmp_path: Path) -> None:
    found = ask(sys.executable, "keenline_worker.py", "load", folder=tmp_path, arguments={})
    assert 0 < found["seconds"] < found["ready_seconds"]
    arguments = {"model": "none.keen", "images": "none.npy", "threads": 1, "repeat": 1}
    with pytest.raises(WorkerFailed, match="inspect ended with 1"):
        ask(sys.executable, "keenline_worker.py", "inspect", folder=tmp_path, arguments=arguments)
