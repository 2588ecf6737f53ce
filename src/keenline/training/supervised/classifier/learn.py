"""A dataset whose images have a class turned into a bundle whose network names it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from keenline.data.dataset import Skipped
from keenline.data.reading import read_image
from keenline.errors import Code, TrainingError
from keenline.recipe import Recipe
from keenline.training.fit import suitable_framing, training_samples
from keenline.training.supervised.classifier.wholes import LabelledWholes
from keenline.training.supervised.labelled_views import LabelledViews
from keenline.training.supervised.learn import Run
from keenline.training.supervised.recording import Measured
from keenline.training.supervised.settings import Settings
from keenline.types import Sample

if TYPE_CHECKING:
    from keenline.inference.framing import Framing
    from keenline.training.supervised.classifier.finishing import ClassFinisher
    from keenline.training.supervised.encoder import Encoder
    from keenline.training.supervised.judging import Evidence, Judged
    from keenline.training.supervised.lesson import Lesson
    from keenline.training.supervised.lots import Lots

MODEL = "classifier"
ROUNDS = 6
"""Epochs after which the same pictures are shown again where the encoder stays as it is: what it
says of them is then known already, and an epoch takes a moment."""


class ClassRun(Run):
    """What one run works on."""

    model = MODEL
    marks = False

    @property
    def good_needed(self) -> bool:
        return any(sample.is_good for sample in self._dataset.learnable)

    def seen_first(self) -> Sequence[Sample]:
        if self.good_needed:
            return training_samples(self._dataset)
        self._said.append(
            "no good image is among them: classes are told from one another, and every part is at "
            "least to be reviewed"
        )
        return self._dataset.learnable

    def encoder_for(self, seen: Sequence[Sample]) -> tuple[Encoder, Framing, tuple[Skipped, ...]]:
        from keenline.training.supervised.classifier.transformers import is_transformer

        if self.model == MODEL and is_transformer(self._recipe.detector.backbone):
            return self._transformer_for(seen)
        encoder = self.opened()
        _, framing, unreadable = suitable_framing(seen, self._recipe, encoder.about.multiple_of)
        check_whole(framing, self._recipe)
        return encoder, framing, unreadable

    def _transformer_for(
        self, seen: Sequence[Sample]
    ) -> tuple[Encoder, Framing, tuple[Skipped, ...]]:
        """It is made for one size of image, which has to be known before."""
        from keenline.training.supervised.classifier.transformers import (
            multiple_of,
            open_transformer,
        )

        settings, name = self._settings, self._recipe.detector.backbone
        usable, self._framing, unreadable = suitable_framing(seen, self._recipe, multiple_of(name))
        check_whole(self._framing, self._recipe)
        first = read_image(usable[0].image, bit_depth=self._framing.facts.bit_depth)
        height, width = self._framing.frame(first).views.shape[1:3]
        self.check_one_size(name)
        encoder = open_transformer(
            name,
            (height, width),
            weights=settings.weights,
            from_scratch=settings.from_scratch,
            seed=settings.seed,
        )
        return encoder, self._framing, unreadable

    def one_size(self, what: str) -> tuple[int, int]:
        """Height and width of every view; raises TrainingError where they differ."""
        self.check_one_size(what)
        size = self._size()
        assert size is not None
        return size

    def check_one_size(self, what: str) -> None:
        """Raise TrainingError where images are not for a transformer; what: is asked for."""
        facts = self._framing.facts
        if not facts.fixed_size or self._recipe.inspect.roi or self._recipe.inspect.ignore:
            raise TrainingError(
                Code.OPTION_CONFLICT,
                "A transformer sees images of one size, and the whole of them",
                where=what,
                expected="images of one size, and neither roi nor ignore",
                next="use a convolutional backbone and the model classifier",
            )

    def opened(self) -> Encoder:
        from keenline.training.supervised.encoder import open_encoder

        settings = self._settings
        return open_encoder(
            self._recipe.detector.backbone,
            weights=settings.weights,
            from_scratch=settings.from_scratch,
            seed=settings.seed,
        )

    @classmethod
    def settled(cls, settings: Settings) -> Settings:
        return settings

    def views_of(self, samples: Sequence[Sample], classes: Sequence[str]) -> LabelledViews:
        return LabelledWholes(samples, classes, self._framing, self._progress)

    def network(self) -> Any:
        from keenline.training.supervised.classifier.attention import TokenNetwork, Tokens
        from keenline.training.supervised.classifier.network import GridNetwork

        settings, body = self._settings, self._encoder.module
        if isinstance(body, Tokens):
            return TokenNetwork(
                body,
                body,
                len(self._classes),
                stride=self._encoder.stride,
                good=self.good_needed,
                dropout=settings.dropout,
                frozen=settings.frozen,
            )
        return GridNetwork(
            self._encoder,
            len(self._classes),
            good=self.good_needed,
            dropout=settings.dropout,
            frozen=settings.frozen,
            inspected=self._inspected(),
        )

    def lots(self, learning: LabelledViews) -> Lots:
        from keenline.training.supervised.classifier.pictures import Pictures

        augment = self._recipe.augment
        return Pictures(
            learning,
            len(self._classes),
            seed=self._settings.seed,
            pictures=self._settings.crops,
            brightness=augment.brightness,
            rotations=augment.rotations,
            balance=self._settings.balance,
            rounds=ROUNDS if self._network.is_settled else None,
        )

    def lesson(self, lots: Lots, share_of_defects: float) -> Lesson:
        from keenline.training.supervised.classifier.lesson import ClassLesson
        from keenline.training.supervised.classifier.pictures import Pictures

        del share_of_defects
        assert isinstance(lots, Pictures)
        about = self._encoder.about
        lesson = ClassLesson(self._network, self._settings, lots, (about.scale, about.offset))
        lesson.settle(self._views.only(~self._out))
        return lesson

    def evidence(self, out: LabelledViews) -> Evidence:
        from keenline.training.supervised.classifier.finishing import OnlyDefects

        if self.good_needed:
            return super().evidence(out)
        parts = self._parts[self._out]
        return OnlyDefects(out.samples, parts, self._classes, self._recipe.gates)

    def finisher(self, out: LabelledViews) -> type[ClassFinisher]:
        from keenline.training.supervised.classifier.finishing import ClassFinisher

        del out
        return ClassFinisher

    def measured(
        self, unseen: tuple[Sequence[Sample], Judged], learnt: tuple[Sequence[Sample], Judged]
    ) -> Measured:
        from keenline.training.supervised.classifier.finishing import accuracy

        out, known = (accuracy(*each, self._classes) for each in (unseen, learnt))
        self._accuracy = Measured("accuracy", out, known)
        return self._accuracy

    def facts(self) -> dict[str, object]:
        from keenline.training.supervised.classifier.losses import LOSSES

        settings = self._settings
        return {
            "loss": settings.loss_among(LOSSES),
            "balance": settings.balance,
            "frozen": settings.frozen,
            "dropout": settings.dropout,
            "good_known": self.good_needed,
            "maps": self._network.maps,
        }

    def said(self) -> dict[str, str]:
        return {"accuracy": self._accuracy.words}

    def _inspected(self) -> Any | None:
        """Which cells of the coarsest features are inspected; None when all are."""
        import torch

        from keenline.training.supervised.finishing import inspected_grid

        size, about = self._size(), self._encoder.about
        stride = max(output.stride for output in about.outputs.values())
        found = inspected_grid(self._recipe, self._framing, size, stride)
        if found is not None and not found.any():
            raise TrainingError(
                Code.OPTION_CONFLICT,
                "The region of interest is smaller than what the network can tell apart",
                where="inspect.roi",
                expected=f"at least {stride} px of the resized image",
            )
        return None if found is None else torch.from_numpy(found)


def check_whole(framing: Framing, recipe: Recipe) -> None:
    """Raise TrainingError where one label cannot be learnt from."""
    facts = framing.facts
    if facts.tile is not None:
        raise TrainingError(
            Code.OPTION_CONFLICT,
            "The class of an image says nothing about its tiles",
            where="image.size",
            expected="images that are seen whole",
            got=f"tiles of {facts.tile} px",
            next="give a --size of at most one tile, or mark the defects and use --model unet",
        )
    if not facts.fixed_size and (recipe.inspect.roi or recipe.inspect.ignore):
        raise TrainingError(
            Code.OPTION_CONFLICT,
            "A region of interest needs images of one size here",
            where="inspect",
            next="leave out roi and ignore, or give images of one size",
        )


learn = ClassRun.learn
"""As `keenline.training.supervised.learn.learn`, from the class of each image alone.

Without good images the classes are told from one another, and nothing passes. Raises what that
raises, and TrainingError (OPTION_CONFLICT) where images are not seen whole.
"""
