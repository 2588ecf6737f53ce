"""A detector's answer has a fixed length, is what torchvision says, and the same in all engines."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from keenline.inference.class_outputs import CLASS_MAP, CLASS_SCORE, INSTANCES
from keenline.inference.engines import ENGINES, open_engine

pytestmark = pytest.mark.train

CLASSES = 3


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def network(*, masks: bool, seed: int = 0):
    """With random heads, which find a lot, and what describes how pixels are fed to it."""
    import torch

    from keenline.training.supervised.encoder import open_encoder
    from keenline.training.supervised.instances.anchors import Anchors
    from keenline.training.supervised.instances.network import MaskRCNN

    encoder = open_encoder("keenline", weights=None, from_scratch=False, seed=seed)
    anchors = Anchors(((9.0,), (16.0,), (28.0,), (50.0,)), (0.5, 1.0, 2.0))
    torch.manual_seed(seed)
    made = MaskRCNN(encoder, CLASSES, anchors, masks=masks).eval()
    with torch.no_grad():  # confidences that differ from place to place
        made.heads.box_predictor.cls_score.weight.mul_(40)
        made.proposing.head.cls_logits.weight.mul_(20)
    return made, encoder.about


def pictures(*sizes: tuple[int, int]) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.integers(0, 256, (1, *size, 3), dtype=np.uint8) for size in sizes]


@pytest.mark.parametrize(("masks", "size"), [(True, None), (False, (96, 128))])
def test_torch_and_both_engines_answer_alike(masks, size):
    from keenline.training.supervised.instances.finishing import TorchDetector
    from keenline.training.supervised.instances.graphs import (
        answering_graph,
        deployed_graph,
        pyramid_graph,
    )

    made, about = network(masks=masks)
    rows, columns = (size or (0, 0))[0] // 2, (size or (0, 0))[1] // 2
    mask = np.ones((rows, columns), np.float32) if size else None
    if mask is not None:
        mask[: rows // 2] = 0
    graph = deployed_graph(
        pyramid_graph(made, about, size),
        answering_graph(made, size),
        np.zeros(CLASSES, np.float32),
        mask,
    ).SerializeToString()
    by_torch = TorchDetector(made, about, mask)
    engines = [open_engine(graph, name=name, precision="f32") for name in ENGINES]
    for picture in pictures(*([(96, 128)] if size else [(96, 128), (64, 160), (160, 80)])):
        wanted = by_torch.run(picture)
        assert wanted["map"].shape == (1, picture.shape[1] // 2, picture.shape[2] // 2)
        assert 0.05 < wanted["map"].max() <= 1
        for engine in engines:
            found = engine.run(picture)
            assert found.keys() == wanted.keys()
            for name in ("map", "score", CLASS_MAP, CLASS_SCORE):
                assert found[name] == pytest.approx(wanted[name], abs=2e-4), name
            assert found[INSTANCES] == pytest.approx(wanted[INSTANCES], abs=2e-2)
            if mask is not None:
                assert not found["map"][0, : rows // 2].any()


def test_it_is_what_torchvision_says():
    """Of everything that torchvision finds; it leaves out what it is less than 5 % sure of."""
    import torch
    from torchvision.models.detection.image_list import ImageList

    from keenline.training.supervised.instances.answering import Answering

    made, about = network(masks=True)
    picture = torch.from_numpy(pictures((96, 128))[0]).permute(0, 3, 1, 2).float()
    scale, offset = (torch.tensor(v)[None, :, None, None] for v in (about.scale, about.offset))
    with torch.inference_mode():
        levels = made.levels(picture * scale + offset)
        named = {str(place): level for place, level in enumerate(levels[:-1])} | {
            "pool": levels[-1]
        }
        sizes = [(96, 128)]
        made.proposing._pre_nms_top_n = {"training": 200, "testing": 200}
        made.proposing._post_nms_top_n = {"training": 64, "testing": 64}
        proposals, _ = made.proposing(ImageList(picture, sizes), named)
        (theirs,), _ = made.heads(named, proposals, sizes)
        maps, listed = Answering(made)(*levels)
    found = listed[0].numpy()
    count = min(len(theirs["scores"]), len(found))
    assert count > 3
    assert found[:count, 5] == pytest.approx(theirs["scores"][:count].numpy(), abs=1e-4)
    assert found[:count, 4] == pytest.approx(theirs["labels"][:count].numpy())
    assert found[:count, :4] == pytest.approx(theirs["boxes"][:count].numpy(), abs=1e-2)
    assert maps.shape == (1, CLASSES, 48, 64)


def test_nothing_found_is_no_special_case():
    import torch

    from keenline.training.supervised.instances.finishing import TorchDetector
    from keenline.training.supervised.instances.graphs import (
        answering_graph,
        deployed_graph,
        pyramid_graph,
    )

    made, about = network(masks=True)
    with torch.no_grad():
        made.heads.box_predictor.cls_score.bias[0] = 1e4
        made.proposing.head.cls_logits.bias.fill_(-1e4)
    shift = np.zeros(CLASSES, np.float32)
    size = (64, 64)
    graph = deployed_graph(
        pyramid_graph(made, about, size), answering_graph(made, size), shift, None
    ).SerializeToString()
    engines = [open_engine(graph, name=name, precision="f32") for name in ENGINES]
    for picture in (*pictures(size), np.zeros((1, *size, 3), np.uint8)):
        for engine in (TorchDetector(made, about, None), *engines):
            found = engine.run(picture)
            assert found["score"] == 0
            assert not found["map"].any()
            assert (found[CLASS_SCORE] < 1e-5).all()
            assert (found[INSTANCES][0, :, 5] == 0).all()


def test_an_outline_is_pasted_where_its_box_lies():
    import torch

    from keenline.training.supervised.instances.answering import _covered, _outline, _weights

    mask = torch.zeros(1, 28, 28)
    mask[:, :14, :] = 0.3  # faint, and yet all there is
    low, high = torch.tensor([20.0]), torch.tensor([48.0])
    down, across = _weights(low, high, 40, 28), _weights(low, high, 50, 28)
    pasted = torch.matmul(torch.matmul(down, _outline(mask)), across.transpose(1, 2))[0].numpy()
    assert pasted.shape == (40, 50)
    inside = np.zeros((40, 50), bool)
    inside[10:17, 10:24] = True  # cells of two pixels, the upper half of the box
    assert ((pasted > 0.5) == inside).all()
    # What is thinner than a cell still meets one.
    for start in np.arange(0, 4, 0.25):
        thin = _weights(torch.tensor([float(start)]), torch.tensor([float(start) + 0.3]), 10, 28)
        assert torch.matmul(thin, torch.ones(28)).max() >= 0.5
    assert _covered(torch.tensor([3.0]), torch.tensor([6.0]), 5)[0].tolist() == [0, 0.5, 1, 0, 0]


def test_weights_in_bytes_give_nearly_the_same_numbers():
    from keenline.training.supervised.instances.byte_weights import in_bytes
    from keenline.training.supervised.instances.graphs import answering_graph

    made, _ = network(masks=True)
    graph = answering_graph(made, (64, 64))
    smaller = in_bytes(graph)
    assert len(smaller.SerializeToString()) < 0.3 * len(graph.SerializeToString())
    import onnxruntime

    rng = np.random.default_rng(0)
    feeds = {
        given.name: rng.normal(0, 0.5, [d.dim_value for d in given.type.tensor_type.shape.dim])
        for given in graph.graph.input
    }
    feeds = {name: values.astype(np.float32) for name, values in feeds.items()}
    sure = [
        onnxruntime.InferenceSession(
            model.SerializeToString(), providers=["CPUExecutionProvider"]
        ).run([INSTANCES], feeds)[0][0, :8, 5]
        for model in (graph, smaller)
    ]
    assert sure[0] == pytest.approx(sure[1], abs=0.1)
    assert (sure[0] != sure[1]).any()
