"""Turns the images worth a look into cards: picture, heat map, boxes and what is normal there."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow

from keenline.errors import KeenlineError
from keenline.report.class_maps import class_pictures, says_nothing
from keenline.report.content import Finding, ReportRow
from keenline.report.overlay import cut, heat_layer, outline_layer, shrink
from keenline.types import ANOMALY, Image, Mask, Prediction, Region

LONGEST = 640
"""Pixels of a picture's longer side."""
_CROP = 160
_FINDINGS = 4
"""Findings shown on one card; the others are counted."""
_BOXES = 40
"""Boxes drawn on one picture; only those of findings shown are numbered."""

ReadImage = Callable[[Path], Image]
ReadMask = Callable[[Path], Mask]


@dataclass(frozen=True, slots=True)
class Section:
    """Cards under one heading."""

    heading: str
    explanation: str
    rows: Sequence[ReportRow]
    """All that belong here, most important first; only some become cards."""


class CardMaker:
    """Makes cards until the page has its size."""

    def __init__(
        self,
        read: ReadImage,
        read_mask: ReadMask | None,
        *,
        budget: int,
        full: float,
        class_maps: str = "",
    ) -> None:
        """class_maps: what the maps of classes are, for people."""
        self._read, self._class_maps = read, class_maps
        self._read_mask = read_mask
        self._full = full
        self._left = budget

    def section(self, section: Section, most: int) -> str:
        """At most `most` cards, fewer when the page has become too large; says what is left out."""
        if not section.rows:
            return ""
        cards: list[str] = []
        for row in section.rows[:most]:
            card = self._card(row)
            if len(card) > self._left:
                break
            self._left -= len(card)
            cards.append(card)
        omitted = len(section.rows) - len(cards)
        note = f'<p class="note">{omitted} more not shown.</p>' if omitted else ""
        return (
            f"<section><h2>{escape(section.heading)} "
            f'<span class="count">{len(section.rows)}</span></h2>'
            f"<p>{escape(section.explanation)}</p>"
            f'<div class="cards">{"".join(cards)}</div>{note}</section>'
        )

    def _card(self, row: ReportRow) -> str:
        try:
            picture, image = self._picture(row)
            prediction = row.inspection.prediction
            maps = ""
            if prediction is not None and self._class_maps:
                maps = class_pictures(prediction, image, self._class_maps)
            below = maps + _findings(row, image)
        except KeenlineError as problem:
            picture = f'<p class="problem">No picture: {escape(str(problem))}</p>'
            below = ""
        return f'<article class="card">{picture}{_caption(row)}{below}</article>'

    def _picture(self, row: ReportRow) -> tuple[str, Image]:
        image = self._read(row.image)
        height, width = image.shape[:2]
        small = shrink(image, LONGEST)
        shape = (small.shape[0], small.shape[1])
        name = escape(row.image.name, quote=True)
        parts = [f'<img src="{_jpeg(small)}" alt="{name}">']
        prediction = row.inspection.prediction
        if prediction is not None:
            if not says_nothing(prediction):
                heat = heat_layer(prediction.map, row.inspection.threshold, shape, self._full)
                parts.append(f'<img class="layer heat" src="{_webp(heat)}" alt="">')
            parts.append(_boxes(_regions(row)[:_BOXES], width, height))
        if row.mask is not None and self._read_mask is not None:
            mask = self._read_mask(row.mask)
            if mask.any():
                outline = _png(outline_layer(mask, shape))
                parts.append(f'<img class="layer truth" src="{outline}" alt="labelled defect">')
        stage = f'<div class="picture" style="--ratio:{width / height:.5f}">{"".join(parts)}</div>'
        return f'<div class="stage">{stage}</div>', image


def _caption(row: ReportRow) -> str:
    label = "" if row.label is None else f'<span class="label">{escape(row.label)}</span>'
    score = "" if row.score is None else _score(row.score, row.inspection.threshold)
    folder = escape(row.image.parent.name)
    verdict = row.verdict.value
    return (
        f'<h3 title="{escape(str(row.image), quote=True)}">'
        f'<span class="folder">{folder}/</span>{escape(row.image.name)}</h3>'
        f'<p class="facts"><span class="verdict {verdict.lower()}">{verdict}</span>{label}'
        f"<span>{score}</span></p>"
    )


