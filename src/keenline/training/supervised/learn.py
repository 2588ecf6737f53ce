"""A labelled dataset turned into a bundle whose network learnt where defects are and what they are.

Unlike `keenline train` and `keenline teach` it teaches every weight, so it needs the extra `train`
and minutes; torch is imported inside functions: whoever imports this need not have it.
"""

from __future__ import annotations

from keenline.training.supervised.run import Learnt as Learnt
from keenline.training.supervised.run import Run as Run

learn = Run.learn
"""Teach a U-Net; see `Run.learn`."""
