"""Cracks that an inspection found or missed: example 3 hm of MIL-HDBK-1823A, and what others say.

The handbook's example of hits and misses, 134 cracks of which 92 were found. Length and depth in
thousandths of an inch, `-` where nobody measured the depth; `+`: found.
"""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import NDArray

_CRACKS = """
210/43+ 95/10 195/31+ 95/19+ 207/37+ 102/8 141/19+ 115/10 80/14 19/- 324/33+ 80/21+ 325/51+
82/18 84/100 180/18+ 176/27+ 152/25+ 85/18+ 116/27+ 90/19+ 138/21+ 125/25 67/8 75/12 155/12
117/6 317/16+ 345/39+ 250/25+ 407/37+ 355/47+ 300/39+ 320/41+ 320/39+ 111/21+ 152/33+ 142/16
157/27+ 185/29+ 97/6 125/10 91/18 110/25+ 180/37+ 90/12 57/8 82/12 79/14 34/4 145/25+ 165/23+
150/27+ 150/19 144/19+ 260/21+ 315/31+ 300/33+ 65/10 70/10 70/6 250/29+ 200/41+ 320/76+ 352/97+
85/23 45/33+ 25/0 213/62+ 167/49+ 23/- 67/10 65/- 25/- 215/57+ 190/41+ 177/19 34/- 182/49+
187/47+ 235/43+ 235/43+ 216/49+ 195/68+ 187/68+ 235/45+ 262/-+ 205/31+ 227/45+ 207/41+ 188/58+
85/21 215/68+ 175/58+ 242/62+ 255/53+ 275/53+ 262/60+ 220/41+ 200/64+ 125/60+ 207/37+ 240/-+
240/49+ 240/43+ 247/-+ 211/66+ 155/57+ 265/84+ 130/49+ 140/39+ 50/- 80/25+ 70/12 75/- 80/- 87/-
50/- 225/21+ 179/47+ 210/58+ 212/58+ 125/29+ 137/35+ 130/47+ 210/55+ 194/64+ 202/57+ 212/62+
257/49+ 182/33 216/47+ 210/47+ 125/-
"""

BY_LENGTH = {
    "logit": (-4.59736656561765, 39.7654286840476, 0.115612146473903, 0.170866789767052, 0.197340),
    "probit": (-2.62399656581323, 22.6110314461234, 0.116049397041686, 0.17272755294971, 0.197279),
}
"""Intercept, slope, a50, a90, a90/95 in inches of the length, as the routines of the handbook's own
program give them (mh1823 7.3.7, run in R by github.com/Ericrat233/default). Its a90/95 is read off
a grid of 51 by 51 points."""

BY_LOG_DEPTH = (17.6573206618451, 4.39007841700679)
"""Intercept and slope of the logit over ln of the depth (JASP, R's glm;
github.com/jasp-stats/jaspProbabilityOfDetection)."""


def by_length() -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Lengths in inches, and hits."""
    found = re.findall(r"(\d+)/\S+?(\+?)(?=\s)", _CRACKS)
    return np.array([int(each) / 1000 for each, _ in found]), np.array(
        [hit == "+" for _, hit in found]
    )


def by_depth() -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Depths in inches, and hits, of the cracks whose depth was measured and is above 0."""
    found = re.findall(r"/([1-9]\d*)(\+?)(?=\s)", _CRACKS)
    return np.array([int(each) / 1000 for each, _ in found]), np.array(
        [hit == "+" for _, hit in found]
    )
