"""`keenline study` and `keenline pod`, used as people do: planned, recorded, killed, reported."""

from __future__ import annotations

import csv
import json
import signal
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.cli.conftest import Keenline, environment, program

from keenline.data.study_folder import appraisers_of, read_calls, read_study
from keenline.report.study_page import HEAD

PLAN = ("--appraisers", "ana,ben", "--parts", 6, "--trials", 2, "--borderline", 0.5, "--seed", 3)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A list of eight parts of which one was captured twice."""
    rows = ["part,image,reference,borderline"]
    for number in range(9):
        image = tmp_path / f"photo-{number}-dent.png"
        Image.fromarray(np.full((96, 128), 20 * number, np.uint8)).save(image)
        part, label = min(number, 7), "good" if number < 4 else "dent"
        rows.append(f"part{part},{image.name},{label},{'yes' if number in (0, 5) else 'no'}")
    table = tmp_path / "parts.csv"
    table.write_text("\n".join(rows) + "\n")
    return table


@pytest.fixture
def planned(keenline: Keenline, photos: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "study"
    ran = keenline("study", "plan", photos, "-o", folder, *PLAN, "--json")
    assert ran.code == 0, ran.out
    assert ran.record["to_reject"] == 3
    assert ran.record["borderline"] == 2
    assert any("AIAG asks for 50" in note for note in ran.record["notes"])
    return folder


def fill(sheet: Path, study: Path, wrong: set[str]) -> None:
    """Fill in a sheet by the reference, except for the codes in `wrong`."""
    truth = {code: part.is_good for code, part in read_study(study).parts.items()}
    with sheet.open() as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        row["call"] = "accept" if truth[row["part"]] != (row["part"] in wrong) else "Reject"
    with sheet.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)


def test_a_plan_is_blind_in_orders_of_its_own_and_the_same_again(
    keenline: Keenline, planned: Path, photos: Path, tmp_path: Path
):
    study = read_study(planned)
    orders = [trial for trials in study.orders.values() for trial in trials]
    assert len(set(orders)) == 4
    assert all(sorted(order) == sorted(study.parts) for order in orders)
    shown = (planned / "sheets/ana.csv").read_text()
    assert "dent" not in shown
    assert "photo" not in shown
    again = tmp_path / "again"
    assert keenline("study", "plan", photos, "-o", again, *PLAN).code == 0
    assert read_study(again).orders == study.orders
    assert keenline("study", "plan", photos, "-o", again, *PLAN).code == 3  # never overwritten


def test_sheets_and_a_bundle_are_reported_together(
    keenline: Keenline, planned: Path, learnt: Path, tmp_path: Path
):
    wrong = next(code for code, part in read_study(planned).parts.items() if not part.is_good)
    for name, mistakes in (("ana", set()), ("ben", {wrong})):
        sheet = planned / f"sheets/{name}.csv"
        fill(sheet, planned, mistakes)
        ran = keenline("study", "record", planned, "--calls", sheet, "--appraiser", name)
        assert ran.code == 0, ran.err
    assert keenline("study", "record", planned, "--bundle", learnt).code == 0
    page = tmp_path / "r.html"
    record = keenline("study", "report", planned, "--report", page, "--json").record
    ana, ben, model = record["appraisers"]
    assert (ana["rating"], ben["rating"], model["name"]) == ("acceptable", "unacceptable", "plate")
    assert ben["miss"]["events"] == 2  # both trials
    assert model["within"]["value"] == 1 or model["parts"] < 6
    assert any("plate is a model" in note for note in record["notes"])
    text = page.read_text("utf-8")
    assert all(word in text for word in (*HEAD, "unacceptable", "is a model"))
    second = keenline("study", "record", planned, "--calls", planned / "sheets/ana.csv",
                      "--appraiser", "ana")  # fmt: skip
    assert second.code == 3
    assert "made before" in second.err


def test_calls_made_in_the_terminal_survive_kill_and_go_on(planned: Path):
    command = program("study", "record", planned, "--appraiser", "ana")
    begun = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment(), text=True
    )
    assert begun.stdin is not None
    begun.stdin.write("a\nr\nr\n")
    begun.stdin.flush()
    calls = planned / "calls/ana.jsonl"
    while not calls.exists() or calls.read_text().count("\n") < 3:
        assert begun.poll() is None
    begun.send_signal(signal.SIGKILL)
    begun.communicate()
    with calls.open("ab") as file:
        file.write(b'{"trial": 1, "pa')  # what a power cut leaves
    done = subprocess.run(
        command, input="a\n" * 9, env=environment(), text=True, capture_output=True, check=True
    )
    assert "4 of 12" in done.stdout
    study = read_study(planned)
    said = read_calls(study, "ana")
    assert [(call.trial, call.part) for call in said] == [
        (trial, code) for trial, order in enumerate(study.orders["ana"], 1) for code in order
    ]
    assert [call.accept for call in said[:4]] == [True, False, False, True]
    assert appraisers_of(study) == ("ana", "ben")


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ("9,P1,accept", "no such part or trial"),
        ("1,P77,accept", "no such part or trial"),
        ("1,P1,perhaps", "no call"),
        ("one,P1,accept", "no call"),
    ],
)
def test_a_row_that_is_no_call_is_refused(
    keenline: Keenline, planned: Path, tmp_path: Path, row: str, why: str
):
    table = tmp_path / "calls.csv"
    table.write_text(f"trial,part,call\n{row}\n")
    ran = keenline("study", "record", planned, "--calls", table, "--appraiser", "ana")
    assert ran.code == 3
    assert why in ran.err
    assert keenline("study", "report", planned).code == 3


def test_an_image_or_a_plan_that_was_changed_is_seen(
    keenline: Keenline, planned: Path, learnt: Path
):
    (planned / "images").joinpath("P1.png").write_bytes(b"other")
    ran = keenline("study", "record", planned, "--bundle", learnt)
    assert "[KL1281]" in ran.err
    plan = planned / "study.json"
    plan.write_text(plan.read_text().replace('"study": 1', '"study": 2'))
    assert "[KL1281]" in keenline("study", "report", planned).err


def test_pod_of_a_table(keenline: Keenline, tmp_path: Path):
    random = np.random.default_rng(7)
    sizes = np.exp(random.uniform(np.log(0.2), np.log(3), 150))
    hits = random.random(150) < 1 / (1 + np.exp(-2.2 - 4 * np.log(sizes)))
    table, page = tmp_path / "hits.csv", tmp_path / "pod.html"
    rows = [f"pore;{size:.4f};{int(hit)}" for size, hit in zip(sizes, hits, strict=True)]
    rows += ["scratch;1.0;found", "scratch;2.0;missed"]
    table.write_text("Class;Size;Hit\n" + "\n".join(rows) + "\n")
    record = keenline("pod", table, "--report", page, "--json").record
    pore, scratch = record["classes"]["pore"], record["classes"]["scratch"]
    assert record["unit"] == "mm"
    assert pore["a50"] < pore["a90"] < pore["a90_95"] < 3
    assert scratch["a90_95"] is None
    assert scratch["refusals"][0].startswith("too few defects")
    assert f"{pore['a90_95']:.3g} mm" in page.read_text("utf-8")
    assert "refused" not in keenline("pod", table).out.splitlines()[1]
    table.write_text("size,hit\n0,1\n")
    assert "[KL1285]" in keenline("pod", table).err
    assert json.loads(keenline("pod", table, "--json").out)["code"] == 1285


def test_pod_of_images_counts_each_marked_defect(
    keenline: Keenline, learnt: Path, plates: Path, tmp_path: Path
):
    root, hits = tmp_path / "plate", tmp_path / "hits.csv"
    for image in sorted((plates / "test").rglob("*.png")):
        target = root / image.relative_to(plates)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(image.read_bytes())
        if "stain" in image.parts:
            mask = np.zeros((96, 128), np.uint8)
            mask[10:20, 30:60], mask[70:72, 5:9] = 255, 255
            place = root / f"ground_truth/stain/{image.stem}_mask.png"
            place.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(mask).save(place)
    (root / "train/good").mkdir(parents=True)
    first = next((plates / "train/good").iterdir())
    (root / "train/good" / first.name).write_bytes(first.read_bytes())
    ran = keenline("pod", learnt, root, "--csv", hits, "--pixel-size-mm", 0.1, "--json")
    assert ran.record["unit"] == "mm"
    assert ran.record["classes"]["stain"]["defects"] == 8
    with hits.open() as file:
        sizes = sorted(float(row["size"]) for row in csv.DictReader(file))
    assert sizes[0] == pytest.approx(0.1 * np.hypot(2, 4), rel=1e-4)
    assert sizes[-1] == pytest.approx(0.1 * np.hypot(10, 30), rel=1e-4)
