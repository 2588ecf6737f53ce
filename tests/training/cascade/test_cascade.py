"""A cascade's graph says what torch says, and nothing of patches that its gate keeps back."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom
from tests.small_parts import dented, good_part
from tests.training.supervised.marked_parts import marked_folder

from keenline.data.importers import open_dataset
from keenline.errors import Code, TrainingError
from keenline.inference.engines import ENGINES, open_engine
from keenline.inference.inspector import Inspector
from keenline.recipe import Recipe
from keenline.training.supervised.settings import Settings
from keenline.types import Verdict

torch = pytest.importorskip("torch")

pytestmark = pytest.mark.train

CLASSES = ("dent", "scratch")


@pytest.fixture(scope="module")
def encoder():
    from keenline.training.supervised.encoder import open_encoder

    return open_encoder("keenline", weights=None, from_scratch=False, seed=0)


@pytest.fixture(scope="module")
def network(encoder):
    from keenline.training.cascade.network import Cascade

    torch.manual_seed(1)
    return Cascade(encoder, len(CLASSES)).eval()


def patchwork(seed: int, size: tuple[int, int]) -> np.ndarray:
    """Two views of blocks, of a size that is no whole number of patches."""
    blocks = np.random.default_rng(seed).integers(0, 255, (2, size[0] // 16, size[1] // 16, 3))
    return np.kron(blocks, np.ones((1, 16, 16, 1))).astype(np.uint8)


def answers(network, encoder, views: np.ndarray) -> np.ndarray:
    """The gate's, (views, patches)."""
    scale, offset = (
        torch.tensor(v)[None, :, None, None] for v in (encoder.about.scale, encoder.about.offset)
    )
    with torch.inference_mode():
        tiles, _ = network.tiles(torch.from_numpy(views).permute(0, 3, 1, 2) * scale + offset)
        return network.gate(tiles).numpy().reshape(len(views), -1)


def opened(network, encoder, size, name):
    from keenline.training.cascade.graph import cascade_features
    from keenline.training.cascade.network import cascade_head
    from keenline.training.supervised.graphs import deployed_graph

    features = cascade_features(network, encoder.about, size)
    graph = deployed_graph(features, cascade_head(network, CLASSES), None)
    return open_engine(graph.SerializeToString(), name=name, precision="f32", threads=1)


@pytest.mark.parametrize("name", ENGINES)
@pytest.mark.parametrize("fixed", [True, False])
def test_the_graph_says_what_torch_says_whatever_the_gate_lets_pass(network, encoder, name, fixed):
    from keenline.training.supervised.judging import TorchEngine

    size = (160, 208)
    views = patchwork(2, size)
    found = answers(network, encoder, views)
    middle = float(np.sort(found.ravel())[11:13].mean())
    for limit in (-np.inf, middle, np.inf):
        network.limit.fill_(limit)
        said = TorchEngine(network, encoder.about, None).run(views)
        engine = opened(network, encoder, size if fixed else None, name)
        both, each = engine.run(views), [engine.run(view[None]) for view in views]
        for key, wanted in said.items():
            np.testing.assert_allclose(both[key], wanted, atol=2e-6, err_msg=f"{limit} {key}")
            alone = np.concatenate([one[key] for one in each])
            np.testing.assert_allclose(alone, both[key], atol=2e-6)


def test_what_the_gate_keeps_back_is_no_defect_and_one_patch_is_always_looked_at(network, encoder):
    size = (160, 208)
    views = patchwork(3, size)
    found = answers(network, encoder, views)
    limit = float(np.sort(found.ravel())[14:16].mean())
    for value in (limit, np.inf):
        network.limit.fill_(value)
        maps = opened(network, encoder, size, "onnxruntime").run(views)["map"]
        kept = (found > value) | (found == found.max(axis=1, keepdims=True))
        grid = kept.reshape(2, 3, 4)
        seen = np.kron(grid, np.ones((1, 32, 32), bool))[:, :80, :104]
        assert (maps[~seen] == 0).all()
        assert (maps[seen] > 0).all()
    assert kept.sum() == 2


def test_a_picture_of_one_patch_is_looked_at_as_the_u_net_does(network, encoder):
    """Independent of cutting and joining: the U-Net itself, fed with the edge repeated."""
    network.limit.fill_(-np.inf)
    view = patchwork(4, (64, 64))[:1]
    scale, offset = (
        torch.tensor(v)[None, :, None, None] for v in (encoder.about.scale, encoder.about.offset)
    )
    wider = np.pad(view, ((0, 0), (8, 8), (8, 8), (0, 0)), mode="edge")
    with torch.inference_mode():
        raw = network.unet(torch.from_numpy(wider).permute(0, 3, 1, 2) * scale + offset)
        wanted = 1 - torch.softmax(raw, dim=1)[0, 0, 4:-4, 4:-4].numpy()
    maps = opened(network, encoder, (64, 64), "onnxruntime").run(view)["map"]
    np.testing.assert_allclose(maps[0], wanted, atol=2e-6)


