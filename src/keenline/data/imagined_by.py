"""A network that imagined defects turned into a record that goes with all that it imagined."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Digest = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class Network(BaseModel):
    """Which network, and what it was learnt from."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    sha256: Digest
    """Of its weights."""
    class_name: Annotated[str, Field(min_length=1, alias="class")]
    data_sha256: Digest
    """Of the list of images that it was learnt from, and the recipe."""
    seed: int
    steps: Annotated[int, Field(ge=0)]
    learnt_from: tuple[Digest, ...]
    """sha256 of every real image file that it saw: what it imagined holds something of each, so it
    is left out whenever one of them is held out."""
