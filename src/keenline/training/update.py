"""A bundle and more good images turned into a bundle that knows them too, without relearning.

Nothing that was learnt is changed: members are only added to the bank. A distance to the nearest
of more members is never larger, so no score rises, and the bound on false alarms that the
threshold carries still holds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray

from keenline.bundle import (
    GRAPH,
    MEMORY,
    PATCHES,
    Bundle,
    check_writable,
    read_bundle,
    write_bundle,
)
from keenline.data.dataset import Dataset, Skipped
from keenline.data.reading import probe
from keenline.errors import BundleError, Code, DatasetError, ImageError
from keenline.inference.bank import EMBEDDING, Bank, Memory, memory_file, memory_from
from keenline.inference.engines import open_engine
from keenline.inference.framing import Framing
from keenline.inference.patch_sheet import joined_sheets, patch_sheet
from keenline.models.base import LearningSet, Progress, silent
from keenline.models.class_head import HEAD, ClassHead, with_head
from keenline.models.coreset import farthest_beyond, reach, spacing
from keenline.models.patches import PatchSample, inspected, ways_to_look
from keenline.models.search_graph import embeddings_inside, full_graph
from keenline.training.fit import training_samples
from keenline.training.good_parts import learning_set, read_samples
from keenline.types import Sample

GROWTH = 0.25
"""By which fraction of its size a bank may grow in one update, so that time per image stays
bounded; after several updates train again."""

PATCHES_A_VIEW = 200
"""Patches looked at in each new view and scale, at random."""


@dataclass(frozen=True, slots=True)
class Updated:
    """The new bundle and what was added."""

    bundle: Bundle
    path: Path
    added: int
    """Members added, over all scales."""
    notes: tuple[str, ...]
    skipped: tuple[Skipped, ...]


def update(
    path: Path | str,
    good: Dataset,
    *,
    output: Path | str | None = None,
    progress: Progress = silent,
) -> Updated:
    """Add the good images of a dataset to a bundle; in its place unless `output` is given.

    Raises BundleError (BUNDLE_CANNOT_UPDATE for a detector without a bank), DatasetError when no
    image fits, or OutputError; the bundle is untouched then.
    """
    path = Path(path)
    output = Path(output) if output is not None else path
    bundle = read_bundle(path)
    if MEMORY not in bundle.members:
        raise BundleError(
            Code.BUNDLE_CANNOT_UPDATE,
            "This bundle cannot take more images",
            where=path,
            expected="the memory_bank detector, its part not fixtured",
            got=bundle.manifest.detector
            + (", fixtured" if bundle.manifest.recipe.inspect.fixtured else ""),
            next="train again with all images",
        )
    check_writable(output)
    framing = Framing(bundle.manifest.framing)
    samples, misfits = _fitting(training_samples(good), framing)
    read = read_samples(samples, framing, progress)
    skipped = (*good.skipped, *misfits, *read.skipped)
    if not read.samples:
        raise DatasetError(
            Code.DATASET_NO_GOOD,
            "None of the images fits the bundle",
            where=good.root,
            got="; ".join(f"{s.path.name}: {s.error.what}" for s in skipped[:5]),
            next="photograph with the camera and lens that the part was learnt with",
        )
    recipe = bundle.manifest.recipe
    numbers = range(len(read.samples))
    new = learning_set(read, numbers, framing, recipe.inspect)
    memory = memory_from(bundle.members[MEMORY])
    seen = _look(bundle, new, len(memory.banks), progress)
    banks, chosen = _grown(memory, seen)
    added = sum(len(places) for places in chosen)
    members = dict(bundle.members)
    if added:
        members |= _new_members(bundle, memory, banks, seen[0].origins[chosen[0]], new)
    word = (
        f"{datetime.now(UTC).isoformat(timespec='seconds')}: {added} patches of "
        f"{len(read.samples)} good images added; no score can rise by this"
    )
    manifest = bundle.manifest.model_copy(update={"updates": (*bundle.manifest.updates, word)})
    written = write_bundle(output, manifest, members)
    return Updated(written, output, added, _notes(added), skipped)


def _fitting(
    samples: Sequence[Sample], framing: Framing
) -> tuple[list[Sample], tuple[Skipped, ...]]:
    fitting, skipped = [], []
    for sample in samples:
        try:
            facts = probe(sample.image)
            if not framing.fits(facts.width, facts.height):
                raise framing.wrong_size(facts.width, facts.height, where=sample.image)
            fitting.append(sample)
        except ImageError as error:
            skipped.append(Skipped(sample.image, error))
    return fitting, tuple(skipped)


def _look(bundle: Bundle, new: LearningSet, scales: int, progress: Progress) -> list[PatchSample]:
    """Random patches of the new views as the deployed graph embeds them."""
    manifest = bundle.manifest
    inside = embeddings_inside(onnx.load_from_string(bundle.members[GRAPH]), scales)
    engine = open_engine(
        inside.SerializeToString(), name=manifest.engine.name, precision=manifest.engine.precision
    )
    rng = np.random.default_rng(manifest.training.seed)
    samples = [PatchSample() for _ in range(scales)]
    augment = manifest.recipe.augment
    turns = augment.rotations if not new.fixed_size else ()
    for part, views in enumerate(new.parts):
        progress("look at new parts", part, len(new.parts))
        for view in ways_to_look(views, part, augment.brightness, turns):
            found = engine.run(view.pixels[None])
            for place, sample in enumerate(samples):
                grid = found[EMBEDDING.format(place)][0]
                cells = np.flatnonzero(
                    inspected(new.inside(part, view.view), view.turn, grid.shape[1:])
                )
                number = min(PATCHES_A_VIEW, len(cells))
                sample.add(grid, rng.choice(cells, number, replace=False), part, view)
    progress("look at new parts", len(new.parts), len(new.parts))
    return samples


def _grown(
    memory: Memory, seen: Sequence[PatchSample]
) -> tuple[list[Bank], list[NDArray[np.int64]]]:
    """Each bank with the patches that lie farther from it than its members from each other."""
    banks, chosen = [], []
    for bank, sample in zip(memory.banks, seen, strict=True):
        vectors, source = sample.vectors, sample.origins[:, 0] + len(memory.names)
        most = int(GROWTH * len(bank.vectors))
        places = farthest_beyond(vectors, bank.vectors, spacing(bank.vectors), most)
        around = np.concatenate([bank.vectors, vectors])
        from_where = np.concatenate([bank.source, source])
        members, member_source = vectors[places], source[places].astype(np.int64)
        radius = reach(members, member_source, around, from_where)
        banks.append(
            Bank(
                np.concatenate([bank.vectors, members]),
                np.concatenate([bank.reach, radius]),
                np.concatenate([bank.source, member_source]),
                bank.step,
            )
        )
        chosen.append(places)
    return banks, chosen


def _new_members(
    bundle: Bundle,
    memory: Memory,
    banks: Sequence[Bank],
    origins: NDArray[np.int32],
    new: LearningSet,
) -> Mapping[str, bytes]:
    model = onnx.load_from_string(bundle.members[GRAPH])
    dims = next(o for o in model.graph.output if o.name == "map").type.tensor_type.shape.dim
    grid = (dims[1].dim_value, dims[2].dim_value) if dims[1].dim_value else None
    mask = None
    if grid is not None and new.roi is not None:
        mask = inspected(new.roi, 0, grid).astype(np.float32)
    embeddings = embeddings_inside(model, len(banks))
    graph = full_graph(embeddings, banks, memory.weights, mask, grid)
    if HEAD in bundle.members:
        graph = with_head(graph, ClassHead.from_bytes(bundle.members[HEAD]), mask)
    names = [*memory.names, *new.names]
    old_count = len(memory.banks[0].vectors)
    sheet = joined_sheets(
        bundle.members[PATCHES], old_count, patch_sheet(new.parts, origins), len(origins)
    )
    return {
        GRAPH: graph.SerializeToString(),
        MEMORY: memory_file(banks, memory.weights, names),
        PATCHES: sheet,
    }


def _notes(added: int) -> tuple[str, ...]:
    if added:
        return ()
    return ("the bank already covers these images; nothing had to be added",)
