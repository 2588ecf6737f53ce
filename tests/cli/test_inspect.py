"""`keenline inspect`: the lines that others script, and the files it writes."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow.parquet
from PIL import Image
from tests.cli.conftest import Keenline, write_part

KEYS = ("image", "verdict", "score", "threshold", "regions", "ms")
REGION_KEYS = {"class", "box", "area_px", "area_mm2", "score"}


def test_one_object_a_line_with_the_stable_keys(keenline: Keenline, learnt: Path, plates: Path):
    ran = keenline("inspect", learnt, plates / "test", "--json")
    assert ran.code == 0
    assert ran.err == ""
    lines = [json.loads(line) for line in ran.out.splitlines()]
    assert len(lines) == 8
    for line in lines:
        assert list(line)[: len(KEYS)] == list(KEYS)
        assert line["verdict"] in ("PASS", "REVIEW")
        assert (line["score"] > line["threshold"]) == (line["verdict"] == "REVIEW")
        assert line["ms"] > 0
        for region in line["regions"]:
            assert set(region) == REGION_KEYS
            x, y, width, height = region["box"]
            assert 0 <= x < x + width <= 128
            assert 0 <= y < y + height <= 96
            assert region["area_mm2"] is None
    stained = [line for line in lines if "stain" in line["image"]]
    assert max(line["score"] for line in stained) == max(line["score"] for line in lines)
    assert any(line["regions"] for line in stained)


def test_a_pixel_size_in_the_recipe_gives_mm(keenline: Keenline, plates: Path, tmp_path: Path):
    recipe = tmp_path / "r.toml"
    recipe.write_text("[image]\nsize = 96\npixel_size_mm = 0.5\n")
    bundle = tmp_path / "p.keen"
    assert (
        keenline("train", plates, "-o", bundle, "--recipe", recipe, "--precision", "f32").code == 0
    )
    out = keenline("inspect", bundle, plates / "test/stain", "--json").out
    regions = [region for line in out.splitlines() for region in json.loads(line)["regions"]]
    assert regions
    for region in regions:
        assert abs(region["area_mm2"] - region["area_px"] * 0.25) < 0.02 + region["area_mm2"] / 100


def test_files_and_folders_each_image_once_in_order(keenline: Keenline, learnt: Path, plates: Path):
    folder = plates / "test/good"
    first = folder / "100.png"
    out = keenline("inspect", learnt, first, folder, plates / "train/good/000.png", "--json").out
    images = [json.loads(line)["image"] for line in out.splitlines()]
    assert images == [str(folder / f"{n}.png") for n in range(100, 104)] + [
        str(plates / "train/good/000.png")
    ]


def test_masks_beside_images_are_no_parts(keenline: Keenline, learnt: Path, tmp_path: Path):
    root = tmp_path / "labelled"
    for number, photo in enumerate(("a.png", "scratch/b.bmp", "scratch/c.jpg")):
        write_part(root / photo, number)
    masks = ("a_mask.png", "scratch/c.png", "ground_truth/scratch/b.png")
    for mask in masks:
        (root / mask).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.eye(96, 128, dtype=np.uint8) * 255).save(root / mask)
    ran = keenline("inspect", learnt, root, root / "a_mask.png")
    assert "Masks are not inspected: 2, such as" in ran.err
    ran = keenline("inspect", learnt, root, "--json")
    assert "Masks are not inspected: 3, such as" in ran.err
    told = ran.out.splitlines()
    images = [Path(json.loads(line)["image"]).relative_to(root).as_posix() for line in told]
    assert images == ["a.png", "scratch/b.bmp", "scratch/c.jpg"]
    alone = keenline("inspect", learnt, root / "ground_truth", "--json").out.splitlines()
    assert len(alone) == 1


def test_two_photos_of_one_name_are_both_inspected(
    keenline: Keenline, learnt: Path, tmp_path: Path
):
    for name in ("a.png", "a.bmp"):
        write_part(tmp_path / name, 1)
    assert len(keenline("inspect", learnt, tmp_path, "--json").out.splitlines()) == 2


def test_a_line_for_people_and_a_summary(keenline: Keenline, learnt: Path, plates: Path):
    ran = keenline("inspect", learnt, plates / "test")
    lines = ran.out.splitlines()
    assert lines[0].split() == ["verdict", "score", "of", "limit", "regions", "ms", "image"]
    shown = [line for line in lines if line.startswith(("PASS", "REVIEW"))]
    assert len(shown) == 8
    assert len({line.index(str(plates)) for line in shown}) == 1  # the columns line up
    assert lines[-1].startswith("8 images")
    assert "threshold" in lines[-1]


def test_the_verdict_as_an_exit_code(
    keenline: Keenline, learnt: Path, plates: Path, tmp_path: Path
):
    good = plates / "train/good/000.png"
    assert keenline("inspect", learnt, good, "--exit-verdict").code == 0
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"")
    assert keenline("inspect", learnt, good, bad, "--exit-verdict").code == 1
    assert keenline("inspect", learnt, good, bad, "--exit-verdict", "--json").code == 1
    assert keenline("inspect", learnt, good, bad).code == 0


def test_a_named_file_is_judged_whatever_its_ending(
    keenline: Keenline, learnt: Path, plates: Path, tmp_path: Path
):
    odd = tmp_path / "photo.dat"
    shutil.copy(plates / "train/good/000.png", odd)
    assert keenline("inspect", learnt, odd, "--json").record["verdict"] == "PASS"


def test_both_engines_agree(keenline: Keenline, learnt: Path, plates: Path):
    def scores(engine: str) -> list[float]:
        out = keenline("inspect", learnt, plates / "test", "--engine", engine, "--json").out
        return [json.loads(line)["score"] for line in out.splitlines()]

    pairs = zip(scores("openvino"), scores("onnxruntime"), strict=True)
    assert all(abs(one - other) <= 0.01 * one for one, other in pairs)


def test_the_files_that_are_asked_for(
    keenline: Keenline, learnt: Path, plates: Path, tmp_path: Path
):
    report, table, parquet = (tmp_path / f"r.{kind}" for kind in ("html", "csv", "parquet"))
    ran = keenline(
        "inspect", learnt, plates / "test",
        "--report", report, "--csv", table, "--parquet", parquet,
    )  # fmt: skip
    assert ran.code == 0
    assert all(str(path) in ran.out for path in (report, table, parquet))
    page = report.read_text(encoding="utf-8")
    assert "normal there" in page  # the nearest normal patch of a finding
    assert "http://" not in page.replace("http://www.w3.org", "")
    with table.open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 8
    columns = pyarrow.parquet.read_table(parquet).to_pydict()
    assert columns["score"] == [float(row["score"]) for row in rows]


def test_json_and_files_at_once(keenline: Keenline, learnt: Path, plates: Path, tmp_path: Path):
    report = tmp_path / "r.html"
    ran = keenline("inspect", learnt, plates / "test", "--report", report, "--json")
    assert ran.code == 0
    assert len([json.loads(line) for line in ran.out.splitlines()]) == 8
    assert report.stat().st_size > 10_000
