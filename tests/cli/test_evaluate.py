"""`keenline evaluate` and `keenline update`: numbers for people and for scripts."""

from __future__ import annotations

import csv
from pathlib import Path

from tests.cli.conftest import Keenline

from keenline.bundle import read_bundle


def test_one_object_with_the_stable_keys(keenline: Keenline, learnt: Path, plates: Path):
    ran = keenline("evaluate", learnt, plates, "--json")
    assert ran.code == 0
    assert ran.err == ""
    record = ran.record
    for key in ("image_auroc", "image_ap", "pixel_auroc", "au_pro", "ms_per_image"):
        assert key in record
    assert {"value", "upper95", "n"} <= set(record["false_alarm_rate"])
    assert {"value", "lower95", "n"} <= set(record["recall"]["stain"])
    # Only `test` is inspected: 4 good and 4 stained.
    assert record["false_alarm_rate"]["n"] == 4
    assert record["recall"]["stain"]["n"] == 4
    assert sum(record["verdicts"].values()) == 8
    assert record["pixel_auroc"] is None  # no masks
    assert record["image_auroc"] > 0.7
    assert record["bundle_sha256"] == read_bundle(learnt).sha256


def test_the_table_has_the_numbers_of_the_record(keenline: Keenline, learnt: Path, plates: Path):
    record = keenline("evaluate", learnt, plates, "--json").record
    out = keenline("evaluate", learnt, plates).out
    stain = next(line for line in out.splitlines() if line.split()[:1] == ["stain"])
    share = record["recall"]["stain"]
    assert stain.split()[1:4] == ["4", str(share["events"]), str(4 - share["events"])]
    assert f"{100 * share['lower95']:.1f} %" in stain
    good = [line for line in out.splitlines() if line.split()[:2] == ["good", "4"]]
    assert f"{100 * record['false_alarm_rate']['upper95']:.1f} %" in good[0]
    assert record["statement"] in out


def test_the_report_and_the_table(keenline: Keenline, learnt: Path, plates: Path, tmp_path: Path):
    report, table = tmp_path / "r.html", tmp_path / "r.csv"
    assert keenline("evaluate", learnt, plates, "--report", report, "--csv", table).code == 0
    page = report.read_text(encoding="utf-8")
    assert read_bundle(learnt).sha256[:12] in page
    assert "stain" in page
    with table.open() as file:
        assert {row["label"] for row in csv.DictReader(file)} == {"good", "stain"}


def test_update_adds_good_images_and_replaces_the_bundle(
    keenline: Keenline, bundle: Path, plates: Path
):
    before = read_bundle(bundle)
    record = keenline("update", bundle, "--good", plates / "test/good", "--json").record
    after = read_bundle(bundle)
    assert record["added"] > 0
    assert record["sha256"] == after.sha256 != before.sha256
    assert len(after.manifest.updates) == 1
    assert [path.name for path in bundle.parent.iterdir()] == [bundle.name]


def test_update_can_leave_the_bundle_as_it_is(
    keenline: Keenline, bundle: Path, plates: Path, tmp_path: Path
):
    before = bundle.read_bytes()
    other = tmp_path / "other.keen"
    ran = keenline("update", bundle, "--good", plates / "test/good", "-o", other)
    assert ran.code == 0
    assert bundle.read_bytes() == before
    assert read_bundle(other).manifest.threshold.statement in ran.out
    assert str(other) in ran.out


def test_bench_measures_every_engine(keenline_process: Keenline, learnt: Path):
    record = keenline_process("bench", learnt, "--images", 8, "--threads", 1, "--json").record
    assert (record["width"], record["height"]) == (128, 96)
    assert [each["engine"] for each in record["engines"]] == ["openvino", "onnxruntime"]
    for each in record["engines"]:
        assert 0 < each["p50_ms"] <= each["p95_ms"] <= each["p99_ms"] <= each["max_ms"]
        assert 0 < each["start_seconds"] < 60
        assert 10 < each["resident_mb"] <= each["peak_mb"]


def test_claims_count_parts_and_are_told_apart_by_what_a_table_says(
    keenline: Keenline, learnt: Path, plates: Path, tmp_path: Path
):
    table = tmp_path / "origins.csv"
    rows = ["image,part,lot,session"]
    rows += [f"test/stain/{200 + k}.png,S{k // 2},L{k // 2},early" for k in range(4)]
    rows += [f"test/good/{100 + k}.png,,L0,late" for k in range(4)]
    table.write_text("\n".join(rows), encoding="utf-8")
    record = keenline("evaluate", learnt, plates, "--provenance", table, "--json").record
    found = record["evidence"]
    (stain,) = found["classes"]
    assert (found["images"], found["parts"]) == (8, 6)
    assert stain["recall"]["n"] == 2  # four images of two parts
    assert record["recall"]["stain"]["n"] == 4
    assert stain["recognised"] is None  # nothing was taught
    groups = {(each["dimension"], each["value"], each["share"]["n"]) for each in stain["strata"]}
    assert groups == {("lot", "L0", 1), ("lot", "L1", 1), ("shift", "early", 2)}
    assert {each["value"] for each in found["good_strata"]} == {"L0", "late"}
    assert stain["needed"]["without_miss"] >= 57
    together = keenline(
        "evaluate", learnt, plates, "--provenance", table, "--views-together", "--json"
    ).record["evidence"]
    assert together["rule"] == "together"
    assert together["classes"][0]["recall"]["events"] >= stain["recall"]["events"]
