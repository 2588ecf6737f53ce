"""What is taught sees pictures as the finished graph does: with the light taken out first."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from tests.small_parts import dented
from tests.training.supervised.marked_parts import marked_folder

from keenline.bundle import GRAPH
from keenline.data.importers import open_dataset
from keenline.inference.inspector import Inspector
from keenline.models.base import silent
from keenline.models.lighting import LIGHT, Lighting
from keenline.recipe import Recipe
from keenline.training.fit import suitable_framing
from keenline.training.supervised.labelled_views import LabelledViews
from keenline.training.supervised.learn import learn
from keenline.training.supervised.lots import Lots
from keenline.training.supervised.settings import Settings

pytestmark = pytest.mark.train


@pytest.fixture(scope="module")
def marked(tmp_path_factory):
    return open_dataset(marked_folder(tmp_path_factory.mktemp("marked"), number=8, good=16))


def test_a_darker_picture_is_marked_alike(marked, tmp_path):
    recipe = Recipe.model_validate(
        {"detector": {"name": "unet"}, "lighting": {"equalise": "histogram"}}
    )
    settings = Settings(epochs=2, crops=8, batch=4, crop=48)
    # Torch and both engines gave one verdict to every image, or this would have been refused.
    learnt = learn(marked, tmp_path / "part.keen", recipe=recipe, settings=settings)
    graph = onnx.load_from_string(learnt.bundle.members[GRAPH]).graph
    stage = {name for node in graph.node if LIGHT in node.name for name in node.output}
    assert stage
    assert not stage & {n.input[0] for n in graph.node if n.op_type == "QuantizeLinear"}
    inspector = Inspector.open(learnt.path)
    image = dented(400) // 4 * 4  # so that the darker one has as many levels
    bright, dark = (inspector.inspect(each).prediction for each in (image, image // 2 + 10))
    assert bright is not None
    assert dark is not None
    assert np.ptp(bright.map) > 0
    assert np.array_equal(bright.map, dark.map)


def test_another_light_comes_before_it_is_taken_out(marked):
    recipe = Recipe()
    _, framing, _ = suitable_framing(marked.good, recipe, 16)
    views = LabelledViews(marked.samples, ["dent", "scratch"], framing, silent)
    views.lighting = Lighting(equalise="histogram")
    lots = Lots(views, seed=0, crop=48, crops=12, brightness=0.3)
    # Ranks fill the scale whatever the light was; changed afterwards they would not.
    means = [lots[number][0].mean() for number in range(12)]
    assert min(means) > 100
    assert max(means) < 156
    known = views.known[0]
    assert np.array_equal(
        views.lighting.picture(views.as_read(known).pixels), views.view(known).pixels
    )
