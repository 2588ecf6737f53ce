"""What is said on the command line, on top of a recipe."""

from __future__ import annotations

from pathlib import Path

import pytest
import typer

from keenline.cli.options import effective_recipe, side
from keenline.recipe import Recipe


def test_nothing_said_is_every_default():
    assert effective_recipe(None) == Recipe()


def test_what_is_said_overrides_the_recipe_and_the_rest_of_it_stays(tmp_path: Path):
    path = tmp_path / "r.toml"
    path.write_text(
        'part = "p"\n[image]\nsize = 128\npixel_size_mm = 0.1\n[inspect]\nroi = [[1, 2, 3, 4]]\n'
        '[detector]\nname = "classical"\nengine = "onnxruntime"\n'
        '[[classes]]\nname = "dent"\nauthority = "reject"\n'
    )
    recipe = effective_recipe(path, size="native", engine="openvino", precision="f32")
    assert recipe.image.size == "native"
    assert recipe.image.pixel_size_mm == 0.1
    assert recipe.inspect.roi == ((1, 2, 3, 4),)
    assert recipe.detector.name == "classical"
    assert recipe.detector.engine == "openvino"
    assert recipe.detector.precision == "f32"
    assert recipe.classes[0].authority == "reject"
    assert effective_recipe(path).sha256 != recipe.sha256


@pytest.mark.parametrize("size", [31, 5000])
def test_a_size_out_of_range_is_refused_with_the_range(size: int):
    with pytest.raises(typer.BadParameter, match=r"image\.size"):
        effective_recipe(None, size=size)


@pytest.mark.parametrize(("text", "value"), [("256", 256), ("auto", "auto"), ("native", "native")])
def test_a_size(text: str, value: object):
    assert side(text) == value


@pytest.mark.parametrize("text", ["", "-1", "3.5", "256px", "Auto", "²"])
def test_not_a_size(text: str):
    with pytest.raises(typer.BadParameter):
        side(text)
