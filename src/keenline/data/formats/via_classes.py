"""The free attributes of VIA's regions and images turned into the one that is the class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from keenline.data.formats.values import BadValue, shown, text

DEFECT = "defect"
"""The class of regions that bear none; folders of images without class names have the same."""


@dataclass(frozen=True, slots=True)
class Choice:
    """Which attributes of one file are taken for classes."""

    region: str
    """Of regions; empty where none bears any."""
    file: str
    """Of whole images; empty where there is none."""
    classes: tuple[str, ...]
    """The options of the regions' attribute, where the file lists them."""
    note: str
    """One sentence where something else could be meant; else empty."""

    @classmethod
    def of(
        cls,
        regions: Sequence[object],
        files: Sequence[Mapping[str, object]],
        defined: Mapping[str, object],
    ) -> Choice:
        """`regions` and `files` are attributes as the file has them, `defined` what it says of
        them (`_via_attributes`)."""
        used = _names(regions)
        listed = _with_options(defined, "region")
        region = next((name for name in listed if name in used), None) or next(iter(used), "")
        if not region and not regions:
            region = next(iter(listed), "")
        note = ""
        if len(used) > 1:
            others = ", ".join(name for name in used if name != region)
            note = f"the attribute {region} is taken for the class, and not {others}"
        elif regions and not used:
            note = f"no region bears an attribute: all are of the class {DEFECT}"
        of_files = _with_options(defined, "file")
        in_files = _names(files)
        file = next((name for name in of_files if name in in_files), "")
        if not file and region in in_files:
            file = region
        return cls(region, file, (*listed.get(region, ()), *of_files.get(file, ())), note)


def class_in(attributes: Mapping[str, object], name: str) -> str:
    """The class that the attribute `name` says; `DEFECT` where no attribute is the class.

    Empty where it is not set. Raises BadValue for several ticked boxes, or a list.
    """
    if not name:
        return DEFECT
    value = attributes.get(name, "")
    if isinstance(value, dict):
        ticked = [key for key, is_set in value.items() if is_set]
        if len(ticked) > 1:
            raise BadValue(f"{name} is {' and '.join(ticked)}, not one class")
        return "".join(ticked)
    if isinstance(value, list):
        raise BadValue(f"{name} is {shown(value)}, not one class")
    return text(value).strip()


def _names(held: Sequence[object]) -> dict[str, None]:
    """The attributes that anything bears, in the order of the file."""
    return {
        name: None
        for attributes in held
        if isinstance(attributes, dict)
        for name, value in attributes.items()
        if value not in ("", None, {})
    }


def _with_options(defined: Mapping[str, object], of: str) -> dict[str, tuple[str, ...]]:
    part = defined.get(of)
    found = {}
    for name, about in part.items() if isinstance(part, dict) else ():
        options = about.get("options") if isinstance(about, dict) else None
        if isinstance(options, dict) and options:
            found[str(name)] = tuple(map(str, options))
    return found
