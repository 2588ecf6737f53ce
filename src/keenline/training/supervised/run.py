"""One run of learning: a labelled dataset and settings turned into a bundle, step by step.

The steps are those of a U-Net; other networks replace what differs. torch is imported inside
functions: whoever imports this need not have it.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from keenline.bundle import (
    GRAPH,
    Bundle,
    check_writable,
    write_bundle,
)
from keenline.data.dataset import Dataset, Skipped
from keenline.errors import Code, DatasetError, TrainingError
from keenline.models.base import Progress, silent
from keenline.recipe import Recipe
from keenline.training.fit import part_numbers, suitable_framing, training_samples
from keenline.training.good_parts import framed_lighting
from keenline.training.lesson_samples import classes_of, usable_samples
from keenline.training.supervised.labelled_views import LabelledViews
from keenline.training.supervised.left_out import left_out
from keenline.training.supervised.lots import Lots
from keenline.training.supervised.recording import Measured, Subject, manifest_of, notes_on
from keenline.training.supervised.settings import LOSSES, Settings, check_extra, unfinished
from keenline.types import Sample

if TYPE_CHECKING:
    from keenline.inference.framing import Framing
    from keenline.training.supervised.encoder import Encoder
    from keenline.training.supervised.finishing import Finisher
    from keenline.training.supervised.fitting import Fitted
    from keenline.training.supervised.judging import Evidence, Judged
    from keenline.training.supervised.lesson import Lesson, Line


BATCH, CROP = 32, 96
"""Of a U-Net. As many pixels as eight crops of 192 px: a step takes as long, and looks at four
times as many places. The statistics of a batch norm and each gradient then speak for more of the
images; with eight crops three times the steps did not reach as far (docs/supervised.md)."""

_FEWEST, _MOST, _EACH = 256, 4096, 64
"""Crops in an epoch, and for each view of a defect. After each epoch all parts left out are looked
at whole: fewer crops, and that would take most of the time."""


@dataclass(frozen=True, slots=True)
class Learnt:
    """The new bundle and how it came about."""

    bundle: Bundle
    path: Path
    notes: tuple[str, ...]
    """What the user should know, one sentence each."""
    skipped: tuple[Skipped, ...]
    seconds: float
    epochs: int
    pixel_f1: float = math.nan
    """Of defective pixels of the parts left out; NaN when none of them shows a defect, or when it
    is no model that marks pixels."""
    pixel_f1_learnt: float = math.nan
    """The same of what was learnt."""
    said: Mapping[str, str] = field(default_factory=dict)
    """What else its user is told of how well it does: a word or two each, and the words of it."""


class Run:
    """What one run works on; other models that mark pixels replace what differs.

    Asked in this order: `encoder_for`, `views_of`, `network`, `drawn_by`, `crop_of`, `lesson`,
    `evidence`, `finisher`, `measured`, `facts` and `said`.
    """

    model = "unet"
    """What the bundle calls it."""

    @classmethod
    def learn(
        cls,
        dataset: Dataset,
        output: Path | str,
        *,
        recipe: Recipe | None = None,
        settings: Settings | None = None,
        resume: bool = False,
        progress: Progress = silent,
        told: Callable[[Line], None] = lambda _: None,
    ) -> Learnt:
        """Teach a network with a dataset's good images and defects, and write its bundle.

        Of a layout with a training split only that is read. About a fifth of the parts is left out
        of learning: they decide when it ends, and every number is measured on them. The encoder is
        the recipe's backbone; settings: those of its `[learning]` where none are given. resume: go
        on from `OUTPUT.checkpoint`, which is there from the first epoch until the bundle is
        written. told: each epoch.

        Raises EnvironmentMissing, DatasetError, BackboneError, TrainingError, EngineError or
        OutputError; no bundle is written then.
        """
        start = time.perf_counter()
        check_extra()
        output, recipe = Path(output), recipe or Recipe()
        settings = cls.settled(settings or Settings.of(recipe.learning))
        check_writable(output)
        run = cls(dataset, output, recipe, settings, progress)
        return run.finish(run.teach(resume=resume, told=told), start)

    @classmethod
    def settled(cls, settings: Settings) -> Settings:
        """The settings that this model is taught with; raises TrainingError for what it cannot."""
        return replace(settings, batch=settings.batch or BATCH, crop=settings.crop or CROP)

    def __init__(
        self,
        dataset: Dataset,
        output: Path,
        recipe: Recipe,
        settings: Settings,
        progress: Progress,
    ) -> None:
        _check_precision(recipe)
        self._dataset, self._output = dataset, output
        self._recipe, self._settings, self._progress = recipe, settings, progress
        self._said: list[str] = []
        seen = self.seen_first()
        self._encoder, self._framing, unreadable = self.encoder_for(seen)
        samples, misfits = usable_samples(dataset, self._framing, good_needed=self.good_needed)
        named = sorted(set().union(*map(classes_of, samples)))
        self._views = self.views_of(samples, named)
        gone = {skipped.path: skipped for skipped in (*misfits, *self._views.skipped)}
        gone |= {skipped.path: skipped for skipped in unreadable}
        self._skipped = tuple(gone.values())
        self._classes = _classes_left(self._views, named, dataset)
        if self._classes != named:  # the numbers of the classes are others then
            self._views = self.views_of(self._views.samples, self._classes)
        self._views.lighting = framed_lighting(recipe.lighting, recipe.inspect, self._framing)
        self._hashes = dataset.hashes(self._views.samples)
        self._parts = np.array(part_numbers(self._views.samples, self._hashes))
        self._out = left_out(
            self._views.samples,
            self._parts,
            self._classes,
            settings.seed,
            good_needed=self.good_needed,
        )

    @property
    def good_needed(self) -> bool:
        """Whether there must be good images to tell defects from."""
        return True

    def seen_first(self) -> Sequence[Sample]:
        """The samples that say how images are brought to the network."""
        return training_samples(self._dataset)

    def encoder_for(self, seen: Sequence[Sample]) -> tuple[Encoder, Framing, tuple[Skipped, ...]]:
        """What looks at the image, how an image is brought to it, and what cannot be read."""
        from keenline.training.supervised.encoder import open_encoder

        settings = self._settings
        encoder = open_encoder(
            self._recipe.detector.backbone,
            weights=settings.weights,
            from_scratch=settings.from_scratch,
            seed=settings.seed,
        )
        _check_crop(settings.side, encoder.about.multiple_of)
        _, framing, unreadable = suitable_framing(seen, self._recipe, encoder.about.multiple_of)
        return encoder, framing, unreadable

    def views_of(self, samples: Sequence[Sample], classes: Sequence[str]) -> LabelledViews:
        """What the network sees of samples, and what is known of it."""
        return LabelledViews(samples, classes, self._framing, self._progress)

    def teach(self, *, resume: bool, told: Callable[[Line], None]) -> Fitted:
        from keenline.training.supervised.fitting import fit

        settings = self._settings
        learning = self._views.only(~self._out)
        self._network = self.network()
        lots = self.lots(learning)
        lesson = self.lesson(lots, learning.share_of_defects())
        stamp = settings.lasting() | {
            "recipe": self._recipe.sha256,
            "images": self._data_sha256(),
        }
        fitted = fit(
            lesson,
            self._views.only(self._out),
            self._checkpoint,
            stamp,
            resume=resume,
            progress=self._progress,
            told=told,
            said=self._said.append,
        )
        self._said += [f"{len(lots.gone)} images could not be read again"] if lots.gone else []
        return fitted

    def network(self) -> Any:
        """What is taught, from the encoder."""
        from keenline.training.supervised.network import UNet

        settings = self._settings
        return UNet(
            self._encoder,
            len(self._classes),
            attention=settings.attention,
            dropout=settings.dropout,
            frozen=settings.frozen,
        )

    def lots(self, learning: LabelledViews) -> Lots:
        """What each epoch shows it of the views to learn from."""
        sides = [max(learning.view(known).numbers.shape) for known in learning.known]
        return self.drawn_by()(
            learning,
            seed=self._settings.seed,
            crop=self.crop_of(max(sides)),
            crops=self._settings.crops or self.crops_for(learning),
            brightness=self._recipe.augment.brightness,
            rotations=self._recipe.augment.rotations,
            balance=self._settings.balance,
        )

    def crop_of(self, longest: int) -> int:
        """Side of a crop; longest: side of any view, all in pixels."""
        multiple = self._encoder.about.multiple_of
        return min(self._settings.side, -(-longest // multiple) * multiple)

    def crops_for(self, learning: LabelledViews) -> int | None:
        """In an epoch; None: as `Lots` has it."""
        defective = sum(bool(known.shown) for known in learning.known)
        return min(_MOST, max(_FEWEST, _EACH * defective))

    def drawn_by(self) -> type[Lots]:
        """What draws crops from views."""
        return Lots

    def lesson(self, lots: Lots, share_of_defects: float) -> Lesson:
        """What moves the network; share_of_defects: of the pixels that are learnt from, 0..1."""
        from keenline.training.supervised.lesson import Lesson

        about = self._encoder.about
        feed = (about.scale, about.offset)
        return Lesson(self._network, self._settings, lots, share_of_defects, feed)

    def finisher(self, out: LabelledViews) -> type[Finisher]:
        """What makes a graph of the network; out: views of the parts left out."""
        from keenline.training.supervised.finishing import Finisher
        from keenline.training.supervised.levelling import levelled

        levelled(self._network, self._encoder.about, out)
        return Finisher

    def facts(self) -> dict[str, object]:
        """What the manifest tells besides, JSON values."""
        settings = self._settings
        return {
            "loss": settings.loss_among(LOSSES),
            "attention": settings.attention,
            "balance": settings.balance,
            "frozen": settings.frozen,
        }

    def said(self) -> dict[str, str]:
        """What the user is told besides, a word or two each, and the words of it."""
        return {}

    def evidence(self, out: LabelledViews) -> Evidence:
        """What is known of the parts left out."""
        from keenline.training.supervised.judging import Evidence

        return Evidence(out.samples, self._parts[self._out], self._classes, self._recipe.gates)

    def measured(
        self, unseen: tuple[Sequence[Sample], Judged], learnt: tuple[Sequence[Sample], Judged]
    ) -> Measured:
        """How well it does on samples left out, and on some of those learnt from."""
        return Measured("pixel F1", unseen[1].pixel_f1, learnt[1].pixel_f1)

    def finish(self, fitted: Fitted, start: float) -> Learnt:
        out, learning = self._views.only(self._out), self._views.only(~self._out)
        evidence = self.evidence(out)
        finisher = self.finisher(out)(
            self._network,
            self._encoder.about,
            self._recipe,
            self._framing,
            self._size(),
            evidence,
            self._progress,
        )
        settled, notes = finisher.settled(learning)
        # About as many as were left out. Good and defective ones stand in blocks: every n-th keeps
        # their shares.
        known = learning.samples[:: max(1, len(learning.samples) // len(out.samples))]
        measured = self.measured(
            (out.samples, settled.judged), (known, finisher.judge_all(settled, known))
        )
        subject = self._subject()
        manifest = manifest_of(
            subject, fitted, settled, evidence, measured, seconds=time.perf_counter() - start
        )
        bundle = write_bundle(self._output, manifest, {GRAPH: settled.graph, **settled.members})
        for left in (self._checkpoint, unfinished(self._checkpoint)):
            left.unlink(missing_ok=True)
        return Learnt(
            bundle,
            self._output,
            (*self._dataset.notes, *self._said, *notes_on(manifest, subject, measured), *notes),
            (*self._dataset.skipped, *self._skipped),
            time.perf_counter() - start,
            fitted.epochs,
            settled.judged.pixel_f1,
            measured.learnt if finisher.marks_pixels else math.nan,
            self.said(),
        )

    def _subject(self) -> Subject:
        return Subject(
            detector=self.model,
            recipe=self._recipe,
            settings=self._settings,
            framing=self._framing.facts,
            backbone=self._encoder.facts,
            samples=self._views.samples,
            parts=self._parts,
            out=self._out,
            data_sha256=self._data_sha256(),
            dataset_version=self._dataset.version,
            skipped=len(self._skipped) + len(self._dataset.skipped),
            weights=sum(p.numel() for p in self._network.parameters()),
            facts=self.facts(),
        )

    def _data_sha256(self) -> str:
        return replace(self._dataset, samples=tuple(self._views.samples)).sha256

    @property
    def _checkpoint(self) -> Path:
        return self._output.with_name(f"{self._output.name}.checkpoint")

    def _size(self) -> tuple[int, int] | None:
        """Height and width of every view; None when they differ."""
        facts = self._framing.facts
        if not facts.fixed_size and facts.tile is None:
            return None
        height, width = self._views.view(self._views.known[0]).numbers.shape
        return height, width


def _classes_left(views: LabelledViews, named: list[str], dataset: Dataset) -> list[str]:
    """The classes of which a mark is left; raises DatasetError when there is none."""
    shown = set().union(*(known.shown for known in views.known)) if views.known else set()
    if not shown:
        first = [f"{s.path.name}: {s.error.what}" for s in views.skipped[:3]]
        raise DatasetError(
            Code.DATASET_NO_DEFECT,
            "No defect is marked",
            where=dataset.root,
            expected="masks, boxes or outlines that say where defects are",
            got="; ".join(first) or "marks that cover no pixel",
            next="mark them, or use `keenline teach`, which needs no places",
        )
    return [name for number, name in enumerate(named, start=1) if number in shown]


def _check_precision(recipe: Recipe) -> None:
    if recipe.detector.precision == "bf16":
        raise TrainingError(
            Code.OPTION_CONFLICT,
            "A taught network is not computed in bf16",
            where="precision",
            expected="auto, f32 or int8",
            got="bf16",
            next="bf16 in one engine alone would not give the verdicts that torch gave",
        )


def _check_crop(crop: int, multiple: int) -> None:
    if crop % multiple or crop < multiple:
        raise TrainingError(
            Code.OPTION_CONFLICT,
            "A crop of this side does not fit the network",
            where="crop",
            expected=f"a multiple of {multiple} px",
            got=f"{crop} px",
        )