def test_in_int8_the_gate_lets_the_same_patches_pass(network, encoder):
    from keenline.training.cascade.finishing import CascadeFinisher
    from keenline.training.cascade.graph import cascade_features
    from keenline.training.cascade.network import cascade_head
    from keenline.training.quantize import quantise
    from keenline.training.supervised.graphs import deployed_graph

    size = (160, 208)
    views = np.concatenate([patchwork(seed, size) for seed in (6, 7)])
    found = answers(network, encoder, views)
    network.limit.fill_(float(np.sort(found.ravel())[23:25].mean()))
    features = cascade_features(network, encoder.about, size)
    rounded = quantise(features, [view[None] for view in views], exact=CascadeFinisher.exact)
    head = cascade_head(network, CLASSES)
    graphs = [deployed_graph(each, head, None).SerializeToString() for each in (features, rounded)]
    assert len(graphs[1]) < 0.35 * len(graphs[0])
    plain = open_engine(graphs[0], name="onnxruntime", precision="f32", threads=1)
    for name in ENGINES:
        coarse = open_engine(graphs[1], name=name, precision="int8", threads=1)
        for view in views:
            one, other = (engine.run(view[None])["map"] for engine in (plain, coarse))
            np.testing.assert_array_equal(one == 0, other == 0)
            assert 0.2 < (one == 0).mean() < 0.95


def test_the_limit_is_the_highest_that_lets_as_many_defective_patches_pass_as_asked():
    from keenline.training.cascade.gating import Answers, gating_for

    rng = np.random.default_rng(5)
    shown = np.repeat([True, False], [200, 800])
    logits = rng.normal(np.where(shown, 2.0, -2.0), 1.0)
    samples = np.repeat(np.arange(100), 10)
    parts, good = np.arange(100), np.arange(100) >= 20
    for asked in (0.9, 0.99, 1.0):
        found = gating_for(Answers(logits, shown, samples), parts, good, asked)
        assert found.passed == (logits[shown] > found.limit).sum() >= asked * 200
        # A little higher, and one more would be lost than may be.
        lowest = logits[shown & (logits > found.limit)].min()
        assert (logits[shown] > lowest).sum() < asked * 200 or found.passed == 200 * asked
        assert found.discarded == pytest.approx((logits[200:] < found.limit).mean())
        assert np.abs(logits - found.limit).min() > 5e-4
        # Clopper-Pearson, from its definition: as many by chance in one of twenty.
        chance = binom.sf(found.passed - 1, found.defective, found.bound)
        assert chance == pytest.approx(0.05, abs=1e-6)
        assert found.whole == sum(
            (logits[n : n + 10] > found.limit).all() for n in range(0, 200, 10)
        )
    nothing = gating_for(Answers(logits, np.zeros(1000, bool), samples), parts, good, 0.99)
    assert nothing.limit == -np.inf
    assert nothing.statement == (
        "every patch is looked at, because no part left out shows a defect"
    )


def test_it_learns_to_skip_good_patches_and_both_engines_agree(tmp_path):
    from keenline.training.cascade.learn import learn

    dataset = open_dataset(marked_folder(tmp_path / "marked", number=8, good=16))
    settings = Settings(epochs=8, crops=32, batch=4, crop=64)
    learnt = learn(dataset, tmp_path / "part.keen", recipe=Recipe(), settings=settings)
    manifest = learnt.bundle.manifest
    gate = manifest.facts["gate"]
    assert manifest.detector == "cascade"
    assert manifest.facts["loss"] == "focal"
    assert manifest.facts["attention"] is True
    assert isinstance(gate, dict)
    assert gate["passed"] == gate["defective_patches"] > 0
    assert "defective patches pass" in learnt.said["gate"]
    first, second = (
        Inspector.open(learnt.path, engine=name) for name in ("openvino", "onnxruntime")
    )
    for image in (dented(200, (25, 14)), good_part(300), good_part(301)):
        one, other = first.inspect(image), second.inspect(image)
        assert one.decision.verdict is other.decision.verdict
    assert first.inspect(dented(200, (25, 14))).decision.verdict is Verdict.REVIEW


def test_what_does_not_fit_a_cascade_is_refused_before_it_learns(tmp_path):
    from keenline.training.cascade.learn import learn

    dataset = open_dataset(marked_folder(tmp_path / "marked", number=2, good=4))
    settings = Settings(patch=72)
    with pytest.raises(TrainingError) as refused:
        learn(dataset, tmp_path / "part.keen", settings=settings)
    assert refused.value.code is Code.OPTION_CONFLICT
    assert refused.value.expected == "a multiple of 16 px"
    assert not (tmp_path / "part.keen").exists()
