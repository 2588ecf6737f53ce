"""The encoder brings what it has learnt, losses measure what they should, and epochs follow."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from keenline.errors import BackboneError, Code, TrainingError
from keenline.inference.engines import open_engine
from keenline.models.backbones import open_backbone

pytestmark = pytest.mark.train


def encoder(name: str = "keenline", **more: object):
    from keenline.training.supervised.encoder import open_encoder

    return open_encoder(name, **{"weights": None, "from_scratch": False, "seed": 0} | more)


def test_the_built_in_encoder_computes_what_the_built_in_backbone_does():
    import torch

    from keenline.training.student import DEFAULT_SHAPE, build_student
    from keenline.training.supervised.encoder import with_weights

    built_in = open_backbone("keenline")
    picture = np.random.default_rng(0).uniform(-1, 1, (2, 3, 48, 80)).astype(np.float32)
    student = with_weights(build_student(DEFAULT_SHAPE, (80, 208)), built_in.model)
    with torch.no_grad():
        found = student(torch.from_numpy(picture))
    engine = open_engine(
        built_in.model.SerializeToString(), name="onnxruntime", precision="f32"
    ).run(picture)  # type: ignore[arg-type]
    for level, features in zip(("s8", "s16"), found, strict=True):
        np.testing.assert_allclose(features.numpy(), engine[level], atol=1e-3)


def test_every_weight_of_the_built_in_encoder_can_be_taught():
    found = encoder()
    assert found.stride == 2
    assert found.channels == (16, 64, 96, 192)
    parameters = list(found.module.parameters())
    assert len(parameters) == 20
    assert all(parameter.requires_grad for parameter in parameters)
    assert found.facts.sha256 == open_backbone("keenline").sha256
    assert found.facts.licence == "Apache-2.0"


def test_random_weights_only_when_asked_for_and_by_the_seed():
    import torch

    one, same, other = (encoder(from_scratch=True, seed=seed) for seed in (1, 1, 2))
    first, second, third = (e.module.state_dict()["stem.1.weight"] for e in (one, same, other))
    assert torch.equal(first, second)
    assert not torch.equal(first, third)
    assert one.facts.source == "random weights"
    assert one.facts.sha256 == ""


def test_a_timm_encoder_is_fed_as_timm_says(tmp_path: Path):
    import timm
    import torch

    name = "mobilenetv3_small_050"
    torch.manual_seed(1)
    weights = tmp_path / "weights.pth"
    torch.save(timm.create_model(name).state_dict(), weights)
    found = encoder(f"timm:{name}", weights=weights)
    assert found.stride == 2
    assert found.about.multiple_of == 32
    assert found.facts.source == "weights.pth, brought by hand"
    levels = found.module(torch.zeros(1, 3, 64, 96))
    assert [tuple(level.shape[2:]) for level in levels] == [
        (32, 48), (16, 24), (8, 12), (4, 6), (2, 3)
    ]  # fmt: skip
    assert [level.shape[1] for level in levels] == list(found.channels)


def test_without_weights_and_internet_it_says_what_can_be_done(monkeypatch, tmp_path):
    import huggingface_hub.constants

    # What the client reads from HF_HUB_OFFLINE when it is imported.
    monkeypatch.setitem(vars(huggingface_hub.constants), "HF_HUB_OFFLINE", True)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(BackboneError) as caught:
        encoder("timm:mobilenetv3_small_050")
    assert caught.value.code is Code.BACKBONE_OFFLINE
    for words in ("--weights FILE", "--from-scratch", "built-in"):
        assert words in str(caught.value.next)


@pytest.mark.parametrize("name", ["onnx:features.onnx", "filterbank", "timm:"])
def test_what_cannot_be_taught_is_refused(name):
    with pytest.raises(BackboneError) as caught:
        encoder(name)
    assert caught.value.code is Code.BACKBONE_UNKNOWN


def test_weights_that_would_be_thrown_away_are_refused(tmp_path):
    for more in ({"from_scratch": True}, {}):
        with pytest.raises(TrainingError) as caught:
            encoder(weights=tmp_path / "w.pth", **more)
        assert caught.value.code is Code.OPTION_CONFLICT


@pytest.mark.parametrize("attention", [False, True])
def test_the_network_answers_at_half_the_side_for_any_size(attention):
    import torch

    from keenline.training.supervised.network import UNet

    network = UNet(encoder(), 3, attention=attention).eval()
    for height, width in ((64, 96), (48, 160)):
        raw = network(torch.zeros(2, 3, height, width))
        assert tuple(raw.shape) == (2, 4, height // 2, width // 2)


def certain(numbers: np.ndarray, classes: int, logit: float = 12.0):
    """Raw outputs that are sure of what `numbers` say."""
    import torch

    raw = np.full((1, 1 + classes, *numbers.shape), 0.0, np.float32)
    np.put_along_axis(raw[0], numbers[None], logit, axis=0)
    return torch.from_numpy(raw), torch.from_numpy(numbers[None].astype(np.int64))


@pytest.mark.parametrize("kind", ["dice+bce", "focal", "weighted"])
def test_a_loss_is_nothing_when_all_is_right_and_more_the_more_is_wrong(kind):
    from keenline.training.supervised.losses import loss_of

    loss = loss_of(kind, share_of_defects=0.1)
    truth = np.zeros((16, 16), int)
    truth[4:8, 4:8] = 1
    truth[10:12, 10:14] = 2
    wrong_class = np.where(truth > 0, 3 - truth, 0)
    missed = np.zeros_like(truth)
    raw, numbers = certain(truth, 2)
    right = float(loss(raw, numbers))
    assert right < 1e-3
    assert float(loss(certain(wrong_class, 2)[0], numbers)) > right + 1
    assert float(loss(certain(missed, 2)[0], numbers)) > right + 0.1


def test_a_rare_class_counts_as_much_as_a_large_one():
    from keenline.training.supervised.losses import loss_of

    loss = loss_of("dice+bce", 0.1)
    truth = np.zeros((16, 16), int)
    truth[:8] = 1  # 128 cells of one class, 2 of the other
    truth[12, 2:4] = 2
    large_wrong = np.where(truth == 1, 2, truth)
    small_wrong = np.where(truth == 2, 1, truth)
    numbers = certain(truth, 2)[1]
    large, small = (float(loss(certain(w, 2)[0], numbers)) for w in (large_wrong, small_wrong))
    assert large == pytest.approx(small, rel=0.05)


@pytest.mark.parametrize(("balance", "as_much"), [("oversample", True), ("none", False)])
def test_a_pit_that_is_missed_counts_as_much_as_a_stain_that_is_missed(balance, as_much):
    import torch

    from keenline.training.supervised.losses import loss_of

    loss = loss_of("dice+bce", 0.1, balance)
    pit, stain = np.zeros((2, 32, 32), int)
    pit[4:6, 4:6] = 1
    stain[:16] = 2
    good = np.zeros_like(pit)

    def of(first, second):
        return torch.cat([certain(first, 2)[0], certain(second, 2)[0]])

    numbers = torch.cat([certain(pit, 2)[1], certain(stain, 2)[1]])
    without_pit, without_stain = (
        float(loss(of(good, stain), numbers)),
        float(loss(of(pit, good), numbers)),
    )
    assert min(without_pit, without_stain) > 0.4  # its half of the Dice at least
    assert (without_pit == pytest.approx(without_stain, rel=0.1)) is as_much


def test_views_without_any_defect_have_a_loss_too():
    from keenline.training.supervised.losses import loss_of

    raw, numbers = certain(np.zeros((8, 8), int), 2)
    assert float(loss_of("dice+bce", 0.0)(raw, numbers)) < 1e-3
    assert float(loss_of("weighted", 0.0)(raw, numbers)) < 1e-3


def test_a_cell_shows_what_covers_half_of_it():
    import torch

    from keenline.training.supervised.lesson import as_seen

    numbers = torch.zeros(1, 4, 6, dtype=torch.long)
    numbers[0, 0, 0] = 2  # a quarter of a cell
    numbers[0, 0, 2:4] = 1  # half of one
    numbers[0, 2:, 4:] = 2
    assert as_seen(numbers, (2, 3)).tolist() == [[[0, 1, 0], [0, 0, 2]]]


def test_the_rate_rises_shortly_and_falls_to_nothing():
    from keenline.training.supervised.lesson import rate_at

    rates = [rate_at(part) for part in np.linspace(0, 1, 101)]
    assert rates[0] > 0
    assert max(rates) == pytest.approx(1, abs=0.01)
    assert int(np.argmax(rates)) < 10
    assert rates[-1] == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("size", [(64, 96), None])
def test_the_exported_graph_gives_what_torch_gives_in_both_engines(size, masked):
    import torch

    from keenline.training.supervised.graphs import deployed_graph, feature_graph
    from keenline.training.supervised.judging import TorchEngine
    from keenline.training.supervised.network import UNet, head_of

    if masked and size is None:
        pytest.skip("where sizes differ the scorer cuts, not the graph")
    torch.manual_seed(3)
    found = encoder()
    network = UNet(found, 2, attention=True).eval()
    with torch.no_grad():
        # So that answers differ from place to place.
        network.hidden.weight.normal_(0, 2)
        network.output.weight.normal_(0, 2)
        network.output.bias.zero_()
    mask = None
    if masked:
        mask = np.zeros((32, 48), np.float32)
        mask[4:20, 10:40] = 1
    graph = deployed_graph(
        feature_graph(network, found.about, size), head_of(network, ["a", "b"]), mask
    ).SerializeToString()
    by_torch = TorchEngine(network, found.about, mask)
    images = np.random.default_rng(0).integers(0, 256, (2, 64, 96, 3), np.uint8)
    for name in ("openvino", "onnxruntime"):
        engine = open_engine(graph, name=name, precision="f32")
        for image in images:
            expected, answer = by_torch.run(image[None]), engine.run(image[None])
            assert set(answer) == {"map", "score", "class_map", "class_score"}
            for output, values in expected.items():
                np.testing.assert_allclose(answer[output], values, atol=2e-3, err_msg=output)
    assert float(expected["map"].std()) > 1e-2
