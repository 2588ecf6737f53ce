"""Raw engine outputs turned into outputs that may be judged: finite, or an error."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from keenline.errors import Code, EngineError


def finite(
    outputs: Mapping[str, NDArray[np.float32]], engine: str
) -> Mapping[str, NDArray[np.float32]]:
    """The outputs as they are; raises EngineError when one holds NaN or infinity.

    A NaN compares false with every threshold, so a part would pass unseen.
    """
    for name, values in outputs.items():
        if not np.isfinite(values).all():
            raise EngineError(
                Code.ENGINE_NOT_FINITE,
                "The graph answered with numbers that are not finite",
                where=f"output `{name}` of {engine}",
                expected="finite numbers",
                got=f"{int((~np.isfinite(values)).sum())} of {values.size} are NaN or infinite",
                next="the part must not pass; check the bundle with `keenline doctor`",
            )
    return outputs
