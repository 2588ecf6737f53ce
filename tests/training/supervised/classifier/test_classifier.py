"""Images whose class is known make a bundle that names it, and shows what made it say so."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from tests.small_parts import dented, good_part
from tests.training.supervised.marked_parts import marked_folder, scratched

from keenline.bundle import GRAPH, FramingFacts, read_bundle
from keenline.data.dataset import Dataset
from keenline.data.importers import open_dataset
from keenline.errors import BackboneError, Code, TrainingError
from keenline.inference.engines import open_engine
from keenline.inference.framing import Framing
from keenline.inference.inspector import Inspector
from keenline.recipe import Recipe
from keenline.training.supervised.classifier.learn import ClassRun, check_whole, learn
from keenline.training.supervised.learn import Learnt
from keenline.training.supervised.learners import learner
from keenline.training.supervised.settings import Settings
from keenline.types import Verdict

pytestmark = pytest.mark.train

SMALL = Settings(epochs=2, crops=8, batch=4)


def recipe(model: str = "classifier", **detector: object) -> Recipe:
    return Recipe.model_validate(
        {
            "image": {"size": 64},
            "detector": {"name": model, "precision": "f32", **detector},
            "learning": {"model": model},
        }
    )


@pytest.fixture(scope="module")
def unmarked(tmp_path_factory) -> Dataset:
    """Good parts, dents and scratches: no defect is marked."""
    dataset = open_dataset(marked_folder(tmp_path_factory.mktemp("marked"), number=8, good=12))
    return replace(dataset, samples=tuple(replace(s, mask=None) for s in dataset.samples))


@pytest.fixture(scope="module")
def only_defects(unmarked) -> Dataset:
    return replace(unmarked, samples=tuple(s for s in unmarked.samples if not s.is_good))


@pytest.fixture(scope="module")
def learnt(tmp_path_factory, unmarked) -> Learnt:
    path = tmp_path_factory.mktemp("learnt") / "part.keen"
    settings = Settings(epochs=12, crops=48, batch=8, frozen=True, rate=0.01)
    values = recipe(precision="int8").model_dump(mode="json", by_alias=True)
    wanted = Recipe.model_validate(values | {"image": {"size": 96}})
    return learn(unmarked, path, recipe=wanted, settings=settings)


def test_it_names_parts_it_has_not_seen_from_image_labels_alone(learnt):
    inspector = Inspector.open(learnt.path)
    for name, image in (("dent", dented(200, (75, 50))), ("scratch", scratched(201, (25, 14)))):
        inspection = inspector.inspect(image)
        said = inspection.prediction
        assert said is not None
        assert inspection.decision.verdict is Verdict.REVIEW
        assert max(said.class_scores, key=said.class_scores.__getitem__) == name
        assert said.class_scores[name] > 0.5
    for seed in (300, 301, 302):
        assert inspector.inspect(good_part(seed)).decision.verdict is Verdict.PASS
    manifest = learnt.bundle.manifest
    assert manifest.detector == "classifier"
    assert manifest.facts["maps"] == "class activation"
    assert manifest.engine.precision == "int8"
    assert "torch" in manifest.engine.compared_with
    assert "onnxruntime" in manifest.engine.compared_with
    assert float(str(manifest.facts["accuracy_left_out"])) > 0.9
    assert "accuracy" in learnt.said


def test_both_engines_give_each_part_the_same_verdict(learnt, unmarked):
    first, second = (
        Inspector.open(learnt.path, engine=name) for name in ("openvino", "onnxruntime")
    )
    for sample in unmarked.samples:
        one, other = first.inspect(sample.image), second.inspect(sample.image)
        assert one.decision.verdict is other.decision.verdict


def test_the_map_is_the_last_layer_before_pooling_and_its_mean_is_what_is_said(unmarked, tmp_path):
    """Computed once more in numpy, from the features that torch gives and the learnt weights."""
    import torch

    path = tmp_path / "part.keen"
    run = ClassRun(unmarked, path, recipe(), replace(SMALL, epochs=4), lambda *_: None)
    fitted = run.teach(resume=False, told=lambda _: None)
    bundle = run.finish(fitted, 0.0).bundle
    network, about = run._network.eval(), run._encoder.about
    view = run._views.view(run._views.known[-1]).pixels[None]
    fed = view.transpose(0, 3, 1, 2) * np.reshape(about.scale, (1, 3, 1, 1)) + np.reshape(
        about.offset, (1, 3, 1, 1)
    )
    with torch.no_grad():
        picture = torch.from_numpy(fed.astype(np.float32))
        logits = network(picture)[0].numpy()
        levels = [f[0].numpy().astype(np.float64) for f in network.encoder(picture)]
    weights = (network.output.weight / network.spread).detach().numpy()
    bias = network.output.bias.detach().numpy() - weights @ network.middle.numpy()
    assert np.abs(weights).max() > 1e-4
    start, total = 0, bias[:, None, None]
    for place, level in enumerate(levels[network.first :]):
        width = len(level)
        away = (level - level.mean(axis=(1, 2), keepdims=True)) ** 2
        spread = away / np.sqrt(away.mean(axis=(1, 2), keepdims=True) + 1e-4)
        for values in (level, spread):
            part = np.einsum("kc,chw->khw", weights[:, start : start + width], values)
            total = total + part.repeat(2**place, axis=1).repeat(2**place, axis=2)
            start += width
    assert total.mean(axis=(1, 2)) == pytest.approx(logits, abs=1e-3)
    shares = np.exp(total) / np.exp(total).sum(axis=0)
    for name in ("onnxruntime", "openvino"):
        said = open_engine(bundle.members[GRAPH], name=name, precision="f32").run(view)
        assert said["map"][0] == pytest.approx(1 - shares[0], abs=1e-4)
        order = np.argsort(said["class_map"][0], axis=None)
        # Shifted by what each class's limit is, so the order of places within a class stays.
        for found, wanted in zip(said["class_map"][0], shares[1:], strict=True):
            ranked = np.argsort(found, axis=None, kind="stable")
            assert np.all(np.diff(wanted.ravel()[ranked]) > -1e-4)
        assert order.size
    model = onnx.load_from_string(bundle.members[GRAPH])
    assert [o.name for o in model.graph.output] == ["map", "score", "class_map", "class_score"]


def test_without_good_images_nothing_passes_and_that_is_said(only_defects, tmp_path):
    done = learn(
        only_defects, tmp_path / "part.keen", recipe=recipe(), settings=replace(SMALL, epochs=6)
    )
    threshold = done.bundle.manifest.threshold
    assert "none can pass" in threshold.statement
    assert any("no good image" in note for note in done.notes)
    assert done.bundle.manifest.facts["good_known"] is False
    inspector = Inspector.open(done.path)
    for image in (good_part(300), dented(200, (75, 50)), np.zeros((64, 96, 3), np.uint8)):
        inspection = inspector.inspect(image)
        if inspection.prediction is not None:
            assert inspection.prediction.score > threshold.value
            assert not inspection.prediction.map.any()  # what is strange is not known
        assert inspection.decision.verdict is not Verdict.PASS


def test_one_image_of_a_class_is_learnt_and_not_measured(unmarked, tmp_path):
    first = next(s for s in unmarked.samples if s.label == "dent")
    few = (*(s for s in unmarked.samples if s.label != "dent"), first)
    done = learn(
        replace(unmarked, samples=few), tmp_path / "a.keen", recipe=recipe(), settings=SMALL
    )
    (dent,) = (known for known in done.bundle.manifest.classes if known.name == "dent")
    assert (dent.parts, dent.tried) == (1, 0)
    assert any("not measured" in note and "dent" in note for note in done.notes)


def test_an_interrupted_run_ends_as_if_it_had_not_been(unmarked, tmp_path):
    settings = replace(SMALL, epochs=4)
    whole, part = tmp_path / "whole.keen", tmp_path / "part.keen"

    def copied(line) -> None:
        if line["epoch"] == 3:  # the checkpoint is that of the second epoch then
            shutil.copy(f"{whole}.checkpoint", f"{part}.checkpoint")

    learn(unmarked, whole, recipe=recipe(), settings=settings, told=copied)
    told: list[float] = []
    learn(
        unmarked,
        part,
        recipe=recipe(),
        settings=settings,
        resume=True,
        told=lambda line: told.append(line["epoch"]),
    )
    assert told == [3, 4]
    assert read_bundle(part).graph == read_bundle(whole).graph


def test_frozen_leaves_the_encoder_as_it_was(unmarked, tmp_path):
    import torch

    changed = {}
    for frozen in (True, False):
        settings = replace(SMALL, frozen=frozen)
        run = ClassRun(unmarked, tmp_path / "a.keen", recipe(), settings, lambda *_: None)
        before = {k: v.clone() for k, v in run._encoder.module.state_dict().items()}
        run.teach(resume=False, told=lambda _: None)
        after = run._encoder.module.state_dict()
        changed[frozen] = any(not torch.equal(after[key], before[key]) for key in before)
    assert changed == {True: False, False: True}


@pytest.mark.parametrize("positions", ["learned", "sine", "none"])
def test_a_hybrid_says_where_it_looks_and_rounds_its_convolutions(unmarked, tmp_path, positions):
    settings = replace(SMALL, layers=2, heads=4, positions=positions)
    wanted = recipe("hybrid", precision="int8" if positions == "sine" else "f32")
    done = learner("hybrid").load()(
        unmarked,
        tmp_path / "part.keen",
        recipe=wanted,
        settings=settings,
        resume=False,
        progress=lambda *_: None,
        told=lambda _: None,
    )
    facts = done.bundle.manifest.facts
    assert (facts["maps"], facts["layers"], facts["heads"]) == ("attention", 2, 4)
    said = Inspector.open(done.path).inspect(dented(200, (75, 50))).prediction
    assert said is not None
    # The place that is looked at most has the score of the whole image.
    assert said.map.max() == pytest.approx(said.score, abs=1e-3)
    rounded = [
        node.name
        for node in onnx.load_from_string(done.bundle.graph).graph.node
        if node.op_type == "QuantizeLinear"
    ]
    assert bool(rounded) == (positions == "sine")


def test_a_vision_transformer_is_made_for_the_size_of_the_images(unmarked, tmp_path):
    wanted = recipe(backbone="timm:test_vit", precision="auto")
    done = learn(
        unmarked,
        tmp_path / "part.keen",
        recipe=wanted,
        settings=replace(SMALL, from_scratch=True),
    )
    manifest = done.bundle.manifest
    assert manifest.facts["maps"] == "attention"
    assert manifest.engine.precision == "f32"
    assert any("a transformer is not rounded" in note for note in done.notes)
    said = Inspector.open(done.path).inspect(dented(200, (75, 50))).prediction
    assert said is not None
    assert said.map.shape == (3, 5)  # 64 px of equal area are 48 x 80 in patches of 16
    assert said.map.max() == pytest.approx(said.score, abs=1e-3)


def test_weights_that_cannot_be_had_are_an_error_and_never_random(unmarked, tmp_path):
    for backbone in ("timm:test_vit", "timm:test_efficientnet"):
        with pytest.raises(BackboneError) as caught:
            learn(
                unmarked,
                tmp_path / "part.keen",
                recipe=recipe(backbone=backbone),
                settings=replace(SMALL, weights=tmp_path / "missing.safetensors"),
            )
        assert caught.value.code is Code.BACKBONE_MISSING


def test_what_does_not_go_together_is_refused(unmarked, tmp_path):
    for wanted, settings in (
        (recipe(precision="bf16"), SMALL),
        (recipe(), replace(SMALL, loss="dice+bce")),
        (recipe(backbone="timm:test_vit", precision="int8"), replace(SMALL, from_scratch=True)),
    ):
        with pytest.raises(TrainingError) as caught:
            learn(unmarked, tmp_path / "part.keen", recipe=wanted, settings=settings)
        assert caught.value.code is Code.OPTION_CONFLICT


def test_one_label_says_nothing_about_tiles_or_a_region_of_images_of_any_size():
    whole = FramingFacts(width=600, height=400, fixed_size=True, scale=1.0, multiple=16)
    varied = whole.model_copy(update={"fixed_size": False})
    region = Recipe.model_validate({"inspect": {"roi": [[0, 0, 50, 50]]}})
    check_whole(Framing(whole), region)
    check_whole(Framing(varied), Recipe())
    for facts, wanted in ((whole.model_copy(update={"tile": 128}), Recipe()), (varied, region)):
        with pytest.raises(TrainingError) as caught:
            check_whole(Framing(facts), wanted)
        assert caught.value.code is Code.OPTION_CONFLICT


def test_the_command_sorts_class_folders_without_a_good_one(only_defects, tmp_path):
    from typer.testing import CliRunner

    from keenline.cli.app import app

    for sample in only_defects.samples:
        place = tmp_path / "defects" / sample.label / sample.image.name
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(sample.image, place)
    table = tmp_path / "part.toml"
    table.write_text('[learning]\nmodel = "classifier"\nepochs = 3\nbalance = "weights"\n')
    path = tmp_path / "part.keen"
    done = CliRunner().invoke(
        app,
        [
            *("learn", str(tmp_path / "defects"), "-o", str(path), "--json"),
            *("--recipe", str(table), "--epochs", "1", "--precision", "f32", "--size", "64"),
        ],
    )
    assert done.exit_code == 0, done.output
    said = json.loads(done.stdout)
    assert said["epochs"] == 1
    assert [known["name"] for known in said["classes"]] == ["dent", "scratch"]
    assert read_bundle(path).manifest.facts["balance"] == "weights"
    assert Path(path).stat().st_size > 0
