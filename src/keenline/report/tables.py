"""Turns a report's content into raw scores for machines: JSON, CSV, Parquet."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

from keenline.errors import Code, EnvironmentMissing
from keenline.report.content import ReportContent, ReportRow
from keenline.report.writing import as_utf8, write_whole
from keenline.types import Inspection, Region

COLUMNS = (
    "image",
    "label",
    "verdict",
    "score",
    "threshold",
    "regions",
    "region_area_px",
    "region_area_mm2",
    "width_px",
    "height_px",
    "ms",
    "reasons",
    "part",
    "class_scores",
)
"""Columns of the CSV and Parquet files; one row an image. `class_scores` is a JSON object."""


def inspection_record(image: str, inspection: Inspection) -> dict[str, object]:
    """One image as JSON values: the line that `keenline inspect --json` prints."""
    prediction = inspection.prediction
    return {
        "image": image,
        "verdict": inspection.decision.verdict.value,
        "score": None if prediction is None else float(prediction.score),
        "threshold": float(inspection.threshold),
        "regions": [] if prediction is None else [_region(item) for item in prediction.regions],
        "ms": round(float(inspection.milliseconds), 3),
        "reasons": list(inspection.decision.reasons),
        "class_scores": _class_scores(inspection),
    }


def write_json(content: ReportContent, path: Path) -> None:
    """Write everything but the pictures; raises OutputError."""
    evaluation = content.evaluation
    document = {
        "title": content.title,
        "created": content.created.isoformat(),
        "facts": dict(content.facts),
        "threshold": content.threshold,
        "statement": content.statement,
        "verdicts": {verdict.value: count for verdict, count in content.verdicts.items()},
        "evaluation": None if evaluation is None else evaluation.as_dict(),
        "images": [
            inspection_record(str(row.image), row.inspection)
            | {"label": row.label, "part": row.part}
            for row in content.rows
        ],
        "skipped": [{"path": str(item.path), "problem": item.problem} for item in content.skipped],
    }
    text = json.dumps(document, ensure_ascii=False, indent=1, allow_nan=False)
    write_whole(as_utf8(text + "\n"), path)


def write_csv(content: ReportContent, path: Path) -> None:
    """Write one line an image, columns as in `COLUMNS`, empty where unknown; raises OutputError."""
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(_flat(row) for row in content.rows)
    write_whole(as_utf8(buffer.getvalue()), path)


def write_parquet(content: ReportContent, path: Path) -> None:
    """Write one row an image, columns as in `COLUMNS`, null where unknown.

    Raises OutputError, and EnvironmentMissing when the extra `parquet` is not installed.
    """
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ImportError as missing:
        raise EnvironmentMissing(
            Code.EXTRA_MISSING,
            "Writing Parquet needs pyarrow",
            where=path,
            next="pip install 'keenline[parquet]', or write CSV",
        ) from missing
    kinds = {"regions": pa.int32(), "width_px": pa.int32(), "height_px": pa.int32()}
    kinds |= dict.fromkeys(
        ("image", "label", "verdict", "reasons", "part", "class_scores"), pa.string()
    )
    schema = pa.schema([(name, kinds.get(name, pa.float64())) for name in COLUMNS])
    rows = [_text_safe(_flat(row)) for row in content.rows]
    buffer = io.BytesIO()
    parquet.write_table(pa.Table.from_pylist(rows, schema=schema), buffer)
    write_whole(buffer.getvalue(), path)


def _flat(row: ReportRow) -> dict[str, object]:
    inspection = row.inspection
    regions = inspection.prediction.regions if inspection.prediction else ()
    sizes = [region.area_mm2 for region in regions if region.area_mm2 is not None]
    return {
        "image": str(row.image),
        "label": row.label,
        "verdict": row.verdict.value,
        "score": row.score,
        "threshold": inspection.threshold,
        "regions": len(regions),
        "region_area_px": float(sum(region.area_px for region in regions)),
        "region_area_mm2": sum(sizes) if sizes else None,
        "width_px": inspection.size[0],
        "height_px": inspection.size[1],
        "ms": round(inspection.milliseconds, 3),
        "reasons": "; ".join(inspection.decision.reasons),
        "part": row.part,
        "class_scores": json.dumps(_class_scores(inspection), ensure_ascii=False),
    }


def _class_scores(inspection: Inspection) -> dict[str, float]:
    prediction = inspection.prediction
    return {} if prediction is None else {k: float(v) for k, v in prediction.class_scores.items()}


def _region(region: Region) -> dict[str, object]:
    box = region.box
    return {
        "class": region.class_name,
        "box": [box.x, box.y, box.width, box.height],
        "area_px": float(region.area_px),
        "area_mm2": None if region.area_mm2 is None else float(region.area_mm2),
        "score": float(region.score),
    }


def _text_safe(record: dict[str, object]) -> dict[str, object]:
    return {
        key: as_utf8(value).decode("utf-8") if isinstance(value, str) else value
        for key, value in record.items()
    }
