"""Variants of labelled images: masks stay on defects, nothing is done beyond the policy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from keenline.augment_settings import ClassAugment
from keenline.data.augment import augmented, draw_light, draw_turn, policy_for, sensor_of
from keenline.data.augment_geometry import Turn, share_in_sight, turned
from keenline.data.augment_light import Light, Sensor, lit
from keenline.recipe import Recipe

NOTHING = ClassAugment(
    kind="directional",
    degrees=0,
    mirrored=False,
    elastic=0,
    brightness=0,
    contrast=0,
    gamma=0,
    blur=0,
)
SEEDS = st.integers(0, 2**32 - 1)


def disc(shape=(96, 128), at=(40, 60), radius=9):
    """A bright disc on dark grain, and its mask; `at`: row and column."""
    y, x = np.ogrid[: shape[0], : shape[1]]
    mask = (y - at[0]) ** 2 + (x - at[1]) ** 2 <= radius**2
    grain = np.random.default_rng(0).integers(20, 60, shape)
    image = np.where(mask, 220, grain).astype(np.uint8)
    return np.repeat(image[..., None], 3, axis=2), mask


def colourful(shape=(40, 56)):
    y, x = np.mgrid[: shape[0], : shape[1]]
    return np.stack([x * 4, y * 6, (x + y) * 2], axis=2).astype(np.uint8)


# Places


@given(angle=st.sampled_from([0.0, 90.0, 180.0, -90.0, 270.0]), is_mirrored=st.booleans())
def test_isometries_of_the_grid_only_move_pixels(angle, is_mirrored):
    image = colourful((48, 48))
    mask = image[..., 0] > 90
    moved, masks = turned(image, {"a": mask}, Turn(angle, is_mirrored))
    assert masks["a"].sum() == mask.sum()
    assert np.array_equal(np.sort(moved, axis=None), np.sort(image, axis=None))
    assert np.array_equal(masks["a"], moved[..., 0] > 90)


def test_a_quarter_turn_is_clockwise_on_the_screen():
    image = np.zeros((5, 5, 3), np.uint8)
    image[0, 4] = 255  # the upper right corner
    moved, _ = turned(image, {}, Turn(90))
    assert moved[4, 4].all()
    almost, _ = turned(image, {}, Turn(89.99))
    assert almost[4, 4].min() > 200


@settings(max_examples=40)
@given(angle=st.floats(-180, 180), is_mirrored=st.booleans())
def test_a_turned_disc_keeps_its_area_and_its_mask_lies_on_it(angle, is_mirrored):
    image, mask = disc()
    moved, masks = turned(image, {"a": mask}, Turn(angle, is_mirrored))
    assert masks["a"].sum() == pytest.approx(mask.sum(), rel=0.06)
    bright = moved[..., 0] > 140
    both = (bright & masks["a"]).sum() / (bright | masks["a"]).sum()
    assert both > 0.9


@settings(max_examples=25)
@given(seed=SEEDS, elastic=st.floats(0.5, 10))
def test_a_bent_disc_stays_under_its_mask(seed, elastic):
    image, mask = disc()
    moved, masks = turned(image, {"a": mask}, Turn(0.0, False, elastic, seed))
    bright = moved[..., 0] > 140
    assert (bright & masks["a"]).sum() / (bright | masks["a"]).sum() > 0.85
    assert ndimage.label(masks["a"])[1] == 1, "a deformation never tears"


def test_the_deformation_is_as_strong_as_it_is_told():
    mask = np.zeros((400, 400), bool)
    ramp = np.repeat(np.linspace(0, 255, 400)[None], 400, axis=0)
    image = np.repeat(ramp[..., None], 3, axis=2).astype(np.uint8)
    moved = [
        turned(image, {"a": mask}, Turn(elastic=4, seed=seed))[0][40:-40, 40:-40, 0]
        for seed in range(6)
    ]
    shift = (np.stack(moved).astype(float) - image[40:-40, 40:-40, 0]) * 400 / 255
    assert np.sqrt((shift**2).mean()) == pytest.approx(4, rel=0.35)


@pytest.mark.parametrize(("at", "angle", "share"), [((48, 64), 77, 1), ((48, 4), 90, 0)])
def test_what_leaves_the_image_is_known_beforehand(at, angle, share):
    _, mask = disc(at=at, radius=3)
    assert share_in_sight(mask, Turn(angle)) == share
    assert share_in_sight(np.zeros_like(mask), Turn(angle)) == 1


# Light


def test_nothing_allowed_changes_nothing():
    image, mask = disc()
    made = augmented(image, {"a": mask}, NOTHING, np.random.default_rng(3))
    assert np.array_equal(made.image, image)
    assert np.array_equal(made.masks["a"], mask)
    assert not made.is_limited
    assert lit(image, Light()) is image


@given(SEEDS)
def test_grey_stays_grey_and_the_light_within_its_range(seed):
    image, _ = disc((24, 32), (10, 12), 4)
    light = draw_light(ClassAugment(reflections=0.2), np.random.default_rng(seed))
    assert 0.9 <= light.brightness <= 1.1
    assert 0.9 <= light.contrast <= 1.1
    assert 1 / 1.1 <= light.gamma <= 1.1
    assert light.blur <= 0.5
    assert light.reflection <= 0.2
    assert (light.hue, light.saturation) == (0, 1)
    made = lit(image, light, Sensor(10_000, 7))
    assert np.array_equal(made[..., 0], made[..., 1])
    assert np.array_equal(made[..., 0], made[..., 2])


def test_reflections_only_brighten_and_no_more_than_they_may():
    image = np.full((60, 80, 3), 100, np.uint8)
    made = lit(image, Light(reflection=0.3, seed=4)).astype(int)
    assert made.min() >= 100
    assert made.max() == 100 + round(0.3 * 255)


def test_noise_is_that_of_the_camera():
    sensor = Sensor(full_well=10_500, read_noise=6.6)
    image = np.full((200, 200, 3), 128, np.uint8)
    made = lit(image, Light(noise=1.0, seed=1), sensor)[..., 0].astype(float)
    electrons = 128 * 10_500 / 255
    expected = np.sqrt(electrons + 6.6**2) * 255 / 10_500
    # Rounding to whole grey levels adds a twelfth to the variance.
    assert made.std() == pytest.approx(np.hypot(expected, 12**-0.5), rel=0.02)
    assert made.mean() == pytest.approx(128, abs=0.05)
    assert np.array_equal(lit(image, Light(noise=1.0, seed=1)), image), "no sensor, no noise"


def test_colours_turn_only_where_the_recipe_insists():
    image = colourful()
    policy = ClassAugment(colour_is_no_signal=True, hue=180, saturation=0.5)
    light = draw_light(policy, np.random.default_rng(2))
    assert light.hue
    made = lit(image, Light(hue=120))
    inner = (image.min(axis=2) > 20) & (image.max(axis=2) < 200)
    # A third of a turn exchanges the channels.
    assert np.abs(made[inner][:, [1, 2, 0]].astype(int) - image[inner]).max() <= 1
    pale = lit(image, Light(saturation=0.0))
    assert np.ptp(pale.astype(int), axis=2).max() <= 1


# What is drawn


@given(SEEDS)
def test_a_direction_is_kept(seed):
    rng = np.random.default_rng(seed)
    turn = draw_turn(ClassAugment(kind="directional", degrees=7), rng)
    assert not turn.is_mirrored
    assert abs((turn.angle + 90) % 180 - 90) <= 7


def test_isotropic_defects_are_seen_at_every_angle():
    rng = np.random.default_rng(5)
    turns = [draw_turn(ClassAugment(), rng) for _ in range(400)]
    counts, _ = np.histogram([turn.angle for turn in turns], bins=8, range=(-180, 180))
    assert counts.min() > 25
    assert 150 < sum(turn.is_mirrored for turn in turns) < 250


@settings(max_examples=30)
@given(SEEDS)
def test_the_same_seed_makes_the_same_variant(seed):
    image, mask = disc((48, 64), (20, 30), 5)
    first, second = (
        augmented(image, {"a": mask}, ClassAugment(), np.random.default_rng(seed)) for _ in "ab"
    )
    assert np.array_equal(first.image, second.image)
    assert np.array_equal(first.masks["a"], second.masks["a"])


@settings(max_examples=60)
@given(seed=SEEDS, row=st.integers(0, 47), column=st.integers(0, 95), radius=st.integers(0, 4))
def test_no_defect_leaves_the_image_unnoticed(seed, row, column, radius):
    image, mask = disc((48, 96), (row, column), radius)
    made = augmented(image, {"a": mask}, ClassAugment(), np.random.default_rng(seed))
    assert made.image.shape == image.shape
    assert made.masks["a"].any()
    assert share_in_sight(mask, made.turn) >= 0.5
    assert ndimage.label(made.masks["a"], np.ones((3, 3)))[1] == 1, "and none is made up"
    if made.is_limited:
        assert made.masks["a"].sum() == mask.sum()


@settings(max_examples=30)
@given(seed=SEEDS, kind=st.sampled_from(["isotropic", "directional"]))
def test_a_defect_that_the_border_cuts_off_is_never_made_up(seed, kind):
    image, mask = disc((48, 96), (45, 50), 8)
    policy = ClassAugment(kind=kind, blur=0)
    made = augmented(image, {"a": mask}, policy, np.random.default_rng(seed))
    assert made.masks["a"].sum() == mask.sum()
    assert made.turn.angle % 180 == 0
    assert made.turn.elastic == 0


def test_where_every_turn_loses_the_defect_the_image_is_turned_onto_itself():
    image, mask = disc((20, 200), (10, 4), 2)
    for policy, angles in ((ClassAugment(), {0, 180}), (ClassAugment(mirrored=False), {0, 180})):
        made = [augmented(image, {"a": mask}, policy, np.random.default_rng(n)) for n in range(40)]
        limited = [each for each in made if each.is_limited]
        assert len(limited) > 5
        assert {abs(each.turn.angle) for each in limited} == angles
        assert all(each.masks["a"].sum() == mask.sum() for each in limited)
    rigid = ClassAugment(kind="directional", degrees=90, mirrored=False)
    for seed in range(40):
        made = augmented(image, {"a": mask}, rigid, np.random.default_rng(seed))
        assert not made.is_limited or made.turn == Turn(), "half a turn is not allowed either"


# What a recipe says


def recipe(**classes):
    tables = [{"name": name, "augment": table} for name, table in classes.items()]
    return Recipe.model_validate({"classes": tables})


def test_a_class_has_the_policy_of_the_recipe_or_the_defaults():
    rules = recipe(pit={"blur": 2.0})
    assert policy_for(rules, ["pit"]).blur == 2.0
    assert policy_for(rules, ["dent"]) == ClassAugment()
    assert policy_for(rules, []) == ClassAugment()


def test_an_image_of_several_classes_gets_what_all_of_them_allow():
    rules = recipe(
        rust={"colour_is_no_signal": True, "hue": 20.0, "blur": 0.2},
        score={"kind": "directional", "degrees": 4.0, "elastic": 0.0, "mirrored": False},
        pit={"degrees": 1.0},
    )
    assert policy_for(rules, ["rust", "score", "pit"]) == ClassAugment(
        kind="directional", degrees=4, mirrored=False, elastic=0, blur=0.2
    )
    assert policy_for(rules, ["rust", "rust"]).hue == 20


def test_the_camera_is_that_of_the_recipe():
    assert sensor_of(Recipe()) is None
    rules = Recipe.model_validate({"augment": {"full_well": 10_500, "read_noise": 6.5}})
    assert sensor_of(rules) == Sensor(10_500, 6.5)
