"""Synthetic defects: cut, pasted only where they belong, drawn, marked, never measured on."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.small_parts import good_part, save_image

from keenline.annotation import Annotation, BoxShape
from keenline.augment_settings import ClassAugment
from keenline.data.augment_geometry import Turn
from keenline.data.blending import by_gradients, by_opacity
from keenline.data.dataset import content_hash
from keenline.data.defect_library import Cut, cut_defects, read_library, write_library
from keenline.data.imagined_by import Network
from keenline.data.importers import open_dataset
from keenline.data.paste import paste, plausible, reshaped
from keenline.data.procedural_defects import DrawnKind, drawn_defect, perlin
from keenline.data.synthetic import synthesise, untested
from keenline.data.synthetic_index import INDEX, PREFIX, is_synthetic, learnable, read_synthetic
from keenline.errors import Code, DatasetError, ImageError
from keenline.recipe import Recipe

SIZE = (160, 120)
AT = ((40, 30), (110, 80), (60, 95))
AS_IT_IS = ClassAugment(kind="directional", degrees=0, mirrored=False)


def save_mask(path: Path, mask) -> Path:
    return save_image(path, np.repeat(mask[..., None], 3, axis=2).astype(np.uint8) * 255)


@pytest.fixture
def folder(tmp_path):
    """An MVTec AD folder: six good images, three with a dark disc to learn from, one to test."""
    root = tmp_path / "data"
    y, x = np.ogrid[: SIZE[1], : SIZE[0]]
    for seed in range(6):
        save_image(root / f"train/good/{seed:03}.png", good_part(seed, SIZE))
    for seed, at in enumerate((*AT, (30, 40))):
        split = "train" if seed < 3 else "test"
        mask = (x - at[0]) ** 2 + (y - at[1]) ** 2 <= 7**2
        part = good_part(20 + seed, SIZE)
        part[mask] = part[mask] // 4
        save_image(root / f"{split}/dent/{seed:03}.png", part)
        save_mask(root / f"ground_truth/dent/{seed:03}_mask.png", mask)
    return root


# The library


def test_defects_of_the_training_split_are_cut_with_their_surroundings(folder):
    found = cut_defects(open_dataset(folder).samples)
    assert len(found.cuts) == 3
    for cut, at in zip(found.cuts, AT, strict=True):
        assert cut.class_name == "dent"
        assert cut.source_sha256 == content_hash(Path(cut.source))
        x, y, width, height = cut.box
        assert cut.mask.shape == (height, width) == cut.image.shape[:2]
        rows, columns = np.nonzero(cut.mask)
        assert (columns.mean() + x, rows.mean() + y) == at
        assert cut.image[cut.mask].mean() < 60 < cut.image[~cut.mask].mean()
        assert not cut.mask[0].any()
        assert not cut.mask[:, 0].any()


def test_what_cannot_be_cut_is_counted(tmp_path):
    masks = {
        name: np.zeros((120, 160), bool) for name in ("border", "large", "dot", "broken", "faint")
    }
    masks["border"][:9, 40:50] = True
    masks["large"][5:100, 10:150] = True
    masks["dot"][50, 50] = True
    masks["broken"][50:53, 40:60] = True
    masks["broken"][50:53, 63:80] = True  # one scratch with a gap
    masks["faint"][20:40, 20:60] = True
    masks["broken"][90, 20:22] = True  # a slip
    for name, mask in masks.items():
        part = np.full((120, 160, 3), 120, np.uint8)
        part[mask] = 120 if name == "faint" else 60
        save_image(tmp_path / f"train/scratch/{name}.png", part)
        save_mask(tmp_path / f"ground_truth/scratch/{name}_mask.png", mask)
    save_image(tmp_path / "train/scratch/unmarked.png", good_part(2, SIZE))
    save_image(tmp_path / "train/good/0.png", good_part(3, SIZE))
    found = cut_defects(open_dataset(tmp_path).samples)
    assert (found.at_border, found.too_large, found.too_faint, found.unmarked) == (1, 1, 1, 1)
    assert found.too_small == 2
    (cut,) = found.cuts
    assert cut.mask.sum() == 3 * 37


def test_a_library_comes_back_as_it_was_written(folder, tmp_path):
    cuts = cut_defects(open_dataset(folder).samples).cuts
    write_library(cuts, tmp_path / "library")
    again = read_library(tmp_path / "library")
    for cut, other in zip(cuts, again, strict=True):
        assert np.array_equal(cut.image, other.image)
        assert np.array_equal(cut.mask, other.mask)
        assert replace(cut, image=other.image, mask=other.mask) == other


def test_a_defect_too_near_the_border_to_be_pasted_whole_is_not_cut(folder):
    mask = np.zeros(SIZE[::-1], bool)
    mask[60:80, 1:20] = True
    for path in (folder / "ground_truth/dent").glob("00[0-2]_mask.png"):
        save_mask(path, mask)
    found = cut_defects(open_dataset(folder).samples)
    assert (len(found.cuts), found.at_border) == (0, 3)


NETWORK = Network.model_validate(
    {
        "sha256": "1" * 64,
        "class": "dent",
        "data_sha256": "2" * 64,
        "seed": 3,
        "steps": 40,
        "learnt_from": ("a" * 64, "b" * 64),
    }
)


def test_what_a_network_imagined_comes_back_with_what_it_learnt_from(tmp_path):
    cuts = (cut(), replace(cut(), origin="imagined", network=NETWORK))
    write_library(cuts, tmp_path / "library")
    assert [each.network for each in read_library(tmp_path / "library")] == [None, NETWORK]
    index = tmp_path / "library" / "library.json"
    index.write_text(index.read_text().replace('"network": "1', '"network": "9'))
    with pytest.raises(DatasetError, match="of a network that is not listed"):
        read_library(tmp_path / "library")


def test_an_imagined_defect_is_held_out_with_all_that_its_network_saw(folder, tmp_path):
    samples = open_dataset(folder).samples
    cuts = cut_defects(samples).cuts
    imagined = [replace(each, origin="imagined", network=NETWORK) for each in cuts]
    synthesise(samples, imagined, Recipe(), tmp_path / "made", share=0.5)
    found = read_synthetic(tmp_path / "made")
    assert len(found) == 3
    assert all(each.made_from >= {"a" * 64, "b" * 64} for each in found)
    assert learnable(found, {"b" * 64}) == ()
    assert untested([*cuts, *imagined], {"b" * 64}) == cuts
    assert untested([*cuts, *imagined], {cuts[0].source_sha256}) == (*cuts[1:], *imagined[1:])


def test_imagined_defects_do_not_crowd_out_real_ones(folder, tmp_path):
    samples = open_dataset(folder).samples
    cuts = cut_defects(samples).cuts
    imagined = [replace(each, origin="imagined", network=NETWORK) for each in cuts] * 30
    made = synthesise(samples, [*cuts, *imagined], Recipe(), tmp_path / "made", share=0.9)
    origins = [one.origin for one in made.index.images]
    assert 0.25 < origins.count("cut") / len(origins) < 0.75


@pytest.mark.parametrize("damage", ["changed", "gone", "no index", "not JSON", "path"])
def test_a_damaged_library_is_told(folder, tmp_path, damage):
    place = tmp_path / "library"
    write_library(cut_defects(open_dataset(folder).samples).cuts, place)
    index = place / "library.json"
    if damage == "changed":
        (place / "00001.png").write_bytes((place / "00000.png").read_bytes())
    elif damage == "gone":
        (place / "00001_mask.png").unlink()
    elif damage == "no index":
        index.unlink()
    elif damage == "not JSON":
        index.write_text("{")
    else:
        index.write_text(index.read_text().replace("00001.png", "../00001.png"))
    with pytest.raises(DatasetError) as caught:
        read_library(place)
    assert caught.value.code is Code.DATASET_LIBRARY


# Blending


def ramp(shape=(30, 40)):
    y, x = np.mgrid[: shape[0], : shape[1]].astype(np.float32)
    return np.repeat((40 + 2 * y + x)[..., None], 3, axis=2)


def test_gradients_of_the_same_surface_change_nothing_whatever_its_brightness():
    region = np.zeros((30, 40), bool)
    region[8:20, 10:30] = True
    blended = by_gradients(ramp(), ramp() + 55, region)
    assert np.abs(blended - ramp()).max() < 1e-3


def test_gradients_keep_the_border_and_bring_the_defect():
    region = np.zeros((30, 40), bool)
    region[5:25, 8:32] = True
    source = ramp() * 0 + 200
    source[12:18, 15:25] -= 70
    blended = by_gradients(ramp(), source, region)
    assert np.array_equal(blended[~region], ramp()[~region])
    inner, outer = blended[14, 20], blended[8, 20]
    assert (outer - inner + ramp()[14, 20] - ramp()[8, 20] > 50).all()


def test_opacity_has_no_hard_edge():
    region = np.zeros((30, 40), bool)
    region[8:20, 10:30] = True
    blended = by_opacity(np.zeros((30, 40, 3), np.float32), np.full((30, 40, 3), 90.0), region)
    assert blended[14, 20].min() > 89
    assert blended[2, 2].max() < 1
    assert np.abs(np.diff(blended[14, :, 0])).max() < 45


# Pasting


def cut(shape=(41, 41), radius=8, surface=120.0, depth=80.0, class_name="dent"):
    y, x = np.ogrid[: shape[0], : shape[1]]
    mask = (y - 20) ** 2 + (x - 20) ** 2 <= radius**2
    grain = np.random.default_rng(1).normal(surface, 6, shape)
    grain[mask] -= depth
    image = np.repeat(np.clip(grain, 0, 255).astype(np.uint8)[..., None], 3, axis=2)
    return Cut(class_name, image, mask, (0, 0, 41, 41), "a.png", "0" * 64)


def surface(grey=120.0, shape=(120, 160), seed=3):
    grain = np.random.default_rng(seed).normal(grey, 6, shape)
    return np.repeat(np.clip(grain, 0, 255).astype(np.uint8)[..., None], 3, axis=2)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), blend=st.sampled_from(["opacity", "gradients"]))
def test_a_defect_lies_under_its_mask_and_nothing_else_changes(seed, blend):
    target = surface()
    made = paste(cut(), target, None, ClassAugment(), np.random.default_rng(seed), blend)
    x, y, width, height = made.box
    outside = np.ones(target.shape[:2], bool)
    outside[y : y + height, x : x + width] = False
    assert np.array_equal(made.image[outside], target[outside])
    assert not made.mask[outside].any()
    assert made.mask.sum() == pytest.approx(cut().mask.sum() * made.scale**2, rel=0.12)
    dark = made.image[..., 0] < 75
    assert (dark & made.mask).sum() / (dark | made.mask).sum() > 0.85


def test_a_defect_that_is_not_turned_is_the_one_that_was_cut():
    patch, mask = reshaped(cut(), Turn(), 1.0)
    rows, columns = np.nonzero(cut().mask)
    whole = cut().image[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
    mine = np.nonzero(mask)
    inner = patch[mine[0].min() : mine[0].max() + 1, mine[1].min() : mine[1].max() + 1]
    assert mask.sum() == cut().mask.sum()
    assert np.abs(inner - whole).max() < 0.01


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_a_defect_stays_where_it_is_allowed(seed):
    allowed = np.zeros((120, 160), bool)
    allowed[10:70, 60:130] = True
    made = paste(cut(), surface(), allowed, ClassAugment(), np.random.default_rng(seed))
    assert made is None or not made.mask[~allowed].any()


def test_only_a_surface_like_its_own_is_taken():
    target = surface()
    target[:, 80:] = 20  # another material
    for seed in range(20):
        made = paste(cut(), target, None, AS_IT_IS, np.random.default_rng(seed))
        assert made.box[0] + made.box[2] <= 82
    assert paste(cut(surface=220), surface(60), None, AS_IT_IS, np.random.default_rng(0)) is None
    smooth = np.full((120, 160, 3), 120, np.uint8)
    assert paste(cut(), smooth, None, AS_IT_IS, np.random.default_rng(0)) is None, "no such texture"


def test_a_defect_that_nobody_could_see_is_none():
    faint = cut(depth=0.0)
    flat = replace(faint, image=np.full_like(faint.image, 120))
    target = np.full((120, 160, 3), 120, np.uint8)
    assert paste(flat, target, None, AS_IT_IS, np.random.default_rng(0)) is None


def test_an_image_smaller_than_the_defect_has_no_place():
    assert plausible(surface(shape=(20, 20)), None, (30, 10), 120, 6).size == 0


# Drawing


@settings(max_examples=60, deadline=None)
@given(kind=st.sampled_from(DrawnKind), seed=st.integers(0, 2**32 - 1))
def test_a_drawn_defect_is_seen_under_its_mask(kind, seed):
    target = surface()
    allowed = np.zeros((120, 160), bool)
    allowed[20:, 30:] = True
    made = drawn_defect(kind, target, allowed, np.random.default_rng(seed))
    if made is None:
        return
    assert made.mask.any()
    assert not made.mask[~allowed].any()
    changed = np.abs(made.image.astype(int) - target).max(axis=2)
    assert not changed[~allowed].any()
    assert np.sqrt((changed[made.mask] ** 2.0).mean()) >= 5
    far = np.ones_like(made.mask)
    x, y, width, height = made.box
    far[y : y + height, x : x + width] = False
    assert not changed[far].any()


@pytest.mark.parametrize("kind", DrawnKind)
def test_every_kind_is_drawn(kind):
    made = [drawn_defect(kind, surface(), None, np.random.default_rng(n)) for n in range(10)]
    assert sum(each is not None for each in made) >= 9
    sizes = {int(each.mask.sum()) for each in made if each is not None}
    assert max(sizes) > 2 * min(sizes), "sizes are drawn from a wide range"


def test_perlin_noise_is_smooth_centred_and_of_its_cell():
    field = perlin((200, 200), 20, np.random.default_rng(0))
    assert abs(field.mean()) < 0.1
    assert 0.15 < field.std() < 0.5
    assert np.abs(np.diff(field, axis=1)).max() < 0.2
    assert np.abs(field[::20, ::20]).max() < 1e-9, "gradient noise is 0 on its lattice"


# The folder


def made_from(folder, output, **options):
    samples = open_dataset(folder).samples
    cuts = cut_defects(samples, root=folder).cuts
    return synthesise(samples, cuts, Recipe(), output, root=folder, **options)


def test_a_folder_has_the_share_it_was_asked_for(folder, tmp_path):
    made = made_from(folder, tmp_path / "made", share=0.5)
    assert made.index.real == {"dent": 3}
    assert len(made.index.images) + made.without_place.get("dent", 0) == 3
    assert len(made.index.images) == 3


def test_the_share_that_was_reached_is_told(folder, tmp_path):
    samples = open_dataset(folder).samples
    cuts = cut_defects(samples).cuts
    made = synthesise(samples, cuts, Recipe(), tmp_path / "made", share=0.5)
    assert made.share_of("dent") == 0.5
    none = [replace(each, image=255 - each.image // 9) for each in cuts]  # no such surface
    made = synthesise(samples, none, Recipe(), tmp_path / "none", share=0.5)
    assert (made.share_of("dent"), made.without_place) == (0, {"dent": 3})


def test_a_good_image_that_cannot_be_read_any_more_is_passed_over(folder, tmp_path):
    samples = open_dataset(folder).samples
    cuts = cut_defects(samples).cuts
    for number in range(5):
        folder.joinpath(f"train/good/{number:03}.png").write_bytes(b"gone")
    made = synthesise(samples, cuts, Recipe(), tmp_path / "made", share=0.5)
    assert {one.background.image[-7:] for one in made.index.images} == {"005.png"}
    assert len(made.skipped) == 5
    folder.joinpath("train/good/005.png").write_bytes(b"gone")
    with pytest.raises(ImageError):
        synthesise(samples, cuts, Recipe(), tmp_path / "none", share=0.5)


def test_a_synthetic_sample_says_what_it_is_and_what_it_was_made_from(folder, tmp_path):
    made_from(folder, tmp_path / "made", share=0.6, drawn={"scratch": [DrawnKind.SCRATCH]})
    samples = open_dataset(folder).samples
    hashes = {content_hash(sample.image) for sample in samples if sample.split == "train"}
    tested = {content_hash(sample.image) for sample in samples if sample.split == "test"}
    found = read_synthetic(tmp_path / "made")
    assert {each.sample.label for each in found} == {"dent", "scratch"}
    for each in found:
        assert is_synthetic(each.sample.image)
        assert each.sample.split == "train"
        assert each.made_from <= hashes
        assert not each.made_from & tested
        assert len(each.made_from) == (2 if each.sample.label == "dent" else 1)


def test_what_was_made_from_a_held_out_image_is_held_out_too(folder, tmp_path):
    made_from(folder, tmp_path / "made", share=0.8)
    found = read_synthetic(tmp_path / "made")
    assert learnable(found, ()) == found
    for held_out in {one for each in found for one in each.made_from}:
        left = learnable(found, {held_out})
        assert len(left) < len(found)
        assert all(held_out not in each.made_from for each in left)


def test_the_same_seed_makes_the_same_folder(folder, tmp_path):
    first, again, other = (
        made_from(folder, tmp_path / name, share=0.5, seed=seed).index
        for name, seed in (("a", 1), ("b", 1), ("c", 2))
    )
    assert first == again
    assert first.images != other.images


def test_a_folder_is_the_same_wherever_its_data_lies(folder, tmp_path):
    made = made_from(folder, tmp_path / "a", share=0.5)
    moved = folder.rename(tmp_path / "elsewhere")
    assert made_from(moved, tmp_path / "b", share=0.5) == made
    assert {one.background.image[:11] for one in made.index.images} == {"train/good/"}
    assert all(one.defect.image.startswith("train/dent/") for one in made.index.images)


def test_every_class_that_an_image_shows_counts(folder, tmp_path):
    samples = list(open_dataset(folder).samples)
    place = next(n for n, s in enumerate(samples) if not s.is_good and s.split == "train")
    drawn = tuple(Annotation(name, BoxShape(30, 20, 20, 20)) for name in ("dent", "scratch"))
    samples[place] = replace(samples[place], mask=None, marks=drawn)
    cuts = cut_defects(samples).cuts
    made = synthesise(samples, cuts, Recipe(), tmp_path / "made", share=0.5)
    assert made.index.real == {"dent": 3, "scratch": 1}
    assert {one.class_name for one in made.index.images} == {"dent", "scratch"}


def test_a_synthetic_image_never_enters_a_dataset(folder, tmp_path):
    made_from(folder, tmp_path / "made", share=0.5)
    mixed = folder / "train" / "dent"
    for path in (tmp_path / "made/train/dent").iterdir():
        (mixed / path.name).write_bytes(path.read_bytes())
    dataset = open_dataset(folder)
    assert not any(is_synthetic(sample.image) for sample in dataset.samples)
    left_out = [file for file in dataset.skipped if file.path.name.startswith(PREFIX)]
    assert len(left_out) == 3
    assert {file.error.code for file in left_out} == {Code.DATASET_SYNTHETIC}


@pytest.mark.parametrize("damage", ["changed", "no index", "outside", "renamed"])
def test_a_damaged_folder_is_told(folder, tmp_path, damage):
    place = tmp_path / "made"
    made_from(folder, place, share=0.5)
    index = place / INDEX
    content = json.loads(index.read_text())
    if damage == "changed":
        (place / content["images"][0]["mask"]).write_bytes(b"")
    elif damage == "no index":
        index.unlink()
    elif damage == "outside":
        content["images"][0]["image"] = "../a.png"
        index.write_text(json.dumps(content))
    else:
        name = "train/dent/real.png"
        (place / name).write_bytes((place / content["images"][0]["image"]).read_bytes())
        content["images"][0]["image"] = name
        index.write_text(json.dumps(content))
    with pytest.raises(DatasetError) as caught:
        read_synthetic(place)
    assert caught.value.code is Code.DATASET_SYNTHETIC


def test_without_good_images_or_defects_nothing_is_made(folder, tmp_path):
    samples = open_dataset(folder).samples
    cuts = cut_defects(samples).cuts
    with pytest.raises(DatasetError) as caught:
        synthesise([s for s in samples if not s.is_good], cuts, Recipe(), tmp_path / "a")
    assert caught.value.code is Code.DATASET_NO_GOOD
    with pytest.raises(DatasetError) as caught:
        synthesise(samples, (), Recipe(), tmp_path / "b")
    assert caught.value.code is Code.DATASET_NO_DEFECT
    assert not list(tmp_path.glob("[ab]/*"))
