"""docs/cameras.md tells the truth: its examples load, its tables are the settings of each kind."""

from __future__ import annotations

import importlib
import json
import pkgutil
import re
from pathlib import Path
from typing import Annotated, Any, Union, get_args

import pytest
from pydantic import BaseModel, Field, create_model

import keenline.devices
from keenline.devices.camera import CameraSettings, LightSettings
from keenline.devices.sfnc import SfncSettings
from keenline.strict_toml import StrictTable, parse_strictly

PAGE = (Path(__file__).parents[1] / "docs" / "cameras.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```toml\n(.*?)^```", PAGE, flags=re.DOTALL | re.MULTILINE)


def kinds() -> dict[str, type[CameraSettings]]:
    """Settings by `kind`, of every module of devices."""
    for module in pkgutil.iter_modules(keenline.devices.__path__):
        importlib.import_module(f"keenline.devices.{module.name}")
    found: dict[str, type[CameraSettings]] = {}
    waiting: list[type[CameraSettings]] = [CameraSettings]
    while waiting:
        each = waiting.pop()
        waiting += each.__subclasses__()
        if "build" in vars(each) and "kind" in each.model_fields:
            found[get_args(each.model_fields["kind"].annotation)[0]] = each
    return found


KINDS = kinds()
ANY_KIND = Annotated[Union[tuple(KINDS.values())], Field(discriminator="kind")]  # noqa: UP007
PAGE_MODEL: Any = create_model("Page", __base__=StrictTable, cameras=(tuple[ANY_KIND, ...], ...))

SECTIONS = {
    "Basler": KINDS["basler"],
    "GenICam": KINDS["genicam"],
    "Aravis (GigE Vision)": KINDS["aravis"],
    "Keys of every GenICam camera": SfncSettings,
    "Video: file, RTSP, USB": KINDS["video"],
    "Watched folder": KINDS["folder"],
    "Uploads": KINDS["upload"],
    "Simulated": KINDS["simulated"],
    "Lights": LightSettings,
}


def section(title: str) -> str:
    return re.split(r"^## ", PAGE.split(f"\n## {title}\n")[1], flags=re.MULTILINE)[0]


def rows(text: str) -> dict[str, str]:
    """Key to default, of the table of keys."""
    table = text.split("| key | default | meaning |\n|---|---|---|\n")[1].split("\n\n")[0]
    return dict(re.findall(r"^\| `(\w+)` \| (.*?) \|", table, flags=re.MULTILINE))


def default_of(model: type[BaseModel], key: str) -> str:
    field = model.model_fields[key]
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True)
    if value in (None, {}, ()) or isinstance(value, BaseModel):
        return "none"
    return f"`{json.dumps(value)}`"


def test_there_are_examples():
    assert len(BLOCKS) >= 8


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.split("\n")[2])
def test_an_example_loads(block: str):
    cameras = parse_strictly(block, PAGE_MODEL).cameras
    assert cameras
    for settings in cameras:
        assert settings.build().name == settings.name


def test_the_common_keys_are_those_of_every_camera():
    told = rows(section("How a camera is configured"))
    assert set(told) == {*CameraSettings.model_fields, "kind"}
    assert told["trigger"] == default_of(CameraSettings, "trigger")


@pytest.mark.parametrize("title", SECTIONS)
def test_a_table_has_every_key_with_its_default(title: str):
    model = SECTIONS[title]
    told = rows(section(title))
    inherited = {"name", "kind", "lights", *({"trigger"} - set(told))}
    if issubclass(model, SfncSettings) and model is not SfncSettings:
        inherited |= set(SfncSettings.model_fields)
    assert set(told) == set(model.model_fields) - inherited
    assert told == {key: default_of(model, key) for key in told}


def test_every_kind_is_in_the_table_of_kinds():
    told = set(re.findall(r"^\| `(\w+)` \| ", PAGE.split("## ")[0], flags=re.MULTILINE))
    assert told == set(KINDS)


def test_every_section_that_is_linked_exists():
    titles = {
        re.sub(r"[^\w -]", "", title).lower().replace(" ", "-")
        for title in re.findall(r"^## (.*)$", PAGE, flags=re.MULTILINE)
    }
    assert set(re.findall(r"\]\(#([\w-]+)\)", PAGE)) <= titles
