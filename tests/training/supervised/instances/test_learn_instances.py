"""Marked defects make a bundle that finds each of them, from outlines or from boxes alone."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.small_parts import dented, good_part, save_image
from tests.training.supervised.marked_parts import marked_folder, save_mask, scratched

from keenline.annotation import Annotation, BoxShape
from keenline.bundle import read_bundle
from keenline.data.dataset import Dataset
from keenline.data.importers import open_dataset
from keenline.data.reading import read_mask
from keenline.errors import Code, TrainingError
from keenline.inference.framing import framing_for
from keenline.inference.inspector import Inspector
from keenline.models.base import silent
from keenline.recipe import Recipe
from keenline.training.supervised.instances.marked import InstanceViews
from keenline.training.supervised.settings import Settings
from keenline.types import Sample, Verdict

pytestmark = pytest.mark.train

SMALL = Settings(epochs=3, crops=6, batch=3, crop=64)
PLAIN = Recipe.model_validate({"detector": {"precision": "f32"}})


@pytest.fixture(scope="module")
def marked(tmp_path_factory) -> Dataset:
    return open_dataset(marked_folder(tmp_path_factory.mktemp("marked"), number=8, good=16))


def boxed(dataset: Dataset, only: str = "") -> Dataset:
    """The same with a box around each mask in its place; only: of this class alone."""
    samples = []
    for sample in dataset.samples:
        if sample.mask is None or (only and sample.label != only):
            samples.append(sample)
            continue
        there = np.argwhere(read_mask(sample.mask, (96, 64)))
        (top, left), (bottom, right) = there.min(axis=0), there.max(axis=0) + 1
        shape = BoxShape(float(left), float(top), float(right - left), float(bottom - top))
        samples.append(replace(sample, mask=None, marks=(Annotation(sample.label, shape),)))
    return replace(dataset, samples=tuple(samples))


def test_crops_keep_outlines_on_what_they_outline(tmp_path):
    from keenline.training.supervised.instances.lots import InstanceLots, batched

    rng = np.random.default_rng(0)
    mask = rng.random((20, 31)) < 0.6
    mask[0], mask[-1], mask[:, 0], mask[:, -1] = True, True, True, True
    pixels = np.zeros((80, 100, 3), np.uint8)
    pixels[40:60, 50:81][mask] = 200
    there = np.zeros((80, 100), bool)
    there[40:60, 50:81] = mask
    save_image(tmp_path / "dent.png", pixels)
    save_mask(tmp_path / "mask.png", there)
    size = framing_for(
        [(100, 80)], size="native", auto_side=99, multiple=16, tile=448, overlap=0, bit_depth=None
    )
    sample = Sample(tmp_path / "dent.png", "dent", tmp_path / "mask.png")
    views = InstanceViews([sample], ["dent"], size, silent)
    lots = InstanceLots(views, seed=1, crop=64, crops=40, rotations=(90, 180, 270))
    crops = [lots[number] for number in range(40)]
    turned = set()
    for crop in crops:
        (found,) = crop.instances
        left, top, right, bottom = found.box
        assert found.mask is not None
        assert ((crop.pixels[top:bottom, left:right, 0] > 100) == found.mask).all()
        outside = crop.pixels[..., 0] > 100
        outside[top:bottom, left:right] = False
        assert not outside.any()  # it fits, so every crop holds all of it
        turned.add(found.mask.tobytes())
    assert len(turned) == 8
    again = lots[3]
    assert (again.pixels == crops[3].pixels).all()
    images, targets = batched(crops[:2])
    assert images.shape == (2, 64, 64, 3)
    assert targets[0]["masks"].sum() == crops[0].instances[0].mask.sum()
    assert targets[0]["outlined"].tolist() == [True]


def test_it_finds_outlines_and_names_defects_it_has_not_seen(marked, tmp_path):
    from keenline.training.supervised.instances.learn import learn

    settings = Settings(epochs=7, crops=28, crop=96, batch=4)
    done = learn(marked, tmp_path / "part.keen", settings=settings)
    manifest = done.bundle.manifest
    assert manifest.detector == "mask-rcnn"
    assert manifest.facts["outlines"] is True
    assert "average precision" in done.said["boxes"]
    said = " ".join(done.notes)
    int8 = manifest.engine.precision == "int8"
    assert "int8 takes" in said if int8 else "float32, because in int8" in said
    first, second = (Inspector.open(done.path, engine=n) for n in ("openvino", "onnxruntime"))
    for at in ((25, 14), (75, 50)):
        for name, image in (("dent", dented(200, at)), ("scratch", scratched(201, at))):
            one, other = first.inspect(image), second.inspect(image)
            assert one.decision.verdict is other.decision.verdict is Verdict.REVIEW
            found = one.prediction
            assert found is not None
            assert max(found.class_scores, key=found.class_scores.__getitem__) == name
            box = next(region.box for region in found.regions if region.class_name == name)
            assert box.x <= at[0] + 2 <= box.x + box.width + 4
            assert box.y <= at[1] <= box.y + box.height
    for seed in (300, 301, 302):
        assert first.inspect(good_part(seed)).decision.verdict is Verdict.PASS


def test_boxes_alone_are_learnt_and_an_interrupted_run_ends_as_if_it_had_not_been(marked, tmp_path):
    from keenline.training.supervised.instances.learn import learn

    whole, part = tmp_path / "whole.keen", tmp_path / "part.keen"

    def copied(line) -> None:
        # At the end of the third epoch the checkpoint is that of the second.
        if line["epoch"] == 3:
            shutil.copy(f"{whole}.checkpoint", f"{part}.checkpoint")

    boxes = boxed(marked)
    done = learn(boxes, whole, recipe=PLAIN, settings=SMALL, told=copied)
    assert done.bundle.manifest.facts["outlines"] is False
    assert any("marked with a box alone: none is outlined" in note for note in done.notes)
    told: list[float] = []
    learn(
        boxes,
        part,
        recipe=PLAIN,
        settings=SMALL,
        resume=True,
        told=lambda line: told.append(line["epoch"]),
    )
    assert told == [3]
    assert read_bundle(part).graph == read_bundle(whole).graph
    assert not Path(f"{part}.checkpoint").exists()


def test_only_what_has_an_outline_teaches_outlines(marked, tmp_path):
    """The masks of boxed defects carry no gradient, whatever stands in them."""
    import torch

    from keenline.training.supervised.encoder import open_encoder
    from keenline.training.supervised.instances.anchors import Anchors
    from keenline.training.supervised.instances.network import MaskRCNN

    encoder = open_encoder("keenline", weights=None, from_scratch=False, seed=0)
    network = MaskRCNN(encoder, 2, Anchors(((16.0,),) * 4, (1.0,)), masks=True).train()
    picture = torch.rand(2, 3, 64, 64)

    def loss(outlined: list[list[bool]], filled: float) -> float:
        torch.manual_seed(0)
        targets = [
            {
                "boxes": torch.tensor([[8.0, 8, 24, 24], [30, 30, 50, 60]]),
                "labels": torch.tensor([1, 2]),
                "masks": torch.full((2, 64, 64), filled).byte(),
                "outlined": torch.tensor(which),
            }
            for which in outlined
        ]
        return float(network.losses(picture, targets)["loss_mask"].detach())

    none = [[False, False], [False, False]]
    assert loss(none, 0) == loss(none, 1) == 0
    some = [[True, False], [False, False]]
    assert loss(some, 0) > 0
    assert loss(some, 0) != loss(some, 1)


def test_what_another_model_reads_is_refused(marked, tmp_path):
    from keenline.training.supervised.instances.learn import learn

    for asked in ({"loss": "focal"}, {"balance": "weights"}, {"attention": True}, {"dropout": 0.1}):
        with pytest.raises(TrainingError) as caught:
            learn(marked, tmp_path / "part.keen", settings=replace(SMALL, **asked))
        assert caught.value.code is Code.OPTION_CONFLICT
        assert next(iter(asked)) in str(caught.value.got)
