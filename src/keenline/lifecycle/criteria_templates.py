"""The name of a standard turned into criteria in TOML, to be filled in and then locked."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Literal, TypeAlias, get_args

from keenline.evaluation.intervals import parts_needed

Template: TypeAlias = Literal["ppap", "vdi", "knapp"]

TEMPLATES: tuple[Template, ...] = get_args(Template)

RECALL = 0.9
"""What the templates ask for: 29 parts of a class without a miss prove it."""

FALSE_ALARMS = 0.1


def template(name: Template, classes: Iterable[str]) -> str:
    """Criteria in TOML for these classes; each number is to be agreed, not taken over."""
    head = _HEADS[name]
    asked = "".join(_class(each, named=name == "vdi") for each in classes)
    return f"{head}\n{asked}{_GOOD}{_TAILS[name]}"


def _class(name: str, *, named: bool) -> str:
    recognised = f"recognised = {RECALL}       # of these, named as this class\n" if named else ""
    return (
        "[[classes]]\n"
        f"name = {json.dumps(name, ensure_ascii=False)}\n"
        f"recall = {RECALL}           # proven at 95 %: takes {parts_needed(RECALL)} parts "
        f"without a miss\n{recognised}\n"
    )


_HEADS: dict[Template, str] = {
    "ppap": """\
# Criteria in the manner of a production part approval (AIAG PPAP, 4th ed.): the inspection system
# is approved for one part and change level, with the evidence that its measurement system asks
# for. Keenline fills in what it can measure; the rest of a submission is not its matter.
schema = 1
title = "Production part approval"
standard = "in the manner of AIAG PPAP, 4th edition"

[about]
part = ""
part_number = ""
drawing = ""            # drawing and change level
supplier = ""
customer = ""
level = "3"             # of submission, 1 to 5
reason = ""             # initial submission, engineering change, tooling, correction
task = ""
""",
    "vdi": """\
# Criteria in the manner of VDI/VDE/VDMA 2632 part 3 (acceptance test of classifying machine vision
# systems): supplier and customer agree on the task, the conditions, the test parts and how many
# may be classified wrongly each way, before the test.
schema = 1
title = "Acceptance test of a classifying vision system"
standard = "in the manner of VDI/VDE/VDMA 2632 part 3"

[about]
part = ""
supplier = ""
customer = ""
task = ""               # what is to be found, and what is not to be inspected
reason = ""             # preliminary, at the customer's, again after a change
""",
    "knapp": """\
# A test in the manner of Knapp: the machine must reject units of the reject zone at least as surely
# as people do. Each unit is looked at about 30 times by people, and 30 images of it are sealed.
schema = 1
title = "Comparison with people (Knapp)"
standard = "after Knapp and Kushner, 1980"

[about]
part = ""
task = ""
""",
}

_GOOD = f"""\
[good]
false_alarms = {FALSE_ALARMS}      # at most, proven at 95 %

[time]
milliseconds = 100
share = 0.99

[environment]
light = ""              # as the provenance of the images names it
station = ""            # name of the computer that will run it
"""

_TAILS: dict[Template, str] = {
    "ppap": "",
    "vdi": "",
    "knapp": """
[knapp]
views = 30
reject_zone = 0.7

# One table for each unit, named as the provenance of its images names the part.
[[knapp.units]]
part = "unit-001"
rejected = 27
views = 30
""",
}
