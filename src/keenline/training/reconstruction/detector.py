"""Good parts turned into a network that draws them, and what it cannot draw into an anomaly map."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
import onnx
from numpy.typing import NDArray

from keenline.bundle import Precision
from keenline.errors import Code, TrainingError
from keenline.inference.engines import ENGINES, open_engine
from keenline.inference.scoring import top_mean
from keenline.models.base import LearningSet, Progress
from keenline.models.learnt_bank import groups_of, scale_weights
from keenline.models.patches import inspected
from keenline.recipe import Recipe
from keenline.training.supervised.settings import Settings, check_extra

if TYPE_CHECKING:
    from keenline.training.supervised.fitting import Fitted
    from keenline.training.supervised.lesson import Line

Kind: TypeAlias = Literal["autoencoder", "vae"]

MULTIPLE = 16
"""Width and height of a view are multiples of this."""

CROPS = 256
"""In an epoch."""

_AGREEING = 1e-3
"""Of the score, by which torch and an engine may differ; rounding gives a thousandth of that."""

_SMOOTHED = 2.0
"""Cells over which what is usual at a place is taken from its neighbours: a part lies a little
elsewhere each time."""

_EVERYWHERE = 0.5
"""How much what is usual of the whole view counts beside what is usual at a place."""


def _nobody(_: object) -> None:
    """Told, and says nothing."""


@dataclass(frozen=True, slots=True)
class Course:
    """How a network is taught, and who is told."""

    settings: Settings = field(default_factory=Settings)
    checkpoint: Path | None = None
    """None: a run that is cut short cannot be taken up again."""
    stamp: Mapping[str, object] = field(default_factory=dict)
    """What must be equal in a run that is taken up again, besides the settings."""
    resume: bool = False
    told: Callable[[Line], None] = _nobody
    """Each epoch."""
    said: Callable[[str], None] = _nobody
    """What the user should know, one sentence each."""


class Reconstruction:
    """A `Detector`: an autoencoder, or a variational one, of good parts alone."""

    def __init__(
        self,
        kind: Kind,
        course: Course,
        *,
        brightness: float = 0.0,
        rotations: tuple[int, ...] = (),
    ) -> None:
        """brightness, rotations: as the recipe's `[augment]` says."""
        self._kind: Kind = kind
        self._course = course
        self._brightness, self._rotations = brightness, rotations

    def learn(self, good: LearningSet, *, seed: int, progress: Progress) -> LearntReconstruction:
        """Learn; raises EnvironmentMissing without the extra `train`, and TrainingError:
        TOO_FEW_IMAGES, LOSS_NOT_FINITE, MEMORY_SHORT, OPTION_CONFLICT, VERDICT_PARITY."""
        check_extra()
        from keenline.training.reconstruction.good_views import held_out

        groups = groups_of(good)
        if len(np.unique(groups)) < 2:
            raise TrainingError(
                Code.TOO_FEW_IMAGES,
                "There are too few good parts to leave some out of learning",
                expected="at least 2 independent good parts; 50 are better",
                got=len(np.unique(groups)),
                next="add images of good parts",
            )
        out = held_out(groups, seed)
        if self._course.checkpoint is not None:
            network, fitted = self._taught(good, out, seed, self._course.checkpoint, progress)
        else:
            with tempfile.TemporaryDirectory(prefix="keenline-") as folder:
                checkpoint = Path(folder) / "checkpoint"
                network, fitted = self._taught(good, out, seed, checkpoint, progress)
        return LearntReconstruction(self._kind, network, fitted, good, out, progress)

    def _taught(
        self,
        good: LearningSet,
        out: NDArray[np.bool_],
        seed: int,
        checkpoint: Path,
        progress: Progress,
    ) -> tuple[Any, Fitted]:
        import torch

        from keenline.training.reconstruction.good_views import GoodViews, crop_for
        from keenline.training.reconstruction.lesson import Drawing
        from keenline.training.reconstruction.network import network_of
        from keenline.training.supervised.fitting import fit
        from keenline.training.supervised.lots import Lots

        course = self._course
        learning, left_out = (
            GoodViews(good, np.flatnonzero(which).tolist()) for which in (~out, out)
        )
        settings = replace(course.settings, from_scratch=True, seed=seed)
        lots = Lots(
            learning,
            seed=seed,
            crop=crop_for(learning, settings.side, MULTIPLE),
            crops=settings.crops or CROPS,
            brightness=self._brightness,
            rotations=self._rotations,
            mirrored=False,  # a mirrored part may be a wrong one
        )
        torch.manual_seed(seed)
        network = network_of(variational=self._kind == "vae")
        fitted = fit(
            Drawing(network, settings, lots),
            left_out,
            checkpoint,
            {**settings.lasting(), **course.stamp, "model": self._kind},
            resume=course.resume,
            progress=progress,
            told=course.told,
            said=course.said,
        )
        return network, fitted


