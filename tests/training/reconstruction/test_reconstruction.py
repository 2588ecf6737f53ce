"""A network that draws good parts finds what it cannot draw, and its graph says what torch says."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage
from tests.small_parts import dented, good_folder, good_part, save_image

from keenline.bundle import read_bundle
from keenline.data.dataset import Dataset
from keenline.data.demo_part import render_part
from keenline.data.importers import open_dataset
from keenline.errors import Code, DatasetError, TrainingError
from keenline.evaluation.metrics import auroc
from keenline.inference.engines import ENGINES, open_engine
from keenline.inference.inspector import Inspector
from keenline.models.base import LearningSet, silent
from keenline.recipe import Recipe
from keenline.training.reconstruction.detector import Course, Reconstruction
from keenline.training.supervised.settings import Settings
from keenline.types import Sample

torch = pytest.importorskip("torch")

pytestmark = pytest.mark.train

KINDS = ("autoencoder", "vae")
MOMENT = Settings(epochs=2, crops=8, batch=4, crop=64)


def small(size: tuple[int, int] = (96, 64), number: int = 6) -> LearningSet:
    return LearningSet(parts=[good_part(seed, size)[None] for seed in range(number)])


def maps_by_torch(learnt, view: np.ndarray) -> np.ndarray:
    """Computed beside the class that is tested, but with its network and factors."""
    pixels = torch.from_numpy(view[None].copy()).permute(0, 3, 1, 2).float() / 127.5 - 1
    with torch.inference_mode():
        found = learnt._differences(pixels)[0].numpy()
    return (found * learnt._factors).sum(axis=0)


@pytest.mark.parametrize("kind", KINDS)
def test_the_graph_says_what_torch_says_at_any_size(kind):
    sizes = [(96, 64), (128, 96), (64, 64), (96, 96)]
    for fixed in (True, False):
        good = small()
        if not fixed:
            views = [good_part(seed, size)[None] for seed, size in enumerate(sizes)]
            good = LearningSet(parts=views, fixed_size=False)
        learnt = Reconstruction(kind, Course(MOMENT)).learn(good, seed=0, progress=silent)
        assert learnt.facts["usual"] == ("of each place" if fixed else "of all places")
        graph = learnt.graph.SerializeToString()
        for name in ENGINES:
            engine = open_engine(graph, name=name, precision="f32", threads=1)
            for view in (dented(7), good_part(8, (96, 64) if fixed else (128, 96))):
                wanted = maps_by_torch(learnt, view)
                said = engine.run(view[None])
                np.testing.assert_allclose(said["map"][0], wanted, rtol=2e-4, atol=1e-4)
                top = np.sort(wanted.ravel())[-max(1, -(-wanted.size // 100)) :].mean()
                assert float(said["score"][0]) == pytest.approx(top, rel=1e-3)
        scores = learnt.leave_one_out()
        assert np.isfinite(scores).sum() >= 2
        assert np.isnan(scores).any()


def test_similarity_is_ssim():
    from keenline.training.reconstruction.errors_seen import Similarity

    one, other = (good_part(seed).astype(np.float32) / 127.5 - 1 for seed in (1, 2))
    pictures = [torch.from_numpy(each).permute(2, 0, 1)[None] for each in (one, other)]
    found = Similarity()(*pictures)[0, 0].numpy()
    x, y = one[..., 0].astype(np.float64), other[..., 0].astype(np.float64)

    def mean(values: np.ndarray) -> np.ndarray:
        return ndimage.gaussian_filter(values, 1.5, mode="nearest", radius=3)

    # Wang et al., 2004, equation 13.
    both = mean(x * y) - mean(x) * mean(y)
    spreads = mean(x * x) - mean(x) ** 2 + mean(y * y) - mean(y) ** 2
    light = (2 * mean(x) * mean(y) + 4e-4) / (mean(x) ** 2 + mean(y) ** 2 + 4e-4)
    wanted = light * (2 * both + 36e-4) / (spreads + 36e-4)
    np.testing.assert_allclose(found, wanted, atol=2e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_an_obvious_defect_of_the_demo_part_stands_out(kind):
    def part(seed: int) -> np.ndarray:
        return render_part(np.random.default_rng(seed), size=(192, 144))[0]

    def holed(seed: int) -> np.ndarray:
        """A hole of 18 px where none belongs: obvious, where a scratch would not be."""
        view = part(seed)
        y, x = np.ogrid[:144, :192]
        at = np.random.default_rng(seed).integers((50, 60), (94, 132))
        view[(y - at[0]) ** 2 + (x - at[1]) ** 2 <= 81] = 30
        return view

    good = LearningSet(parts=[part(seed)[None] for seed in range(24)])
    settings = Settings(epochs=25, crops=64, batch=8, crop=144, rate=3e-3)
    learnt = Reconstruction(kind, Course(settings)).learn(good, seed=0, progress=silent)
    engine = open_engine(
        learnt.graph.SerializeToString(), name="onnxruntime", precision="f32", threads=1
    )

    def score(view: np.ndarray) -> float:
        return float(engine.run(view[None])["score"][0])

    clean = np.array([score(part(seed)) for seed in range(100, 115)])
    bad = np.array([score(holed(seed)) for seed in range(200, 215)])
    assert auroc(clean, bad) > 0.9


def test_it_learns_a_folder_and_goes_on_where_it_was_cut_short(tmp_path):
    from keenline.training.reconstruction.vae import learn

    dataset = open_dataset(good_folder(tmp_path / "parts", 8))
    whole = learn(dataset, tmp_path / "whole.keen", settings=replace(MOMENT, epochs=3))
    assert whole.epochs == 3
    manifest = read_bundle(whole.path).manifest
    assert manifest.detector == "vae"
    assert manifest.threshold.kind == "estimated"
    assert [path.name for path in tmp_path.glob("whole*")] == ["whole.keen"]

    cut = tmp_path / "cut.keen"
    checkpoint = tmp_path / "cut.keen.checkpoint"

    class Cut(Exception):
        pass

    def after_the_second(line) -> None:
        if line["epoch"] == 2 and checkpoint.is_file():
            raise Cut

    with pytest.raises(Cut):
        learn(dataset, cut, settings=replace(MOMENT, epochs=3), told=after_the_second)
    assert checkpoint.is_file()
    with pytest.raises(TrainingError) as refused:
        learn(dataset, cut, settings=replace(MOMENT, rate=1e-4), resume=True)
    assert refused.value.code is Code.OPTION_CONFLICT
    again = learn(dataset, cut, settings=replace(MOMENT, epochs=3), resume=True)
    scores = [
        Inspector.open(path).inspect(dented(9)).prediction.score for path in (whole.path, cut)
    ]
    assert again.epochs == 3
    assert scores[0] == pytest.approx(scores[1], rel=1e-6)
    assert not checkpoint.exists()


def test_a_time_budget_ends_it(tmp_path):
    from keenline.training.reconstruction.autoencoder import learn

    dataset = open_dataset(good_folder(tmp_path / "parts", 6))
    settings = replace(MOMENT, epochs=10_000, patience=10_000, seconds=2.0)
    learnt = learn(dataset, tmp_path / "part.keen", settings=settings)
    assert 1 <= learnt.epochs < 1000
    assert learnt.bundle.manifest.facts["learning_seconds"] < 20


def test_what_it_cannot_learn_from_is_refused(tmp_path):
    from keenline.training.reconstruction.autoencoder import learn

    dents = [
        Sample(save_image(tmp_path / "dent" / f"{seed}.png", dented(seed)), "dent")
        for seed in range(4)
    ]
    with pytest.raises(DatasetError) as refused:
        learn(Dataset(tmp_path, tuple(dents), layout="folders"), tmp_path / "part.keen")
    assert refused.value.code is Code.DATASET_NO_GOOD
    dataset = open_dataset(good_folder(tmp_path / "one", 1))
    with pytest.raises(TrainingError) as few:
        learn(dataset, tmp_path / "part.keen")
    assert few.value.code is Code.TOO_FEW_IMAGES
    for table in ({"detector": {"precision": "int8"}}, {"inspect": {"fixtured": True}}):
        with pytest.raises(TrainingError) as conflict:
            learn(dataset, tmp_path / "part.keen", recipe=Recipe.model_validate(table))
        assert conflict.value.code is Code.OPTION_CONFLICT
    assert not (tmp_path / "part.keen").exists()
