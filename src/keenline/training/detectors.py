"""The one list of detectors: turns a recipe into what learns the part."""

from __future__ import annotations

from collections.abc import Callable

from keenline.bundle import BackboneFacts, Precision
from keenline.errors import Code, TrainingError
from keenline.lighting_settings import LightingSettings
from keenline.models.backbones import Backbone, open_backbone
from keenline.models.base import Detector
from keenline.recipe import Recipe

AUTO_SIDE = 384
"""Side in pixels of the square of equal area to which larger images are brought by default."""


class Chosen:
    """A detector with what the rest of training must know about it."""

    def __init__(
        self,
        detector: Detector,
        multiple: int,
        backbone: BackboneFacts | None = None,
        name: str = "",
    ) -> None:
        self.detector = detector
        self.multiple = multiple
        """Width and height of a view are multiples of this."""
        self.backbone = backbone
        self.name = name
        """What the bundle calls it; empty: as the recipe does."""


def choose_detector(recipe: Recipe) -> Chosen:
    """Raises TrainingError (unknown, or a precision it cannot have) or BackboneError."""
    name = recipe.detector.name
    if name not in DETECTORS:
        raise TrainingError(
            Code.DETECTOR_UNKNOWN,
            "There is no such detector",
            expected=" or ".join(DETECTORS),
            got=name,
        )
    if recipe.detector.precision == "bf16" and recipe.detector.engine != "openvino":
        raise TrainingError(
            Code.OPTION_CONFLICT,
            "Only OpenVINO computes in bf16",
            where="precision and engine",
            expected="engine openvino, or precision auto, f32 or int8",
            got=f"engine {recipe.detector.engine}, precision bf16",
        )
    if recipe.detector.precision == "bf16" and recipe.lighting != LightingSettings():
        raise TrainingError(
            Code.OPTION_CONFLICT,
            "Grey levels and their counts are not computed in bf16",
            where="precision, and [lighting] of the recipe",
            expected="precision auto, f32 or int8",
            got="bf16",
            next="int8 is faster than bf16 anyway, and leaves the light in f32",
        )
    return DETECTORS[name](recipe)


def _memory_bank(recipe: Recipe) -> Chosen:
    from keenline.models.memory_bank import MemoryBank
    from keenline.models.positioned_bank import PositionedBank
    from keenline.training.quantize import quantise

    settings = recipe.detector
    backbone = open_backbone(settings.backbone)
    precision: Precision = "int8" if settings.precision == "auto" else settings.precision
    kind = PositionedBank if recipe.inspect.fixtured else MemoryBank
    detector = kind(
        backbone,
        bank_size=settings.bank_size,
        brightness=recipe.augment.brightness,
        rotations=recipe.augment.rotations,
        precision=precision,
        quantise=quantise if precision == "int8" else None,
        fall_back=settings.precision == "auto",
    )
    return Chosen(detector, backbone.description.multiple_of, _facts(backbone))


def _classical(recipe: Recipe) -> Chosen:
    from keenline.models.classical import Classical

    precision = recipe.detector.precision
    if precision not in ("auto", "f32"):
        raise TrainingError(
            Code.OPTION_CONFLICT,
            "The classical detector computes in f32 only",
            where="precision",
            expected="auto or f32",
            got=precision,
            next="it compares neighbouring grey levels, which coarser numbers would make equal",
        )
    if recipe.inspect.fixtured:
        raise TrainingError(
            Code.OPTION_CONFLICT,
            "The classical detector does not tell places apart",
            where="recipe, [inspect] fixtured",
            expected="detector memory_bank, or fixtured = false",
            got="detector classical, fixtured = true",
        )
    return Chosen(Classical(), 16)


DETECTORS: dict[str, Callable[[Recipe], Chosen]] = {
    "memory_bank": _memory_bank,
    "classical": _classical,
}


def _facts(backbone: Backbone) -> BackboneFacts:
    about = backbone.description
    return BackboneFacts(
        name=backbone.name,
        network=about.network,
        source=about.source,
        licence=about.licence,
        sha256=backbone.sha256,
    )