def _findings(row: ReportRow, image: Image) -> str:
    findings = row.findings or _plain(row.inspection.prediction)
    if not findings:
        return ""
    items = [
        f'<li><span class="number">{index}</span>{_crops(finding, image)}'
        f'<span class="says">{_says(finding, row.inspection.threshold)}</span></li>'
        for index, finding in enumerate(findings[:_FINDINGS], 1)
    ]
    rest = len(findings) - _FINDINGS
    more = f'<p class="note">{rest} more regions not shown.</p>' if rest > 0 else ""
    return f'<ol class="findings">{"".join(items)}</ol>{more}'


def _plain(prediction: Prediction | None) -> tuple[Finding, ...]:
    return () if prediction is None else tuple(Finding(region) for region in prediction.regions)


def _regions(row: ReportRow) -> list[Region]:
    """Those of the findings first, in their order, so that numbers on the picture match."""
    found = [finding.region for finding in row.findings]
    return found or [finding.region for finding in _plain(row.inspection.prediction)]


def _crops(finding: Finding, image: Image) -> str:
    seen = cut(image, finding.region) if finding.crop is None else finding.crop
    crops = _crop(seen, "found here")
    if finding.normal_patch is not None:
        crops += _crop(finding.normal_patch, "normal there", finding.normal_source)
    return crops


def _crop(image: Image, words: str, source: str = "") -> str:
    title = f' title="{escape(source, quote=True)}"' if source else ""
    picture = f'<img src="{_jpeg(shrink(image, _CROP))}" alt="{words}">'
    return f"<figure{title}>{picture}<figcaption>{words}</figcaption></figure>"


def _says(finding: Finding, threshold: float) -> str:
    region = finding.region
    name = escape(region.class_name)
    score = _score(region.score, threshold, "<br>")
    if region.class_name != ANOMALY:
        # A confidence of its own, which the threshold of what is strange says nothing about.
        score = f"confidence {region.score:.2f}"
    return f"<b>{name}</b><br>{_size(region)}<br>{score}"


def _size(region: Region) -> str:
    box = region.box
    if region.area_mm2 is None or region.area_px <= 0:
        return f"{box.width} × {box.height} px, {region.area_px:.0f} px²"
    scale = (region.area_mm2 / region.area_px) ** 0.5  # mm per pixel
    return f"{box.width * scale:.3g} × {box.height * scale:.3g} mm, {region.area_mm2:.3g} mm²"


def _score(score: float, threshold: float, between: str = " = ") -> str:
    if threshold <= 0:
        return f"score {score:.4g}"
    return f"score {score:.4g}{between}{score / threshold:.3g} × threshold"


def _boxes(regions: Sequence[Region], width: int, height: int) -> str:
    unit = max(width, height) / LONGEST
    parts = []
    for index, region in enumerate(regions, 1):
        box = region.box
        place = f'x="{box.x}" y="{box.y}" width="{box.width}" height="{box.height}"'
        parts.append(f'<rect class="under" {place}/><rect class="over" {place}/>')
        if index > _FINDINGS:
            continue
        side = 26 * unit
        x = min(max(0.0, box.x), width - side)
        y = box.y - side if box.y >= side else min(float(box.y + box.height), height - side)
        parts.append(
            f'<rect class="tag" x="{x:.1f}" y="{y:.1f}" width="{side:.1f}" height="{side:.1f}"/>'
            f'<text x="{x + side / 2:.1f}" y="{y + 0.76 * side:.1f}" '
            f'font-size="{20 * unit:.1f}" text-anchor="middle">{index}</text>'
        )
    drawing = "".join(parts)
    frame = f'viewBox="0 0 {width} {height}" aria-hidden="true"'
    return f'<svg class="layer boxes" {frame}>{drawing}</svg>'


def _jpeg(image: Image) -> str:
    return _embedded(Pillow.fromarray(np.ascontiguousarray(image)), "jpeg", quality=82)


def _webp(layer: NDArray[np.uint8]) -> str:
    return _embedded(Pillow.fromarray(layer), "webp", quality=55, alpha_quality=70, method=2)


def _png(layer: NDArray[np.uint8]) -> str:
    return _embedded(Pillow.fromarray(layer), "png", optimize=True)


def _embedded(picture: Pillow.Image, kind: str, **options: object) -> str:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return f"data:image/{kind};base64,{base64.b64encode(buffer.getvalue()).decode('ascii')}"
