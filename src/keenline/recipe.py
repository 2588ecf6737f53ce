"""Turns a TOML file into a Recipe: what to inspect for one product, strict, frozen and hashed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import Field, ValidationInfo, field_validator

from keenline.augment_settings import ClassAugment
from keenline.challenge_settings import ChallengeSettings
from keenline.errors import Code, RecipeError
from keenline.learning_settings import LearningSettings
from keenline.lighting_settings import LightingSettings
from keenline.readiness_settings import ReadinessSettings
from keenline.strict_toml import Fault, StrictTable, TomlFaults, content_fault, parse_strictly
from keenline.toml_lines import KeyPath
from keenline.types import ANOMALY, GOOD, Authority
from keenline.value_words import Words

_FromZero = Annotated[int, Field(ge=0)]
_FromOne = Annotated[int, Field(ge=1)]
BoxValues: TypeAlias = Annotated[
    tuple[_FromZero, _FromZero, _FromOne, _FromOne],
    Field(strict=False),
    Words("[x, y, width, height] in whole pixels, x and y from 0, width and height from 1"),
]
"""x, y, width, height in pixels of the image as it was read."""


class ImageSettings(StrictTable):
    """`[image]`: how an image is brought to the model."""

    size: Annotated[int, Field(ge=32, le=4096)] | Literal["auto", "native"] = "auto"
    """Side in pixels of the square of equal area that an image is resized to, aspect kept;
    `auto`: chosen from the images; `native`: not resized, tiled when large."""
    pixel_size_mm: float | None = Field(default=None, gt=0)
    """Side of one pixel on the part; without it nothing is stated in mm."""
    bit_depth: Literal[8, 10, 12, 14, 16] | None = None
    """Bits that carry the signal in 16-bit files; without it, all of them."""
    tile: int = Field(default=512, ge=128, le=2048, multiple_of=32)
    """Side of a tile in pixels."""
    tile_overlap: Annotated[int, Words("whole number, 0 to half of tile")] = 64
    """Pixels that neighbouring tiles share."""

    @field_validator("tile_overlap")
    @classmethod
    def _at_most_half_a_tile(cls, overlap: int, info: ValidationInfo) -> int:
        tile = info.data.get("tile", 2048)  # a wrong tile is its own fault
        if not 0 <= overlap <= tile // 2:
            raise content_fault(
                f"= {overlap}; allowed: whole number, 0 to {tile // 2}, half of tile"
            )
        return overlap


class InspectSettings(StrictTable):
    """`[inspect]`: where on the image to look."""

    roi: tuple[BoxValues, ...] = Field(default=(), strict=False)
    """Boxes that are inspected; none: the whole image."""
    ignore: tuple[BoxValues, ...] = Field(default=(), strict=False)
    """Boxes that are not inspected, also where they lie in a `roi`."""
    fixtured: bool = False
    """The part always lies in the same position: each place is compared with itself."""


class AugmentSettings(StrictTable):
    """`[augment]`: how good parts may also look, and the noise of the camera."""

    brightness: float = Field(default=0.2, ge=0, le=0.5)
    """Fraction by which the light may become brighter or darker."""
    rotations: tuple[Literal[90, 180, 270], ...] = Field(default=(), strict=False)
    """Degrees by which the part may also lie turned."""
    full_well: float | None = Field(default=None, gt=0)
    """Electrons that give the largest grey value (EMVA 1288: saturation capacity, at the gain in
    use); without it no noise is simulated."""
    read_noise: float = Field(default=0.0, ge=0)
    """Electrons of noise in the dark (EMVA 1288: temporal dark noise)."""


class Gates(StrictTable):
    """`[gates]`: what must hold before a verdict stands on its own."""

    false_alarm_rate: float = Field(default=0.05, ge=0.001, le=0.5)
    """Share of good parts that may be sent to review."""
    confidence: float = Field(default=0.95, ge=0.5, le=0.999)
    """Of every stated bound, one-sided."""
    anomaly_may_reject: bool = False
    """Whether the anomaly score alone may reject, not only ask for a review."""
    uncertain_band: float = Field(default=0.0, ge=0, le=0.5)
    """A class score within this fraction of its threshold, on either side, asks for a review."""
    minimum_samples_to_reject: int = Field(default=30, ge=30)
    """Confirmed training samples below which a class only flags."""


class ReviewSettings(StrictTable):
    """`[review]`: what the line does with a part that waits for a person."""

    actuates: Literal["divert", "reject", "pass-and-hold"] = "divert"
    """`divert`: off the line to a person; `pass-and-hold`: on, and the lot is held."""


class DefectClass(StrictTable):
    """`[[classes]]`: one kind of defect."""

    name: str = Field(min_length=1)
    """Not `good` and not `anomaly`; each name once."""
    authority: Authority = Field(default=Authority.FLAG, strict=False)
    """`flag`: asks for a review; `reject`: rejects, once it was granted to the class in the bundle
    and enough samples are confirmed."""
    threshold: float = Field(default=0.5, ge=0, le=1)
    """Confidence above which the class is taken to be there."""
    miss_cost: float = Field(default=100.0, ge=0)
    """Cost of one missed defect, in the unit of `[costs]`."""
    prevalence: float | None = Field(default=None, ge=0, le=1)
    """Share of the parts on the line that show it; without it, that of the labelled parts."""
    uncertain_band: float | None = Field(default=None, ge=0, le=1)
    """In place of `gates.uncertain_band` for this class."""
    minimum_area_mm2: float | None = Field(default=None, ge=0)
    """Smaller defects of this class are tolerated; without it, none is."""
    augment: ClassAugment = ClassAugment()

    @field_validator("name")
    @classmethod
    def _not_a_reserved_name(cls, name: str) -> str:
        if name in (GOOD, ANOMALY):
            raise content_fault(f'= "{name}"; allowed: text other than "{GOOD}" and "{ANOMALY}"')
        return name


class Costs(StrictTable):
    """`[costs]`: what a wrong or slow answer costs, in any one unit."""

    false_alarm: float = Field(default=1.0, ge=0)
    """Cost of one good part taken off the line."""
    review: float = Field(default=0.2, ge=0)
    """Cost of one part looked at by a person."""


class DetectorSettings(StrictTable):
    """`[detector]`: what learns the part and what runs it."""

    name: str = Field(default="memory_bank", min_length=1)
    """`memory_bank` or `classical`."""
    backbone: str = Field(default="keenline", min_length=1)
    """`keenline`, `filterbank`, `onnx:PATH` or `timm:NAME`."""
    engine: Literal["openvino", "onnxruntime"] = "openvino"
    precision: Literal["auto", "f32", "bf16", "int8"] = "auto"
    """Of the numbers the engine computes with; `auto` is settled and recorded in the bundle."""
    bank_size: int = Field(default=1000, ge=16, le=100_000)
    """Patches of good parts that are kept to compare with."""


class Recipe(StrictTable):
    """What to inspect for one product. `Recipe()` is every default."""

    # `schema` itself is a name that pydantic keeps.
    schema_version: Annotated[int, Field(ge=1, le=1), Words("1")] = Field(default=1, alias="schema")
    """Of this form of a recipe."""
    part: str = ""
    """Name of the product, for people."""
    image: ImageSettings = ImageSettings()
    lighting: LightingSettings = LightingSettings()
    inspect: InspectSettings = InspectSettings()
    augment: AugmentSettings = AugmentSettings()
    gates: Gates = Gates()
    readiness: ReadinessSettings = ReadinessSettings()
    challenge: ChallengeSettings = ChallengeSettings()
    review: ReviewSettings = ReviewSettings()
    classes: tuple[DefectClass, ...] = Field(default=(), strict=False)
    costs: Costs = Costs()
    detector: DetectorSettings = DetectorSettings()
    learning: LearningSettings = LearningSettings()

    @field_validator("classes")
    @classmethod
    def _each_name_once(cls, classes: tuple[DefectClass, ...]) -> tuple[DefectClass, ...]:
        for path, words in _repeated_names([defect.name for defect in classes]):
            raise content_fault(words, *path[1:])
        return classes

    @property
    def rejecting(self) -> tuple[str, ...]:
        """The classes that may reject."""
        return tuple(each.name for each in self.classes if each.authority is Authority.REJECT)

    def with_authority_of(self, other: Recipe) -> Recipe:
        """This recipe, in which a class may reject only where it may in `other` as well."""
        granted = set(other.rejecting)
        if granted.issuperset(self.rejecting):
            return self
        only_flag = {"authority": Authority.FLAG}
        classes = [
            each if each.name in granted else each.model_copy(update=only_flag)
            for each in self.classes
        ]
        return self.model_copy(update={"classes": tuple(classes)})

    @property
    def sha256(self) -> str:
        """Hash of every value, defaults included: 64 hexadecimal digits.

        Two files that say the same, in any order and with any comments, have the same hash. A key
        that older versions did not know counts only where it says something, so that a recipe
        keeps the hash by which bundles and results name it.
        """
        values = self.model_dump(mode="json")
        _drop_unsaid(values["augment"], AugmentSettings(), ("full_well", "read_noise"))
        for defect, table in zip(self.classes, values["classes"], strict=True):
            _drop_unsaid(table, DefectClass(name=defect.name), _LATER_CLASS_KEYS)
        for part in values["challenge"]["parts"]:
            if part["announced"] is None:
                del part["announced"]
        _drop_unsaid(values, Recipe(), ("lighting", "readiness", "challenge"))
        _drop_unsaid(values["learning"], LearningSettings(), tuple(LearningSettings.model_fields))
        if not values["learning"]:
            del values["learning"]
        canonical = json.dumps(values, sort_keys=True, separators=(",", ":"), allow_nan=False)
        return hashlib.sha256(canonical.encode("ascii")).hexdigest()


def load_recipe(path: Path | str) -> Recipe:
    """The recipe in the TOML file `path`.

    Raises RecipeError: RECIPE_MISSING when the file cannot be read, RECIPE_SYNTAX when a line is
    not TOML, else RECIPE_INVALID; `problems` then holds every fault with its line.
    """
    path = Path(path)
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        reason = error.strerror or type(error).__name__
        words = f"The recipe cannot be read: {reason}"
        next_step = "Check the path given with --recipe"
        raise RecipeError(Code.RECIPE_MISSING, words, where=path, next=next_step) from error
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise _recipe_error(path, [Fault(line, "", "is not UTF-8 text")], is_syntax=True) from error
    try:
        return parse_strictly(text, Recipe, also=_repeated_names_in)
    except TomlFaults as error:
        raise _recipe_error(path, error.faults, is_syntax=error.is_syntax) from error


_LATER_CLASS_KEYS = ("augment", "prevalence", "uncertain_band")


def _drop_unsaid(table: dict[str, Any], default: StrictTable, keys: Sequence[str]) -> None:
    unsaid = default.model_dump(mode="json")
    for key in keys:
        if table[key] == unsaid[key]:
            del table[key]


def _repeated_names(names: Sequence[object]) -> list[tuple[KeyPath, str]]:
    return [
        (("classes", place, "name"), f'= "{name}"; classes[{names.index(name)}] has this name')
        for place, name in enumerate(names)
        if isinstance(name, str) and name in names[:place]
    ]


def _repeated_names_in(content: dict[str, Any]) -> list[tuple[KeyPath, str]]:
    tables = content.get("classes")
    if not isinstance(tables, list):
        return []
    return _repeated_names([x.get("name") if isinstance(x, dict) else None for x in tables])


def _recipe_error(path: Path, faults: Sequence[Fault], *, is_syntax: bool) -> RecipeError:
    problems = [
        f"{path.name}:{fault.line}: {fault.key + ' ' if fault.key else ''}{fault.message}"
        for fault in faults
    ]
    count = "one problem" if len(problems) == 1 else f"{len(problems)} problems"
    return RecipeError(
        Code.RECIPE_SYNTAX if is_syntax else Code.RECIPE_INVALID,
        f"The recipe has {count}",
        problems=problems,
        where=path,
        next="Correct the lines above; docs/recipe.md lists every key",
    )
