"""`keenline demo`: from nothing to a report."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.cli.conftest import Keenline

from keenline.bundle import read_bundle


@pytest.mark.slow
def test_the_demo_learns_inspects_and_writes_a_report(keenline: Keenline, tmp_path: Path):
    folder = tmp_path / "a folder/demo"
    ran = keenline("demo", "--output", folder, "--line-seconds", 3)
    assert ran.code == 0
    assert sorted(path.name for path in folder.iterdir()) == [
        "images",
        "line",
        "made-by-keenline-demo.txt",
        "plate.keen",
        "recipe.toml",
        "report.html",
    ]
    assert list(folder.parent.iterdir()) == [folder]
    for kind in ("scratch", "dent", "pit", "stain"):
        line = next(line for line in ran.out.splitlines() if line.split()[:1] == [kind])
        assert line.split()[1] == "10"
    assert "report.html" in ran.out
    assert "every part has its own result" in ran.out
    assert "keenline inspect" in ran.out
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert "Demo plate" in page
    assert "mm²" in page
    manifest = read_bundle(folder / "plate.keen").manifest
    assert manifest.training.images == 60
    assert manifest.threshold.statement in ran.out
    # Again, over its own folder, with the same plates.
    record = keenline("evaluate", folder / "plate.keen", folder / "images", "--json").record
    assert keenline("demo", "--output", folder, "--line-seconds", 0).code == 0
    again = keenline("evaluate", folder / "plate.keen", folder / "images", "--json").record
    assert again["image_auroc"] == record["image_auroc"]
    assert again["threshold"] == record["threshold"]
