"""Labelled defects make a bundle that names them, measured on parts that it did not learn from."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage
from tests.small_parts import (
    SIZE,
    dented,
    good_folder,
    good_part,
    recipe,
    save_image,
    tiny_backbone,
)

from keenline.annotation import CONFIRMED_MISS, Annotation, BoxShape
from keenline.bundle import write_bundle
from keenline.data.dataset import Dataset
from keenline.data.importers import open_dataset
from keenline.errors import BundleError, Code, DatasetError
from keenline.inference.inspector import Inspector
from keenline.lifecycle.readiness import with_authority
from keenline.recipe import Recipe
from keenline.station.engine_messages import Opening
from keenline.station.engine_worker import bundle_inspector
from keenline.training.fit import train
from keenline.training.teach import teach
from keenline.training.update import update
from keenline.types import ANOMALY, Authority, Image, Sample, Verdict

PLACES = [(20, 12), (70, 14), (30, 52), (80, 50), (50, 12), (60, 52)]


def scratched(seed: int, at: tuple[int, int]) -> Image:
    """A good part with a bright ragged line across its height."""
    part = good_part(seed)
    part[::2, at[0] - 3 : at[0] + 3] = 255
    part[1::2, at[0] - 3 : at[0] + 3] = 190
    return part


def labelled_folder(root: Path, number: int = 6) -> Path:
    """Good parts, dents and scratches, each defect with its mask."""
    good_folder(root, 14)
    for seed in range(number):
        at = PLACES[seed % len(PLACES)]
        for name, part in (("dent", dented(50 + seed, at)), ("scratch", scratched(80 + seed, at))):
            save_image(root / name / f"{seed}.png", part)
            mask = np.abs(part.astype(int) - good_part(50 + seed if name == "dent" else 80 + seed))
            save_mask(root / name / f"{seed}_mask.png", mask.max(axis=2) > 0)
    return root


def save_mask(path: Path, mask: np.ndarray) -> None:
    PillowImage.fromarray((mask * 255).astype(np.uint8)).save(path)


def with_box(sample: Sample) -> Sample:
    """What a person draws around the defect, in place of its mask."""
    x, y = PLACES[int(sample.image.stem) % len(PLACES)]
    drawn = Annotation(sample.label, BoxShape(x - 5, y - 5, 10, 10))
    return replace(sample, mask=None, marks=(drawn,))


@pytest.fixture(scope="module")
def backbone(tmp_path_factory) -> str:
    return tiny_backbone(tmp_path_factory.mktemp("backbone"))


@pytest.fixture(scope="module")
def labelled(tmp_path_factory) -> Dataset:
    return open_dataset(labelled_folder(tmp_path_factory.mktemp("labelled")))


@pytest.fixture(scope="module")
def plain(tmp_path_factory, backbone, labelled) -> Path:
    path = tmp_path_factory.mktemp("plain") / "part.keen"
    train(labelled, path, recipe=recipe(backbone=backbone))
    return path


@pytest.fixture(scope="module")
def taught(tmp_path_factory, plain, labelled):
    return teach(plain, labelled, output=tmp_path_factory.mktemp("taught") / "part.keen")


def test_it_names_defects_it_has_not_seen(taught):
    inspector = Inspector.open(taught.path)
    for at in ((25, 14), (75, 50)):
        dent = inspector.inspect(dented(200, at)).prediction
        scratch = inspector.inspect(scratched(201, at)).prediction
        assert dent is not None
        assert scratch is not None
        assert dent.class_scores["dent"] > 0.5 > dent.class_scores["scratch"]
        assert scratch.class_scores["scratch"] > 0.5 > scratch.class_scores["dent"]
        place = next(region.box for region in dent.regions if region.class_name == "dent")
        assert place.x <= at[0] <= place.x + place.width
        assert place.y <= at[1] <= place.y + place.height
    good = inspector.inspect(good_part(300)).prediction
    assert good is not None
    assert max(good.class_scores.values()) < 0.5


def test_what_was_learnt_from_good_parts_stays(plain, taught):
    before, after = Inspector.open(plain), Inspector.open(taught.path)
    for image in (good_part(300), dented(200)):
        first, second = before.inspect(image).prediction, after.inspect(image).prediction
        assert first is not None
        assert second is not None
        assert first.score == second.score
        np.testing.assert_array_equal(first.map, second.map)
    assert before.threshold == after.threshold


def test_each_class_is_measured_on_parts_left_out(taught):
    facts = {known.name: known for known in taught.bundle.manifest.classes}
    assert list(facts) == ["dent", "scratch"]
    for known in facts.values():
        assert (known.images, known.parts, known.tried, known.good) == (6, 6, 6, 14)
        assert known.found >= 4
        assert known.false_alarms == 0
    assert len(taught.left_out) == 26
    assert "fewer than 30 parts only ask for a review: dent 6, scratch 6" in " ".join(taught.notes)


def test_a_class_of_few_parts_asks_for_a_review_though_it_may_reject(tmp_path, backbone, labelled):
    values = recipe(backbone=backbone).model_dump(mode="json", by_alias=True)
    values["classes"] = [{"name": "dent", "authority": "reject"}]
    trained = train(labelled, tmp_path / "part.keen", recipe=Recipe.model_validate(values))
    assert any(note.startswith("the recipe lets dent reject") for note in trained.notes)
    taught = teach(tmp_path / "part.keen", labelled).bundle
    decision = Inspector.open(tmp_path / "part.keen").inspect(dented(200, (25, 14))).decision
    assert any("the class may only flag" in reason for reason in decision.reasons)
    granted = with_authority(taught.manifest, "dent", Authority.REJECT)
    write_bundle(tmp_path / "part.keen", granted, taught.members)
    decision = Inspector.open(tmp_path / "part.keen").inspect(dented(200, (25, 14))).decision
    assert decision.verdict is Verdict.REVIEW
    assert any("6 of the 30 samples needed to reject" in reason for reason in decision.reasons)


def test_a_station_rejects_what_both_its_recipe_and_the_bundle_let_reject(tmp_path, taught):
    facts = [known.model_copy(update={"parts": 30}) for known in taught.bundle.manifest.classes]
    many = taught.bundle.manifest.model_copy(update={"classes": tuple(facts)})
    granted = with_authority(many, "dent", Authority.REJECT)
    values = many.recipe.model_dump(mode="json", by_alias=True)
    for manifest, asked, verdict in (
        (granted, "reject", Verdict.REJECT),
        (granted, "flag", Verdict.REVIEW),
        (many, "reject", Verdict.REVIEW),
    ):
        write_bundle(tmp_path / "many.keen", manifest, taught.bundle.members)
        values["classes"] = [{"name": "dent", "authority": asked}]
        recipe_of_station = Recipe.model_validate(values).model_dump_json(by_alias=True)
        opening = Opening(str(tmp_path / "many.keen"), 1, recipe=recipe_of_station)
        inspect, _ = bundle_inspector(opening)
        assert inspect(dented(200, (25, 14))).decision.verdict is verdict


def test_the_same_seed_teaches_the_same(tmp_path, plain, labelled, taught):
    again = teach(plain, labelled, output=tmp_path / "again.keen")
    assert again.bundle.members["classes.npz"] == taught.bundle.members["classes.npz"]


def test_boxes_that_people_drew_teach_too(tmp_path, plain, labelled):
    drawn = [with_box(sample) for sample in labelled.defects]
    (mark,) = drawn[-1].marks
    missed = replace(mark, attributes=((CONFIRMED_MISS, "yes"),))
    drawn[-1] = replace(drawn[-1], marks=(missed,))
    boxed = replace(labelled, samples=(*labelled.good, *drawn))
    found = teach(plain, boxed, output=tmp_path / "boxed.keen")
    assert found.confirmed_misses == 1
    assert "1 of them confirmed misses that weighed 2" in found.bundle.manifest.updates[-1]
    assert {known.name for known in found.bundle.manifest.classes} == {"dent", "scratch"}
    assert sum(known.found for known in found.bundle.manifest.classes) >= 9


def test_classes_without_a_place_are_sought_where_it_is_strange(tmp_path, plain, labelled):
    bare = replace(
        labelled, samples=tuple(replace(sample, mask=None) for sample in labelled.samples)
    )
    found = teach(plain, bare, output=tmp_path / "bare.keen")
    assert sum(known.found for known in found.bundle.manifest.classes) >= 8


def test_only_the_training_split_is_learnt(tmp_path, plain, labelled):
    samples = tuple(
        replace(
            sample, split="test" if sample.image.stem in "01" and not sample.is_good else "train"
        )
        for sample in labelled.samples
    )
    found = teach(plain, replace(labelled, samples=samples), output=tmp_path / "split.keen")
    assert [known.images for known in found.bundle.manifest.classes] == [4, 4]
    learnt = {out.sample.image for out in found.left_out}
    assert not learnt & {sample.image for sample in samples if sample.split == "test"}


def test_defects_for_measuring_alone_are_refused(tmp_path, plain, labelled):
    samples = tuple(
        replace(sample, split="train" if sample.is_good else "test") for sample in labelled.samples
    )
    with pytest.raises(DatasetError) as caught:
        teach(plain, replace(labelled, samples=samples), output=tmp_path / "x.keen")
    assert caught.value.code is Code.DATASET_NO_DEFECT
    assert "12 defects in test/" in str(caught.value)
    assert not (tmp_path / "x.keen").exists()


def test_without_good_images_it_is_refused(tmp_path, plain, labelled):
    with pytest.raises(DatasetError) as caught:
        teach(plain, replace(labelled, samples=labelled.defects), output=tmp_path / "x.keen")
    assert caught.value.code is Code.DATASET_NO_GOOD


def test_a_class_of_one_part_is_taught_but_not_measured(tmp_path, plain, labelled):
    first = next(sample for sample in labelled.samples if sample.label == "scratch")
    kept = [sample for sample in labelled.samples if sample.label != "scratch"]
    found = teach(plain, replace(labelled, samples=(*kept, first)), output=tmp_path / "one.keen")
    scratch = found.bundle.manifest.classes[1]
    assert (scratch.parts, scratch.tried, scratch.found) == (1, 0, 0)
    assert any("not measured, because there is but one part: scratch" in n for n in found.notes)


def test_an_image_that_went_bad_is_skipped_and_told(tmp_path, plain):
    folder = labelled_folder(tmp_path / "folder")
    dataset = open_dataset(folder)
    broken = folder / "dent" / "0.png"
    broken.write_bytes(broken.read_bytes()[:200])
    found = teach(plain, dataset, output=tmp_path / "x.keen")
    assert [skipped.path for skipped in found.skipped] == [broken]
    assert found.bundle.manifest.classes[0].images == 5


def test_a_bundle_without_embeddings_is_refused(tmp_path, labelled):
    train(labelled, tmp_path / "part.keen", recipe=recipe(name="classical"))
    with pytest.raises(BundleError) as caught:
        teach(tmp_path / "part.keen", labelled)
    assert caught.value.code is Code.BUNDLE_CANNOT_UPDATE


def test_teaching_again_replaces_what_was_taught(tmp_path, taught, labelled):
    dents = tuple(s for s in labelled.samples if s.label != "scratch")
    again = teach(taught.path, replace(labelled, samples=dents), output=tmp_path / "again.keen")
    found = Inspector.open(again.path).inspect(scratched(201, (25, 14))).prediction
    assert found is not None
    assert list(found.class_scores) == ["dent"]
    assert len(again.bundle.manifest.updates) == 2


def test_an_update_keeps_the_classes(tmp_path, taught):
    extra = good_folder(tmp_path / "extra", 3)
    for path in (extra / "good").iterdir():
        save_image(path, dented(int(path.stem), (50, 12)))
    updated = update(taught.path, open_dataset(extra), output=tmp_path / "updated.keen")
    assert updated.added
    image = dented(200, (25, 14))
    before = Inspector.open(taught.path).inspect(image).prediction
    after = Inspector.open(updated.path).inspect(image).prediction
    assert before is not None
    assert after is not None
    assert after.class_scores == pytest.approx(before.class_scores)
    assert after.score < before.score


def test_tiles_with_a_region_of_interest(tmp_path, backbone):
    wide = (SIZE[0] * 3, SIZE[1] * 3)
    folder = tmp_path / "wide"
    for seed in range(8):
        save_image(folder / "good" / f"{seed}.png", good_part(seed, wide))
    for seed in range(4):
        at = (40 + 50 * seed, 40)
        save_image(folder / "dent" / f"{seed}.png", dented(60 + seed, at, wide, radius=9))
        y, x = np.ogrid[: wide[1], : wide[0]]
        save_mask(folder / "dent" / f"{seed}_mask.png", (x - at[0]) ** 2 + (y - at[1]) ** 2 <= 81)
    values = recipe(backbone=backbone).model_dump(mode="json", by_alias=True)
    values["image"] |= {"size": "native", "tile": 128, "tile_overlap": 16}
    values["inspect"]["roi"] = [[0, 0, wide[0], 96]]
    dataset = open_dataset(folder)
    train(dataset, tmp_path / "part.keen", recipe=Recipe.model_validate(values))
    teach(tmp_path / "part.keen", dataset)
    inspector = Inspector.open(tmp_path / "part.keen")
    inside = inspector.inspect(dented(90, (120, 40), wide, radius=9)).prediction
    outside = inspector.inspect(dented(90, (120, 160), wide, radius=9)).prediction
    assert inside is not None
    assert outside is not None
    assert inside.class_scores["dent"] > 0.5 > outside.class_scores["dent"]
    assert {region.class_name for region in outside.regions} <= {ANOMALY}
    assert inside.class_maps["dent"].shape == inside.map.shape
