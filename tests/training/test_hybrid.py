"""Classes and the anomaly in one bundle and one pass, on real tiles: who rejects and who asks."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

from keenline.bundle import write_bundle
from keenline.data.dataset import Dataset
from keenline.data.reading import read_image
from keenline.inference.class_outputs import CLASS_MAP, CLASS_SCORE
from keenline.inference.framing import Framing
from keenline.inference.inspector import Inspector
from keenline.lifecycle.readiness import with_authority
from keenline.recipe import Recipe
from keenline.training.fit import train
from keenline.training.teach import teach
from keenline.types import GOOD, Authority, Inspection, Sample, Verdict

pytestmark = pytest.mark.slow

LEARNT = {"free": 32, "blowhole": 32, "crack": 12, "break": 10}
TRIED = 12

CLASSES = [
    {"name": "blowhole", "authority": "reject"},
    {"name": "crack", "authority": "reject"},
    {"name": "break", "threshold": 0.95},
]


def tiles(root: Path) -> tuple[list[Sample], list[Sample]]:
    """To learn from, and to try; two exposures of one tile stay together."""
    learnt, tried = [], []
    for name, number in LEARNT.items():
        folder = root / f"MT_{name.capitalize()}" / "Imgs"
        by_tile: dict[str, list[Path]] = {}
        for path in sorted(folder.glob("*.jpg")):
            by_tile.setdefault(path.name.split("_num_")[1].split("_")[0], []).append(path)
        for place, (tile, paths) in enumerate(sorted(by_tile.items())[: number + TRIED]):
            mask = None if name == "free" else paths[0].with_suffix(".png")
            label = GOOD if name == "free" else name
            sample = Sample(paths[0], label, mask, part=f"{name} {tile}")
            (learnt if place < number else tried).append(sample)
    return learnt, tried


@pytest.fixture(scope="module")
def hybrid(shared, tmp_path_factory) -> tuple[Inspector, list[tuple[Sample, Inspection]]]:
    root = shared / "data/magnetic-tile"
    learnt, tried = tiles(root)
    # Every tile has another size: float32 is compiled once for all of them.
    detector = {"bank_size": 200, "precision": "f32"}
    recipe = Recipe.model_validate(
        {"image": {"size": 192}, "detector": detector, "classes": CLASSES}
    )
    path = tmp_path_factory.mktemp("hybrid") / "tile.keen"
    train(Dataset(root, tuple(learnt)), path, recipe=recipe)
    taught = teach(path, Dataset(root, tuple(learnt)), folds=2).bundle
    manifest = taught.manifest
    for name in recipe.rejecting:
        manifest = with_authority(manifest, name, Authority.REJECT)
    write_bundle(path, manifest, taught.members)
    inspector = Inspector.open(path)
    return inspector, [(sample, inspector.inspect(sample.image)) for sample in (*tried, *learnt)]


def test_one_graph_answers_with_anomaly_and_classes_at_once(hybrid):
    inspector, inspected = hybrid
    graph = onnx.load_from_string(inspector.bundle.graph)
    assert {out.name for out in graph.graph.output} == {"map", "score", CLASS_MAP, CLASS_SCORE}
    # The whole backbone is there once: classes add four convolutions at most.
    convolutions = [node for node in graph.graph.node if "Conv" in node.op_type]
    assert sum("classes/" in node.output[0] for node in convolutions) <= 4
    sample, inspection = inspected[0]
    framing = Framing(inspector.manifest.framing)
    view = framing.frame(read_image(sample.image)).views
    session = onnxruntime.InferenceSession(inspector.bundle.graph)
    score, certain = session.run(["score", CLASS_SCORE], {"image": view})
    assert score[0] == pytest.approx(inspection.prediction.score, rel=0.05)
    said = list(inspection.prediction.class_scores.values())
    np.testing.assert_allclose(certain[0], said, atol=0.1)


def test_counts_are_parts_and_only_thirty_of_them_may_reject(hybrid):
    inspector, _ = hybrid
    counts = inspector.manifest.training_counts
    assert counts == {"blowhole": 32, "break": 10, "crack": 12}


def test_verdicts_follow_from_authority_count_and_threshold(hybrid):
    inspector, inspected = hybrid
    limits = {"blowhole": 0.5, "crack": 0.5, "break": 0.95}
    cases = set()
    for sample, inspection in inspected:
        said, decision = inspection.prediction, inspection.decision
        named = {name for name, score in said.class_scores.items() if score > limits[name]}
        strange = said.score > inspector.threshold
        wanted = (
            Verdict.REJECT
            if "blowhole" in named
            else Verdict.REVIEW
            if named or strange
            else Verdict.PASS
        )
        assert decision.verdict is wanted, (sample.image.name, decision.reasons)
        if "crack" in named:
            assert any("12 of the 30 samples needed to reject" in why for why in decision.reasons)
        cases.add((frozenset(named), strange))
    assert any("blowhole" in named for named, _ in cases)
    assert any(named == {"crack"} for named, _ in cases)
    assert (frozenset(), True) in cases  # strange alone: never rejected
    assert (frozenset(), False) in cases


@pytest.mark.parametrize(("share", "is_named"), [(0.99, True), (1.01, False)])
def test_a_class_counts_above_the_threshold_of_the_recipe(hybrid, share, is_named):
    inspector, inspected = hybrid
    sample, inspection = min(
        inspected, key=lambda one: abs(one[1].prediction.class_scores["break"] - 0.7)
    )
    limit = share * inspection.prediction.class_scores["break"]
    classes = [*CLASSES[:2], {"name": "break", "threshold": limit}]
    other = with_recipe(inspector, {"classes": classes}).inspect(sample.image)
    assert any("break" in reason for reason in other.decision.reasons) is is_named
    assert any(region.class_name == "break" for region in other.prediction.regions) is is_named


def with_recipe(inspector: Inspector, changes: dict[str, object]) -> Inspector:
    """The same bundle under another recipe."""
    manifest = inspector.manifest
    values = manifest.recipe.model_dump(mode="json", by_alias=True) | changes
    changed = manifest.model_copy(update={"recipe": Recipe.model_validate(values)})
    return Inspector(replace(inspector.bundle, manifest=changed))


def test_blowholes_that_were_not_learnt_are_mostly_rejected(hybrid):
    _, inspected = hybrid
    new = [
        inspection for sample, inspection in inspected[: 4 * TRIED] if sample.label == "blowhole"
    ]
    rejected = sum(one.decision.verdict is Verdict.REJECT for one in new)
    assert len(new) == TRIED
    assert rejected >= TRIED // 2


def test_a_recipe_that_lets_the_anomaly_reject_is_the_only_way_it_does(hybrid):
    inspector, inspected = hybrid
    strange = next(
        sample
        for sample, one in inspected
        if one.decision.verdict is Verdict.REVIEW
        and all(score <= 0.5 for score in one.prediction.class_scores.values())
    )
    gates = inspector.manifest.recipe.gates.model_dump(mode="json")
    other = with_recipe(inspector, {"gates": gates | {"anomaly_may_reject": True}})
    assert other.inspect(strange.image).decision.verdict is Verdict.REJECT
    assert inspector.inspect(strange.image).decision.verdict is Verdict.REVIEW
