"""A labelled image turned into other images of the same defect, as its class allows.

What a policy allows keeps the physics of a defect: directions that matter are kept, colours are
never changed unless the recipe insists, and image and masks go through the same map of places.
docs/augmentation.md says where the rules and the numbers come from.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np

from keenline.augment_settings import ClassAugment
from keenline.data.augment_geometry import Turn, share_in_sight, shows_mirror_image, turned
from keenline.data.augment_light import Light, Sensor, lit
from keenline.recipe import Recipe
from keenline.types import Image, Mask

TRIES = 8
"""Turns that are drawn before the image is only turned so that it covers itself."""
LEAST_IN_SIGHT = 0.5
"""Share of each class's marked pixels that must stay on the image: with less, the label would say
of the image what can hardly be seen on it."""


@dataclass(frozen=True, slots=True)
class Variant:
    """An image as it might also have looked."""

    image: Image
    masks: dict[str, Mask]
    """Of the same classes as before, each with at least one pixel where it had one."""
    turn: Turn = field(default_factory=Turn)
    light: Light = field(default_factory=Light)
    is_limited: bool = False
    """No turn that was drawn kept every defect in sight and in one piece, or the border cuts one
    off: the image was at most mirrored and turned by 180 degrees, or 90."""


def policy_for(recipe: Recipe, classes: Iterable[str]) -> ClassAugment:
    """What the recipe allows for an image that shows these classes: what all of them allow.

    A class that the recipe does not name has the defaults; so has an image without a defect.
    """
    known = {defect.name: defect.augment for defect in recipe.classes}
    policies = [known.get(name, ClassAugment()) for name in classes] or [ClassAugment()]
    if len(policies) == 1:
        return policies[0]
    limits = {
        key: min(getattr(policy, key) for policy in policies)
        for key, default in ClassAugment()
        if isinstance(default, float)
    }
    directional = [policy for policy in policies if policy.kind == "directional"]
    if directional:
        limits["degrees"] = min(policy.degrees for policy in directional)
    return ClassAugment(
        kind="directional" if directional else "isotropic",
        mirrored=all(policy.mirrored for policy in policies),
        # Where one class does not insist, the least of hue and saturation is 0 anyway.
        colour_is_no_signal=all(policy.colour_is_no_signal for policy in policies),
        **limits,
    )


def sensor_of(recipe: Recipe) -> Sensor | None:
    """The camera's noise as `[augment]` states it; None where it does not."""
    settings = recipe.augment
    return None if settings.full_well is None else Sensor(settings.full_well, settings.read_noise)


def augmented(
    image: Image,
    masks: Mapping[str, Mask],
    policy: ClassAugment,
    rng: np.random.Generator,
    sensor: Sensor | None = None,
) -> Variant:
    """Draw one variant; the same state of `rng` gives the same.

    masks: for each class (height, width), True where it is. The result has the image's size. A
    turn that takes more than half of a class out of sight, empties its mask, or shows a part of it
    mirrored at the border, is drawn again. After `TRIES`, and where the border cuts a defect off,
    the image is only mirrored and turned by 180 degrees, or 90 where it is square, if the policy
    allows that: what lies beyond the border is not known.
    """
    light = draw_light(policy, rng)
    is_cut_off = any(_touches_border(mask) for mask in masks.values())
    for _ in range(0 if is_cut_off else TRIES):
        turn = draw_turn(policy, rng)
        if any(share_in_sight(mask, turn) < LEAST_IN_SIGHT for mask in masks.values()):
            continue
        if shows_mirror_image(masks, turn):
            continue
        moved, moved_masks = turned(image, masks, turn)
        if all(moved_masks[name].any() or not mask.any() for name, mask in masks.items()):
            return Variant(lit(moved, light, sensor), moved_masks, turn, light)
    turn = _on_the_grid(draw_turn(policy, rng), policy, image.shape[0] == image.shape[1])
    moved, moved_masks = turned(image, masks, turn)
    return Variant(lit(moved, light, sensor), moved_masks, turn, light, is_limited=True)


def draw_turn(policy: ClassAugment, rng: np.random.Generator) -> Turn:
    """Where the defect may also lie."""
    angle, half, mirror = rng.uniform(-1, 1), rng.random() < 0.5, rng.random() < 0.5
    elastic, seed = policy.elastic * rng.random(), int(rng.integers(2**31))
    if policy.kind == "isotropic":
        is_mirrored = policy.mirrored and mirror
        return Turn(180 * angle, is_mirrored, elastic, seed)
    turn = policy.degrees * angle + (180 if policy.mirrored and half else 0)
    return Turn(turn, False, elastic, seed)


def draw_light(policy: ClassAugment, rng: np.random.Generator) -> Light:
    """How the defect may also be lit, seen and recorded."""
    bright, contrast, gamma, saturation, hue = rng.uniform(-1, 1, 5).tolist()
    reflection, blur, noise = rng.random(3).tolist()
    seed = int(rng.integers(2**31))
    return Light(
        brightness=1 + policy.brightness * bright,
        contrast=1 + policy.contrast * contrast,
        gamma=float((1 + policy.gamma) ** gamma),
        reflection=policy.reflections * reflection,
        blur=policy.blur * blur,
        noise=noise,
        hue=policy.hue * hue,
        saturation=1 + policy.saturation * saturation,
        seed=seed,
    )


def _touches_border(mask: Mask) -> bool:
    return bool(mask[[0, -1]].any() or mask[:, [0, -1]].any())


def _on_the_grid(turn: Turn, policy: ClassAugment, is_square: bool) -> Turn:
    """The nearest turn that needs nothing from beyond the border, and no deformation."""
    step = 90 if is_square and policy.kind == "isotropic" else 180
    return Turn(float(step * round(turn.angle / step)), turn.is_mirrored)
