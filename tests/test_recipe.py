"""Recipes: what they accept, what they say of a fault, their hash, and the page about them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from keenline.challenge_settings import ChallengePart
from keenline.errors import Code, RecipeError
from keenline.recipe import DefectClass, Gates, ImageSettings, InspectSettings, Recipe, load_recipe
from keenline.types import Authority
from keenline.value_words import describe, keys_of

PAGE = Path(__file__).parents[1] / "docs" / "recipe.md"
FULL = """\
schema = 1
part = "valve seat"
[image]
size = 448
pixel_size_mm = 0.05
bit_depth = 12
tile = 1024
tile_overlap = 128
[lighting]
grayscale = true
equalise = "local"
window = 64
floor = 4
[inspect]
roi = [[0, 0, 100, 50], [10, 20, 30, 40]]
ignore = [[5, 5, 1, 1]]
fixtured = true
[augment]
brightness = 0.1
rotations = [90, 270]
full_well = 10500
read_noise = 6.5
[gates]
false_alarm_rate = 0.02
confidence = 0.9
anomaly_may_reject = true
uncertain_band = 0.2
minimum_samples_to_reject = 50
[readiness]
recall = 0.95
agreement = 0.99
drift = "waived"
shadow = "waived"
[challenge]
every_parts = 5000
times = ["06:00", "14:00"]
grace_minutes = 15
missed = "invalid"
overdue = "review"
[[challenge.parts]]
part_id = "KB-[0-9]+"
defect = "scratch"
[review]
actuates = "pass-and-hold"
[[classes]]
name = "scratch"
authority = "reject"
threshold = 0.8
miss_cost = 20
minimum_area_mm2 = 0.5
[classes.augment]
kind = "directional"
degrees = 5
mirrored = false
elastic = 2
brightness = 0.2
contrast = 0.05
gamma = 0
reflections = 0.3
blur = 1.5
colour_is_no_signal = true
[[classes]]
name = "dent"
[costs]
false_alarm = 2
review = 1.5
[detector]
name = "classical"
backbone = "onnx:features.onnx"
engine = "onnxruntime"
precision = "int8"
bank_size = 500
[learning]
model = "classifier"
loss = "focal"
balance = "weights"
attention = true
frozen = true
dropout = 0.25
weight_decay = 0.05
layers = 6
heads = 16
positions = "sine"
epochs = 40
patience = 5
batch = 16
crop = 256
rate = 0.01
encoder_rate = 0.1
"""


@pytest.fixture
def recipe_file(tmp_path):
    def write(text: str | bytes) -> Path:
        path = tmp_path / "part.toml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


def problems(path: Path) -> tuple[str, ...]:
    with pytest.raises(RecipeError) as caught:
        load_recipe(path)
    return caught.value.problems


def test_every_key_is_read(recipe_file):
    recipe = load_recipe(recipe_file(FULL))
    assert recipe.image.size == 448
    assert recipe.inspect.roi == ((0, 0, 100, 50), (10, 20, 30, 40))
    assert recipe.classes[0].authority is Authority.REJECT
    assert recipe.classes[0].miss_cost == 20.0
    assert recipe.classes[1] == DefectClass(name="dent")
    assert recipe.costs.false_alarm == 2.0
    unchanged = [
        key
        for key, value in recipe.model_dump().items()
        if key != "schema" and value == Recipe().model_dump()[key]
    ]
    assert unchanged == []


def test_an_empty_file_is_every_default(recipe_file):
    assert load_recipe(recipe_file("")) == Recipe()


@pytest.mark.parametrize("size", ['"auto"', '"native"', "32", "4096"])
def test_sizes_at_the_ends_are_accepted(recipe_file, size):
    load_recipe(recipe_file(f"[image]\nsize = {size}"))


def test_every_fault_is_told_at_once_with_file_line_key_value_and_range(recipe_file):
    path = recipe_file(
        "schema = 2\n"
        "prat = 'x'\n"
        "size = 3\n"
        "[image]\n"
        "size = 16\n"
        "tile_overlap = 257  # more than half of 512\n"
        "[inspect]\n"
        "roi = [\n"
        "  [1, 2, 3, 4],\n"
        "  [0, 0, 0, 5],\n"
        "  [1, 2, 3],\n"
        "]\n"
        "[gates]\n"
        "confidence = nan\n"
        "anomaly_may_reject = 'yes'\n"
        "[[classes]]\n"
        "threshold = true\n"
        "[[classes]]\n"
        "name = 'a'\n"
        "[[classes]]\n"
        "name = 'a'\n"
        "[[classes]]\n"
        "name = 'anomaly'\n"
        "authority = 'kill'\n"
    )
    assert problems(path) == (
        "part.toml:1: schema = 2; allowed: 1",
        "part.toml:2: prat is not a key here; did you mean part?",
        "part.toml:3: size is not a key here; it belongs in [image]",
        'part.toml:5: image.size = 16; allowed: whole number, 32 to 4096, or "auto" or "native"',
        "part.toml:6: image.tile_overlap = 257; allowed: whole number, 0 to 256, half of tile",
        "part.toml:10: inspect.roi[1][2] = 0; allowed: whole number, 1 or more",
        "part.toml:11: inspect.roi[2][3] is missing; allowed: whole number, 1 or more",
        "part.toml:14: gates.confidence = NaN; allowed: number, 0.5 to 0.999",
        'part.toml:15: gates.anomaly_may_reject = "yes"; allowed: true or false',
        "part.toml:16: classes[0].name is missing; allowed: text, not empty",
        "part.toml:17: classes[0].threshold = true; allowed: number, 0 to 1",
        'part.toml:21: classes[2].name = "a"; classes[1] has this name',
        'part.toml:23: classes[3].name = "anomaly"; allowed: text other than "good" and "anomaly"',
        'part.toml:24: classes[3].authority = "kill"; allowed: "flag" or "reject"',
    )


def test_a_syntax_fault_does_not_hide_the_others(recipe_file):
    path = recipe_file('part = \n[image]\nsize = 1\npixel_size_mm = "\n[gates]\nx = 1\n')
    with pytest.raises(RecipeError) as caught:
        load_recipe(path)
    assert caught.value.code is Code.RECIPE_SYNTAX
    assert [problem.split(": ")[0] for problem in caught.value.problems] == [
        "part.toml:1",
        "part.toml:3",
        "part.toml:4",
        "part.toml:6",
    ]


@pytest.mark.parametrize(
    ("text", "line"),
    [("[image\nsize = 3", 1), ("\npart = 'a'\npart = 'b'", 3), ("part = 'a", 1), ("x = [1,\n", 1)],
)
def test_a_syntax_fault_that_hides_what_follows_stands_alone(recipe_file, text, line):
    (problem,) = problems(recipe_file(text))
    assert problem.startswith(f"part.toml:{line}: is not TOML: ")


def test_one_wrong_line_does_not_make_its_table_look_incomplete(recipe_file):
    (problem,) = problems(recipe_file("[[classes]]\nname = scratch\n"))
    assert problem.startswith("part.toml:2: is not TOML")


def test_nesting_without_end_is_a_fault_and_not_a_crash(recipe_file):
    assert problems(recipe_file("a = " + "[" * 50_000)) == ("part.toml:1: is nested too deeply",)


@pytest.mark.parametrize("text", ["schema = true", "schema = 1.0", "classes = [1]", "image = 3"])
def test_a_value_of_another_type_is_refused(recipe_file, text):
    (problem,) = problems(recipe_file(text))
    assert "; allowed: " in problem


def test_a_file_that_is_not_utf8_names_the_line(recipe_file):
    assert problems(recipe_file(b"part = 'a'\n# \xff\n")) == ("part.toml:2: is not UTF-8 text",)


def test_a_byte_order_mark_and_windows_line_ends_are_read(recipe_file):
    path = recipe_file("\ufeffpart = 'a'\r\n[image]\r\nsize = 64\r\n")
    assert load_recipe(path).image.size == 64


@pytest.mark.parametrize("name", ["missing.toml", "."])
def test_a_file_that_cannot_be_read_says_why(tmp_path, name):
    with pytest.raises(RecipeError, match="cannot be read") as caught:
        load_recipe(tmp_path / name)
    assert caught.value.code is Code.RECIPE_MISSING


def test_the_hash_is_of_the_content_and_not_of_the_text(recipe_file):
    first = load_recipe(recipe_file("part = 'a'\n[gates]\nconfidence = 0.9\nuncertain_band = 0\n"))
    second = load_recipe(recipe_file("# hello\npart = 'a'\n[gates]\nconfidence = 0.90\n"))
    assert first.sha256 == second.sha256
    assert re.fullmatch("[0-9a-f]{64}", first.sha256)


def test_the_hash_changes_with_any_value(recipe_file):
    lines = FULL.splitlines()
    full = load_recipe(recipe_file(FULL)).sha256
    hashes = {full}
    optional = [
        n
        for n, line in enumerate(lines)
        if " = " in line and line.split(" ")[0] not in ("name", "part_id")
    ]
    for number in optional[1:]:  # all but `schema`
        without = "\n".join(lines[:number] + lines[number + 1 :])
        hashes.add(load_recipe(recipe_file(without)).sha256)
    assert len(hashes) == len(optional)


def test_a_recipe_of_before_variants_keeps_its_hash(recipe_file):
    # As version 0.1.0 hashed the same text before it knew [classes.augment] and the camera's noise.
    before = "dadbe9bd8f3a7c9a"
    recipe = load_recipe(recipe_file("[augment]\nbrightness = 0.1\n[[classes]]\nname = 'a'\n"))
    assert recipe.sha256.startswith(before)
    said = load_recipe(
        recipe_file(
            "[[classes]]\nname = 'a'\n[classes.augment]\ndegrees = 10\n[learning]\nmodel = 'unet'\n"
            "[lighting]\nequalise = 'none'\n"
        )
    )
    assert said.sha256 == load_recipe(recipe_file("[[classes]]\nname = 'a'\n")).sha256


@pytest.mark.parametrize("key", ["hue = 10", "saturation = 0.2"])
def test_colour_is_changed_only_where_the_recipe_insists(recipe_file, key):
    table = "[[classes]]\nname = 'rust'\n[classes.augment]\n"
    (problem,) = problems(recipe_file(table + key))
    assert problem.startswith(
        f"part.toml:4: classes[0].augment.{key.replace('=', '=', 1)}; refused"
    )
    assert "colour_is_no_signal = true" in problem
    load_recipe(recipe_file(table + key + "\ncolour_is_no_signal = true\n"))


def test_a_recipe_cannot_be_changed():
    with pytest.raises(ValidationError, match="frozen"):
        Recipe().gates.confidence = 0.5  # type: ignore[misc]


def test_python_may_give_lists_and_names():
    recipe = Recipe.model_validate(
        {"inspect": {"roi": [[1, 2, 3, 4]]}, "classes": [{"name": "a", "authority": "reject"}]}
    )
    assert recipe.inspect == InspectSettings(roi=((1, 2, 3, 4),))
    assert recipe.classes[0].authority is Authority.REJECT


@given(
    st.builds(
        Recipe,
        part=st.text(),
        image=st.builds(
            ImageSettings,
            size=st.integers(32, 4096) | st.sampled_from(["auto", "native"]),
            pixel_size_mm=st.none() | st.floats(1e-6, 10),
        ),
        gates=st.builds(Gates, confidence=st.floats(0.5, 0.999)),
    )
)
def test_a_recipe_survives_json(recipe):
    again = Recipe.model_validate_json(recipe.model_dump_json())
    assert again == recipe
    assert again.sha256 == recipe.sha256


# The page


def shown(value: object) -> str:
    if value is None or value == ():
        return "none" if value is None else "`[]`"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return f'`"{value}"`' if isinstance(value, str) else f"`{value:g}`"


def rows(model: type[BaseModel], heading: str) -> dict[tuple[str, str], tuple[str, str]]:
    """(table, key) to (allowed, default) as the page must say it."""
    found = {}
    for key, field in keys_of(model).items():
        inner = field.annotation
        if key == "classes":
            found |= rows(DefectClass, "[[classes]]")
        elif key == "parts":
            found |= rows(ChallengePart, "[[challenge.parts]]")
        elif isinstance(inner, type) and issubclass(inner, BaseModel):
            above = heading.strip("[]") + "." if heading.startswith("[") else ""
            found |= rows(inner, f"[{above}{key}]")
        else:
            default = "must be given" if field.is_required() else shown(field.default)
            found[heading, key] = (describe(inner, field.metadata), default)
    return found


def test_the_page_lists_every_key_with_its_type_range_and_default_and_no_other():
    written = {}
    heading = ""
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        if line.startswith("## "):
            heading = line[3:].strip("`")
        row = re.fullmatch(r"\| `(\w+)` \| (.+?) \| (.+?) \| .+ \|", line)
        if row:
            written[heading, row.group(1)] = (row.group(2), row.group(3))
    assert written == rows(Recipe, "Top of the file")


def test_the_examples_on_the_page_are_recipes(recipe_file):
    examples = re.findall(r"```toml\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert examples
    for example in examples:
        load_recipe(recipe_file(example))


def test_authority_of_another_recipe_is_only_ever_taken_away():
    def recipe(**authority: str) -> Recipe:
        classes = [{"name": name, "authority": may} for name, may in authority.items()]
        return Recipe.model_validate({"classes": classes})

    asked = recipe(crack="reject", dent="reject", pit="flag")
    granted = recipe(crack="reject", pit="reject", stain="reject")
    assert asked.with_authority_of(granted) == recipe(crack="reject", dent="flag", pit="flag")
    assert asked.with_authority_of(Recipe()).rejecting == ()
    assert asked.with_authority_of(asked) is asked