def reconstruction(kind: Kind, recipe: Recipe, course: Course) -> Reconstruction:
    """As a recipe says; raises TrainingError (OPTION_CONFLICT) for what it cannot be."""
    if recipe.detector.precision not in ("auto", "f32"):
        raise TrainingError(
            Code.OPTION_CONFLICT,
            "What a network draws is compared in f32 only",
            where="precision",
            expected="auto or f32",
            got=recipe.detector.precision,
            next="what is looked for is a small difference between two pictures, which coarser "
            "numbers would hide",
        )
    if recipe.inspect.fixtured:
        raise TrainingError(
            Code.OPTION_CONFLICT,
            "This detector has no other way for a part in a fixture",
            where="recipe, [inspect] fixtured",
            expected="detector memory_bank, or fixtured = false",
            got=f"{kind}, fixtured = true",
            next="where all images have one size, what is usual is known for each place anyway",
        )
    return Reconstruction(
        kind,
        course,
        brightness=recipe.augment.brightness,
        rotations=recipe.augment.rotations,
    )


class LearntReconstruction:
    """A part learnt by `Reconstruction`."""

    def __init__(
        self,
        kind: Kind,
        network: Any,
        fitted: Fitted,
        good: LearningSet,
        out: NDArray[np.bool_],
        progress: Progress,
    ) -> None:
        from keenline.training.reconstruction.errors_seen import CELL, Differences
        from keenline.training.reconstruction.graph import deployed_graph

        self._kind, self._fitted, self._good, self._out = kind, fitted, good, out
        self._differences = Differences(network).eval()
        self._weights = sum(p.numel() for p in network.parameters())
        maps = self._maps(progress)
        mask = None
        size = good.size
        if size is not None and good.roi is not None:
            grid = (size[0] // CELL, size[1] // CELL)
            mask = inspected(good.roi, 0, grid).astype(np.float32)
        self._by_place = good.fixed_size and all(len(part) == 1 for part in maps)
        self._factors = self._counting(maps)
        plain = deployed_graph(self._differences, self._factors, size, mask)
        self._graph = good.lighting.before(plain)
        self._scores = self._scored(maps)
        self._check(progress)

    @property
    def graph(self) -> onnx.ModelProto:
        return self._graph

    @property
    def precision(self) -> Precision:
        """float32: what is looked for is a small difference between two pictures."""
        return "f32"

    @property
    def facts(self) -> Mapping[str, object]:
        fitted = self._fitted
        return {
            "model": self._kind,
            "weights": self._weights,
            "left_out_of_learning": int(self._out.sum()),
            "usual": "of each place" if self._by_place else "of all places",
            "epochs": fitted.epochs,
            "best_epoch": fitted.best_epoch,
            "validation_loss": round(fitted.validation_loss, 5),
            "learning_seconds": round(fitted.seconds, 1),
        }

    @property
    def members(self) -> Mapping[str, bytes]:
        return {}

    def leave_one_out(self) -> NDArray[np.float64]:
        """Score of each part that the network was not taught with, (parts,); NaN of the others.

        A little too low, because these parts decided when learning ended and what is usual.
        """
        scores = np.full(len(self._good.parts), np.nan)
        scores[self._out] = self._scores
        return scores

    def _maps(self, progress: Progress) -> list[list[NDArray[np.float32]]]:
        """Of each part left out and each view how it differs from what was drawn, by torch."""
        import torch

        from keenline.training.reconstruction.network import OFFSET, SCALE

        scale, offset = (torch.tensor(v)[None, :, None, None] for v in (SCALE, OFFSET))
        found = []
        places = np.flatnonzero(self._out).tolist()
        for done, part in enumerate(places):
            progress("draw parts left out", done, len(places))
            seen = []
            for view in self._good.parts[part]:
                lit = self._good.lighting.picture(view)
                pixels = torch.from_numpy(np.array(lit[None])).permute(0, 3, 1, 2).float()
                with torch.inference_mode():
                    seen.append(self._differences(pixels * scale + offset)[0].numpy())
            found.append(seen)
        progress("draw parts left out", len(places), len(places))
        return found

    def _inside(self, place: int, view: int, grid: tuple[int, int]) -> NDArray[np.bool_]:
        part = int(np.flatnonzero(self._out)[place])
        return inspected(self._good.inside(part, view), 0, grid)

    def _counting(self, maps: list[list[NDArray[np.float32]]]) -> NDArray[np.float32]:
        """By which each map counts: so that each varies equally over good parts.

        Where all views have one size and show the same place of the part, each place is first
        compared with what good parts show there: an edge is never drawn as well as a face.
        """
        shape = maps[0][0].shape
        usual = np.ones((shape[0], 1, 1), np.float32)
        if self._by_place:
            from scipy import ndimage

            mean = np.mean([view for part in maps for view in part], axis=0)
            mean = ndimage.gaussian_filter(mean, (0, _SMOOTHED, _SMOOTHED))
            relative = mean / np.maximum(mean.mean(axis=(1, 2), keepdims=True), 1e-9)
            usual = ((1 + _EVERYWHERE) / (relative + _EVERYWHERE)).astype(np.float32)
        counted = [
            [
                [m[self._inside(p, v, (m.shape[0], m.shape[1]))] for m in view * usual]
                for v, view in enumerate(part)
            ]
            for p, part in enumerate(maps)
        ]
        weights = np.array(scale_weights(counted), np.float32)
        factors: NDArray[np.float32] = (usual * weights[:, None, None]).astype(np.float32)
        return factors

    def _scored(self, maps: list[list[NDArray[np.float32]]]) -> list[float]:
        scores = []
        for p, part in enumerate(maps):
            totals = [(view * self._factors).sum(axis=0) for view in part]
            insides = [self._inside(p, v, (t.shape[0], t.shape[1])) for v, t in enumerate(totals)]
            scores.append(max(top_mean(t[i]) for t, i in zip(totals, insides, strict=True)))
        return scores

    def _check(self, progress: Progress) -> None:
        """Raise TrainingError (VERDICT_PARITY) unless both engines score as torch does."""
        if self._good.rois:
            return  # the scorer cuts such maps, not the graph
        graph = self._graph.SerializeToString()
        for name in ENGINES:
            engine = open_engine(graph, name=name, precision="f32")
            for done, part in enumerate(np.flatnonzero(self._out).tolist()):
                progress(f"compare with torch, {name}", done, len(self._scores))
                views = self._good.parts[part]
                score = max(float(engine.run(view[None])["score"][0]) for view in views)
                if abs(score - self._scores[done]) > _AGREEING * max(score, self._scores[done]):
                    raise TrainingError(
                        Code.VERDICT_PARITY,
                        "torch and the engines do not agree on what the network says",
                        where=name,
                        expected=f"a score of {self._scores[done]:.6g}",
                        got=f"{score:.6g}",
                        next="report the processor this happened on",
                    )
            progress(f"compare with torch, {name}", len(self._scores), len(self._scores))
