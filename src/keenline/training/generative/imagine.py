"""Marked defects of a class turned into imagined ones on good surfaces, in a library of defects.

torch is imported inside functions: whoever imports this need not have it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from keenline.data.dataset import Dataset, Skipped
from keenline.data.defect_library import INDEX, Cut, read_library, write_library
from keenline.data.imagined_by import Network
from keenline.data.new_folder import new_folder
from keenline.errors import Code, TrainingError
from keenline.models.base import Progress, silent
from keenline.recipe import Recipe
from keenline.training.generative.changed_area import Unusable, changed_area
from keenline.training.generative.settings import Settings
from keenline.training.generative.surfaces import Stock, source_of, stock_of
from keenline.training.supervised.settings import check_extra
from keenline.types import Image, Mask

if TYPE_CHECKING:
    from keenline.training.generative.learning import Learning, Told

_AT_ONCE = 16


@dataclass(frozen=True, slots=True)
class Try:
    """A good surface, what the network made of it, and where it changed or why that is no use."""

    before: Image
    after: Image
    found: Mask | Unusable


@dataclass(frozen=True, slots=True)
class Imagined:
    """What came of it."""

    cuts: tuple[Cut, ...]
    """Added to the library."""
    tries: tuple[Try, ...]
    real: tuple[Image, ...]
    """Crops that were learnt from, some of them."""
    network: Network
    seconds: float
    """Of learning, in earlier runs too."""
    skipped: tuple[Skipped, ...]
    without_place: int
    notes: tuple[str, ...] = ()
    unusable: dict[Unusable, int] = field(default_factory=dict)
    """Of the tries, why they were not taken."""


def imagine(
    dataset: Dataset,
    name: str,
    library: Path,
    *,
    recipe: Recipe | None = None,
    settings: Settings | None = None,
    tries: int = 200,
    resume: bool = False,
    progress: Progress = silent,
    told: Told = lambda _step, _losses, _left: None,
) -> Imagined:
    """Teach networks what defects of a class look like, and add what they imagine to a library.

    Of a layout with a training split nothing of the test split is used. The library is written anew
    where it is not there, with the weights of the network beside the index. resume: go on from
    `LIBRARY.checkpoint`, which is there until the library is written.

    Raises EnvironmentMissing, TrainingError (TOO_FEW_IMAGES, LOSS_NOT_FINITE, MEMORY_SHORT,
    OPTION_CONFLICT), DatasetError (DATASET_LIBRARY) or OutputError; the library is untouched then.
    """
    check_extra()
    recipe, settings = recipe or Recipe(), settings or Settings()
    _check_crop(settings.crop)
    if (library / INDEX).exists():
        known = read_library(library)
    else:
        known = ()
        new_folder(library)
    stock = stock_of(dataset, name, recipe, settings.crop, settings.seed, progress)
    hashes = tuple(sorted(set(dataset.hashes(stock.samples).values())))
    data = hashlib.sha256("".join((recipe.sha256, *hashes)).encode()).hexdigest()
    notes: list[str] = []
    learning = _taught(
        stock,
        settings,
        library.with_name(f"{library.name}.checkpoint"),
        settings.lasting() | {"class": name, "data": data},
        resume=resume,
        run=lambda one: one.run(progress, told, notes.append),
    )
    weights = learning.cycle.spoil.state_dict()
    network = Network.model_validate(
        {
            "sha256": _digest(weights),
            "class": name,
            "data_sha256": data,
            "seed": settings.seed,
            "steps": learning.step,
            "learnt_from": hashes,
        }
    )
    made, cuts = imagined_on(stock, learning.cycle.spoilt, network, dataset, tries)
    same = {(cut.source_sha256, cut.box, network.sha256) for cut in cuts}
    earlier = [
        cut
        for cut in known
        if cut.network is None or (cut.source_sha256, cut.box, cut.network.sha256) not in same
    ]
    write_library((*earlier, *cuts), library)
    _save(weights, library / f"{network.sha256[:12]}.pt")
    learning.forget()
    unusable = [one.found for one in made if isinstance(one.found, Unusable)]
    return Imagined(
        cuts,
        made,
        stock.defective,
        network,
        learning.seconds,
        stock.skipped,
        stock.without_place,
        tuple(notes),
        {why: unusable.count(why) for why in Unusable if why in unusable},
    )


def imagined_on(
    stock: Stock,
    spoilt: Callable[[NDArray[np.uint8]], NDArray[np.uint8]],
    network: Network,
    dataset: Dataset,
    tries: int,
) -> tuple[tuple[Try, ...], tuple[Cut, ...]]:
    """Good surfaces in a seeded order with what was made of them, and the defects that are of use.

    spoilt: good crops, (batch, side, side, 3), as they would look with a defect.
    """
    rng = np.random.default_rng((network.seed, 1))
    chosen = [stock.good[place] for place in rng.permutation(len(stock.good))[:tries]]
    hashes = dataset.hashes([surface.sample for surface in chosen])
    made, cuts = [], []
    for first in range(0, len(chosen), _AT_ONCE):
        lot = chosen[first : first + _AT_ONCE]
        after = spoilt(np.stack([surface.crop for surface in lot]))
        for surface, changed in zip(lot, after, strict=True):
            found = changed_area(surface.crop, changed)
            made.append(Try(surface.crop, changed, found))
            if isinstance(found, Unusable):
                continue
            box = (*surface.at, changed.shape[1], changed.shape[0])
            source = source_of(surface, dataset.root)
            sha256 = hashes[surface.sample.image]
            cut = Cut(network.class_name, changed, found, box, source, sha256, "imagined", network)
            cuts.append(cut)
    return tuple(made), tuple(cuts)


def _taught(
    stock: Stock,
    settings: Settings,
    checkpoint: Path,
    stamp: dict[str, object],
    *,
    resume: bool,
    run: Callable[[Learning], None],
) -> Learning:
    from keenline.training.generative.learning import Learning

    learning = Learning(stock, settings, checkpoint, stamp)
    if resume:
        learning.resume()
    run(learning)
    return learning


def _digest(weights: dict[str, Any]) -> str:
    """Of names and numbers, however a file arranges them."""
    digest = hashlib.sha256()
    for name in sorted(weights):
        digest.update(name.encode())
        digest.update(weights[name].cpu().numpy().tobytes())
    return digest.hexdigest()


def _save(weights: dict[str, Any], path: Path) -> None:
    import torch

    torch.save({name: value.cpu() for name, value in weights.items()}, path)


def _check_crop(crop: int) -> None:
    if crop % 4 or not 32 <= crop <= 512:
        raise TrainingError(
            Code.OPTION_CONFLICT,
            "A crop of this side does not fit the network",
            where="crop",
            expected="a multiple of 4 px from 32 to 512",
            got=f"{crop} px",
        )
