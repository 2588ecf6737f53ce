"""A bundle and an image turned into a prediction and a verdict."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from keenline.bundle import GRAPH, Bundle, Manifest, read_bundle
from keenline.data.reading import read_image
from keenline.decision import decide
from keenline.errors import Code, EngineError, ImageError, KeenlineError
from keenline.inference.engines import open_engine
from keenline.inference.explaining import Explained, Explainer
from keenline.inference.framing import Framing
from keenline.inference.regions import find_regions
from keenline.inference.scoring import Scorer
from keenline.recipe import DefectClass
from keenline.types import ANOMALY, Image, Inspection, Prediction, Region

CERTAIN = DefectClass(name="any").threshold
"""The confidence above which a class that the recipe does not name is taken to be there."""


class Inspector:
    """Inspects images of one part. One thread at a time."""

    def __init__(self, bundle: Bundle, *, engine: str | None = None, threads: int = 0) -> None:
        self.bundle = bundle
        facts = bundle.manifest.engine
        framing = Framing(bundle.manifest.framing)
        compiled = open_engine(
            bundle.members[GRAPH],
            name=engine or facts.name,
            precision=facts.precision,
            threads=threads,
            side_by_side=framing.facts.tile is not None,
        )
        self._scorer = Scorer(compiled, framing, bundle.manifest.recipe.inspect)
        self._explainer: Explainer | None = None
        self._counts = bundle.manifest.training_counts

    @classmethod
    def open(cls, path: Path | str, *, engine: str | None = None, threads: int = 0) -> Inspector:
        """Read, verify and compile a bundle; raises BundleError or EngineError."""
        return cls(read_bundle(Path(path)), engine=engine, threads=threads)

    @property
    def manifest(self) -> Manifest:
        return self.bundle.manifest

    @property
    def threshold(self) -> float:
        """The score above which a part does not pass."""
        return self.manifest.threshold.value

    @property
    def engine_version(self) -> str:
        return self._scorer.engine.version

    def inspect(self, image: Image | Path | str) -> Inspection:
        """Inspect a file or an array (height, width, 3), uint8, RGB.

        Never raises for what is wrong with one image: the verdict is then INVALID and the reason
        says why, because a part that could not be inspected must not pass.
        """
        path = None if isinstance(image, np.ndarray) else Path(image)
        try:
            pixels = self.read(path) if path else _checked(image)
        except ImageError as error:
            return self._invalid(path, (0, 0), error, 0.0)
        return self.inspect_pixels(pixels, path)

    def read(self, path: Path) -> Image:
        """An image as this bundle wants it read; raises ImageError."""
        return read_image(path, bit_depth=self.manifest.framing.bit_depth)

    def inspect_pixels(self, pixels: Image, path: Path | None = None) -> Inspection:
        """`inspect` for an image that is already decoded; `path` is only passed on."""
        start = time.perf_counter()
        height, width = pixels.shape[:2]
        try:
            prediction = self._predict(pixels)
        except (ImageError, EngineError) as error:
            return self._invalid(path, (width, height), error, _since(start))
        decision = decide(
            prediction,
            threshold=self.threshold,
            recipe=self.manifest.recipe,
            training_counts=self._counts,
        )
        return Inspection(
            path, (width, height), prediction, decision, self.threshold, _since(start)
        )

    def explain(self, image: Image, regions: Sequence[Region], limit: int = 3) -> list[Explained]:
        """For the highest regions the place in the image and the normal patch it was held to.

        The first call compiles a second graph, which takes some tenths of a second.
        """
        if self._explainer is None:
            self._explainer = Explainer(self.bundle)
        return self._explainer.explain(image, regions, limit)

    def _predict(self, pixels: Image) -> Prediction:
        height, width = pixels.shape[:2]
        if not self._scorer.framing.fits(width, height):
            raise self._scorer.framing.wrong_size(width, height)
        scored = self._scorer.score(pixels)
        recipe = self.manifest.recipe
        found: list[Region] = []
        names = [known.name for known in self.manifest.classes]
        scores = dict(zip(names, map(float, scored.class_scores), strict=True))
        maps = dict(zip(names, scored.class_maps, strict=True))
        limits = {known.name: known.threshold for known in recipe.classes}
        limited = [
            (name, scores[name], limits.get(name, CERTAIN), part)
            for name, part in zip(names, scored.class_maps, strict=True)
        ]
        for name, score, limit, part in (
            *limited,
            (ANOMALY, scored.score, self.threshold, scored.map),
        ):
            if score > limit:
                found += find_regions(
                    part,
                    limit,
                    (width, height),
                    class_name=name,
                    pixel_size_mm=recipe.image.pixel_size_mm,
                    roi=scored.roi,
                )
        return Prediction(scored.score, scored.map, tuple(found), scores, maps)

    def _invalid(
        self, path: Path | None, size: tuple[int, int], error: KeenlineError, milliseconds: float
    ) -> Inspection:
        decision = decide(
            None,
            threshold=self.threshold,
            recipe=self.manifest.recipe,
            invalid_reason=str(error),
        )
        return Inspection(path, size, None, decision, self.threshold, milliseconds, int(error.code))


def _since(start: float) -> float:
    return (time.perf_counter() - start) * 1e3


def _checked(image: object) -> Image:
    if (
        isinstance(image, np.ndarray)
        and image.dtype == np.uint8
        and image.ndim == 3
        and image.shape[2] == 3
        and image.size
    ):
        return image
    got = f"{image.dtype} {image.shape}" if isinstance(image, np.ndarray) else type(image).__name__
    raise ImageError(
        Code.IMAGE_MODE,
        "The array is not an image",
        expected="uint8 (height, width, 3), RGB",
        got=got,
    )
