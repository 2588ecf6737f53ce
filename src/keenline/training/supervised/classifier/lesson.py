"""Pictures turned, epoch by epoch, into a network that names their classes."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader

from keenline.training.supervised.classifier.losses import LOSSES, ClassLoss
from keenline.training.supervised.classifier.network import Named
from keenline.training.supervised.classifier.pictures import Pictures, shares
from keenline.training.supervised.labelled_views import LabelledViews
from keenline.training.supervised.lesson import Lesson
from keenline.training.supervised.settings import Settings


class ClassLesson(Lesson):
    """The network, and what moves it.

    `validation_loss` is the cross-entropy on the parts left out, the mean of the classes' means,
    whatever loss is learnt with.
    """

    def __init__(
        self,
        network: Named,
        settings: Settings,
        pictures: Pictures,
        feed: tuple[tuple[float, ...], tuple[float, ...]],
    ) -> None:
        self._share_of, self._pictures = pictures.share_of(), pictures
        super().__init__(network, settings, pictures, 0.0, feed)
        self._said: list[tuple[Any, float]] = []
        self._settled = network.is_settled

    def loss_for(self, share_of_defects: float) -> Callable[[Any, Any], Any]:
        del share_of_defects
        settings, share = self.settings, self._share_of
        weights = np.ones_like(share)
        if settings.balance == "weights":
            weights = np.where(share > 0, 1 / np.maximum(share, 1e-6), 0).astype(np.float32)
            weights /= (weights * share).sum()
        loss: Callable[[Any, Any], Any] = ClassLoss(
            settings.loss_among(LOSSES), torch.from_numpy(weights)
        )
        return loss

    def settle(self, views: LabelledViews) -> None:
        """Standardise what the network is told by as the images learnt from show it."""
        network = self.network.eval()
        with torch.no_grad():
            found = [
                network.described(self.fed(torch.from_numpy(views.view(known).pixels[None].copy())))
                for known in views.known
            ]
            for each in (network, self.average.module):
                each.settle(torch.cat(found))

    def learning(self, batch: int) -> Any:
        pictures: Any = self.lots
        if self._settled:
            drawn = self._pictures
            pictures = _Described(pictures, lambda number: (drawn.round, number), self)
        return DataLoader(pictures, batch_size=batch)

    def examination(self, views: Any) -> Any:
        wholes: Any = _Whole(views, len(self._share_of) - 1)
        if self._settled:
            wholes = _Described(wholes, lambda number: number, self)
        return DataLoader(wholes, batch_size=1)

    def said(self, network: Any, batch: Any) -> Any:
        """Logits of what `learning` or `examination` gave."""
        return network.says(batch) if self._settled else network(self.fed(batch))

    def training_step(self, batch: Any, number: int) -> Any:
        seen, wanted = batch
        return self.noted(self.loss(self.said(self.network, seen), wanted), number)

    def on_validation_epoch_start(self) -> None:
        self._said.clear()

    def validation_step(self, batch: Any, *_: Any) -> None:
        seen, wanted = batch
        said = torch.log_softmax(self.said(self.average.module, seen).float(), dim=1)
        surprise = float(-(said * wanted).sum())
        self._said.append((wanted[0].cpu().numpy(), surprise))

    def on_validation_epoch_end(self) -> None:
        wanted = np.stack([row for row, _ in self._said])
        surprise = np.array([value for _, value in self._said])
        there = wanted.sum(axis=0) > 0
        means = (wanted * surprise[:, None]).sum(axis=0)[there] / wanted.sum(axis=0)[there]
        self.validated(float(means.mean()))


class _Described:
    """Pictures as the numbers that say what they are like, each asked for once."""

    def __init__(self, pictures: Any, key: Callable[[int], Hashable], lesson: ClassLesson) -> None:
        """key: what is equal for equal pictures, of the number of one."""
        self._pictures, self._key, self._lesson = pictures, key, lesson
        self._known: dict[Hashable, tuple[Any, Any]] = {}

    def __len__(self) -> int:
        return len(self._pictures)

    def __getitem__(self, number: int) -> tuple[Any, Any]:
        key = self._key(number)
        if key not in self._known:
            pixels, wanted = self._pictures[number]
            lesson, network = self._lesson, self._lesson.network
            with torch.inference_mode():
                fed = lesson.fed(torch.from_numpy(pixels[None]).to(lesson.device))
                found = network.described(fed)[0].float().cpu().numpy()
            self._known[key] = found, wanted
        return self._known[key]


class _Whole:
    """Views as they are, and the share of each class in them."""

    def __init__(self, views: LabelledViews, classes: int) -> None:
        self._views, self._classes = views, classes

    def __len__(self) -> int:
        return len(self._views.known)

    def __getitem__(self, number: int) -> tuple[Any, Any]:
        known = self._views.known[number]
        return self._views.view(known).pixels.copy(), shares(known, self._classes)
