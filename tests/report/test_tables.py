"""Raw scores come back from CSV, JSON and Parquet as they went in."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from tests.report import synthetic

from keenline.report.tables import COLUMNS, inspection_record, write_csv, write_json, write_parquet


def test_csv_has_one_line_an_image(tmp_path: Path) -> None:
    content = synthetic.content()
    write_csv(content, tmp_path / "scores.csv")
    with (tmp_path / "scores.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == COLUMNS
    assert [row["image"] for row in rows] == [str(item.image) for item in content.rows]
    scores = [item.score for item in content.rows]
    assert [float(row["score"]) if row["score"] else None for row in rows] == scores


def test_json_holds_everything_and_no_nan(tmp_path: Path) -> None:
    content = synthetic.content()
    write_json(content, tmp_path / "report.json")
    facts = json.loads((tmp_path / "report.json").read_text("utf-8"))
    assert facts["verdicts"] == {"PASS": 9, "REJECT": 0, "REVIEW": 6, "INVALID": 1}
    assert facts["evaluation"]["recall"]["dent"]["n"] == 5
    assert len(facts["images"]) == len(content.rows)
    assert facts["skipped"] == [{"path": "notes & <b>.txt", "problem": "not an image"}]
    assert facts["images"][-1]["score"] is None


def test_the_record_of_one_image() -> None:
    item = synthetic.row("dent-0.png", "dent", 1.5)
    assert inspection_record("dent-0.png", item.inspection) == {
        "image": "dent-0.png",
        "verdict": "REVIEW",
        "score": 1.5,
        "threshold": 1.0,
        "regions": [
            {
                "class": "anomaly",
                "box": [80, 40, 30, 20],
                "area_px": 600.0,
                "area_mm2": 6.0,
                "score": 1.5,
            }
        ],
        "ms": 3.0,
        "reasons": ["anomaly"],
        "class_scores": {},
    }


def test_parquet_has_the_same_columns_and_nulls(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet", reason="the extra `parquet` is not installed")
    content = synthetic.content()
    write_parquet(content, tmp_path / "scores.parquet")
    table = parquet.read_table(tmp_path / "scores.parquet")
    assert tuple(table.column_names) == COLUMNS
    assert table["score"].to_pylist() == [item.score for item in content.rows]


def test_undecodable_file_names_are_written_everywhere(tmp_path: Path) -> None:
    odd = synthetic.row(os.fsdecode(b"caf\xe9.png"), "dent", 0.5)
    content = replace(synthetic.content(), rows=(odd,))
    write_csv(content, tmp_path / "scores.csv")
    write_json(content, tmp_path / "scores.json")
    back = json.loads((tmp_path / "scores.json").read_text("utf-8"))["images"][0]["image"]
    assert back == str(odd.image)
    if pytest.importorskip("pyarrow", reason="the extra `parquet` is not installed"):
        write_parquet(content, tmp_path / "scores.parquet")


def test_without_pyarrow_the_error_names_the_extra(tmp_path: Path) -> None:
    """In a process of its own, in which pyarrow cannot be imported."""
    script = (
        "import sys; sys.modules['pyarrow'] = None\n"
        "from pathlib import Path\n"
        "from keenline.errors import Code, EnvironmentMissing\n"
        "from keenline.report.tables import write_parquet\n"
        "from tests.report import synthetic\n"
        "try:\n"
        "    write_parquet(synthetic.content(), Path(sys.argv[1]))\n"
        "except EnvironmentMissing as missing:\n"
        "    assert missing.code == Code.EXTRA_MISSING and 'keenline[parquet]' in str(missing)\n"
        "    print('refused')\n"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "scores.parquet")]
    root = Path(__file__).parents[2]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(root), *sys.path])}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
    assert done.stdout == "refused\n"
    assert list(tmp_path.iterdir()) == []
