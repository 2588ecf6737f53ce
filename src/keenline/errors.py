"""Everything that can go wrong in Keenline, as one tree of errors with stable codes.

KeenlineError
├── InputError            1xxx  what the user gave
│   ├── ImageError        11xx  one image or mask file
│   ├── DatasetError      12xx  a folder or list of samples
│   ├── RecipeError       13xx  a recipe; carries every problem found, not only the first
│   ├── OutputError       14xx  a place that cannot be written
│   ├── LifecycleError    15xx  what a bundle may not do, or not yet
│   └── ReviewError       16xx  what a person says of a part
├── ModelError            2xxx  what was learnt, or what it is learnt with
│   ├── BundleError       21xx  a bundle file
│   ├── BackboneError     22xx  a feature network or its description
│   └── TrainingError     23xx  learning a part
├── EngineError           3xxx  running a graph
├── EnvironmentMissing    4xxx  an optional package or device that is not here
├── LineError             5xxx  what stands at the line
│   ├── CameraError       51xx  a camera, or one frame of it
│   │   └── FrameBroken         one frame came but cannot be used; the camera goes on
│   ├── PlcError          52xx  a PLC and its signals
│   ├── StationError      53xx  a station configuration; carries every problem found
│   └── PartError         54xx  why one part got no verdict of its own: it is INVALID
└── RecordError           6xxx  what keeps and passes on the results
    ├── JournalError      60xx  the station's own journal
    ├── StoreError        61xx  a database, images, the audit chain
    ├── PublishError      62xx  a broker or an OPC UA server
    └── CredentialError   63xx  a password, key or certificate

A code never changes its meaning and is never reused: a PLC can show only a number.
`docs/errors.md` explains each code; a test fails when one is missing there.
"""

from __future__ import annotations

import errno
from collections.abc import Iterable
from enum import IntEnum


class Code(IntEnum):
    """The stable number of every error."""

    IMAGE_MISSING = 1100
    IMAGE_UNREADABLE = 1101
    IMAGE_TRUNCATED = 1102
    IMAGE_EMPTY = 1103
    IMAGE_TOO_SMALL = 1104
    IMAGE_TOO_LARGE = 1105
    IMAGE_ANIMATED = 1106
    IMAGE_MODE = 1107
    IMAGE_SIZE = 1108
    MASK_SIZE = 1110
    MASK_EMPTY = 1111
    MASK_MISSING = 1112

    DATASET_MISSING = 1200
    DATASET_EMPTY = 1201
    DATASET_NO_GOOD = 1202
    DATASET_LAYOUT = 1203
    DATASET_NO_DEFECT = 1204
    DATASET_SIZES = 1205
    DATASET_PART_PATTERN = 1206

    LABEL_FILE = 1210
    LABEL_ENTRY = 1211
    LABEL_SHAPE = 1212
    LABEL_IMAGE = 1213
    LABEL_IMAGE_SIZE = 1214
    LABEL_CLASS = 1215
    LABEL_OUTSIDE = 1216
    LABEL_CROSSING = 1217
    LABEL_NO_AREA = 1218
    LABEL_DUPLICATE = 1219
    LABEL_CANNOT_SAY = 1220

    DATASET_VERSION_FILE = 1230
    DATASET_VERSION_CHANGED = 1231
    DATASET_VERSION_CONTENT = 1232
    DATASET_VERSION_EXISTS = 1233
    DATASET_SEALED = 1234
    DATASET_SEAL_LOG = 1235
    DATASET_PROVENANCE = 1236
    DATASET_SHARES = 1237
    DATASET_PARENT = 1238
    DATASET_LEAK = 1239

    LABEL_ANNOTATORS = 1240

    DATASET_LIBRARY = 1250
    DATASET_SYNTHETIC = 1251

    SCORES_UNUSABLE = 1260
    THRESHOLD_IMPOSSIBLE = 1261

    STUDY_PLAN = 1280
    STUDY_FILE = 1281
    STUDY_CALLS = 1282
    POD_TARGETS = 1285

    RECIPE_MISSING = 1300
    RECIPE_SYNTAX = 1301
    RECIPE_INVALID = 1302

    OUTPUT_NOT_WRITABLE = 1400
    OUTPUT_DISK_FULL = 1401

    ACCEPTANCE_CRITERIA = 1500
    ACCEPTANCE_CHANGED = 1501
    ACCEPTANCE_UNREACHABLE = 1502
    ACCEPTANCE_SIGNER = 1503
    AUTHORITY_NOT_READY = 1510
    READINESS_FACTS = 1511
    STAGE_ORDER = 1520
    PROMOTION = 1521

    REVIEW_SAID = 1600
    REVIEW_RESULT = 1601

    BUNDLE_MISSING = 2100
    BUNDLE_NOT_A_BUNDLE = 2101
    BUNDLE_TRUNCATED = 2102
    BUNDLE_TAMPERED = 2103
    BUNDLE_NEWER_SCHEMA = 2104
    BUNDLE_MANIFEST = 2105
    BUNDLE_CANNOT_UPDATE = 2106

    BACKBONE_UNKNOWN = 2200
    BACKBONE_MISSING = 2201
    BACKBONE_DESCRIPTION = 2202
    BACKBONE_GRAPH = 2203
    BACKBONE_OFFLINE = 2204

    DETECTOR_UNKNOWN = 2300
    TOO_FEW_IMAGES = 2301
    VERDICT_PARITY = 2302
    OPTION_CONFLICT = 2303

    LOSS_NOT_FINITE = 2310
    MEMORY_SHORT = 2311
    DEVICE_FAILED = 2312

    ENGINE_UNKNOWN = 3000
    ENGINE_COMPILE = 3001
    ENGINE_RUN = 3002
    ENGINE_NOT_FINITE = 3003
    ENGINE_INPUT_SHAPE = 3004

    EXTRA_MISSING = 4000

    CAMERA_MISSING = 5100
    CAMERA_GONE = 5101
    CAMERA_TIMEOUT = 5102
    FRAME_BROKEN = 5103
    CAMERA_REFUSED = 5104
    CAMERA_NO_TRIGGER = 5105
    FRAME_SIZE = 5106
    UPLOAD_REFUSED = 5107
    EXPOSURE_NOT_REACHED = 5108

    PLC_UNREACHABLE = 5200
    PLC_GONE = 5201
    PLC_STALE = 5202
    PLC_SIGNAL = 5203
    PLC_VALUE = 5204
    PLC_REFUSED = 5205

    STATION_MISSING = 5300
    STATION_SYNTAX = 5301
    STATION_INVALID = 5302
    STATION_START = 5303
    STATION_TRANSITION = 5304
    STATION_SHADOW = 5305

    PART_NO_IMAGE = 5400
    PART_LATE = 5401
    PART_OVERLOAD = 5402
    PART_ENGINE = 5403
    PART_INTERRUPTED = 5404
    PART_FRAME_LOST = 5405
    PART_UNCERTAIN_MATCH = 5406
    PART_CAMERA_DOWN = 5407
    PART_NOT_READY = 5408
    PART_PLC = 5409
    PART_CHALLENGE = 5410

    JOURNAL_DAMAGED = 6000
    JOURNAL_IN_USE = 6001

    STORE_UNREACHABLE = 6100
    STORE_SCHEMA = 6101
    STORE_REFUSED = 6102
    STORE_QUERY = 6103
    IMAGES_UNREACHABLE = 6104
    AUDIT_BROKEN = 6105

    BROKER_UNREACHABLE = 6200
    BROKER_REFUSED = 6201
    PUBLISH_ENCODING = 6202
    OPCUA_SERVER = 6203

    CREDENTIAL_MISSING = 6300
    CREDENTIAL_EXPOSED = 6301


class KeenlineError(Exception):
    """One problem: what, where, what was expected, what was found, what to do next.

    Only `code` and `what` are required; the message leaves out what is not given.
    """

    def __init__(
        self,
        code: Code,
        what: str,
        *,
        where: object = None,
        expected: object = None,
        got: object = None,
        next: str | None = None,
    ) -> None:
        self.code = code
        self.what = what
        self.where = None if where is None else str(where)
        self.expected = None if expected is None else str(expected)
        self.got = None if got is None else str(got)
        self.next = next
        super().__init__(self._message())

    def __reduce__(self) -> tuple[object, ...]:
        # From another process: keywords are not among `args`, which Python would rebuild it from.
        return _rebuilt, (type(self), self.args, self.__dict__)

    def _message(self) -> str:
        lines = [f"{self.what} [KL{int(self.code)}]"]
        said = [(label, getattr(self, label)) for label in ("where", "expected", "got", "next")]
        lines += [f"  {label + ':':<10}{value}" for label, value in said if value is not None]
        return "\n".join(lines)

    def as_dict(self) -> dict[str, object]:
        """The same facts for a machine (`--json`)."""
        facts = {"code": int(self.code), "error": self.what, "where": self.where}
        facts |= {"expected": self.expected, "got": self.got, "next": self.next}
        return {key: value for key, value in facts.items() if value is not None}


def _rebuilt(
    kind: type[KeenlineError], args: tuple[object, ...], facts: dict[str, object]
) -> KeenlineError:
    error = kind.__new__(kind)
    error.args = args
    error.__dict__.update(facts)
    return error


class InputError(KeenlineError):
    """The user gave something that cannot be used."""


class ImageError(InputError):
    """One image or mask file cannot be used."""


class DatasetError(InputError):
    """A folder or list of samples cannot be used."""


class LabelError(InputError):
    """A file with labels, or a folder of them, cannot be used at all."""


class _ManyProblems(KeenlineError):
    """A file that cannot be used; `problems` holds every fault found in it."""

    def __init__(
        self, code: Code, what: str, *, problems: Iterable[str] = (), **facts: object
    ) -> None:
        self.problems = tuple(problems)
        next_step = facts.get("next")
        super().__init__(
            code,
            what,
            where=facts.get("where"),
            expected=facts.get("expected"),
            got="\n".join(self.problems).replace("\n", "\n            ") or facts.get("got"),
            next=None if next_step is None else str(next_step),
        )


class RecipeError(_ManyProblems, InputError):
    """A recipe cannot be used."""


class LifecycleError(_ManyProblems, InputError):
    """What was asked of a bundle is not allowed, or not yet."""


class ReviewError(InputError):
    """What a person says of a part cannot be taken."""


class OutputError(InputError):
    """A file or folder cannot be written."""

    @classmethod
    def of(
        cls,
        problem: OSError,
        where: object,
        *,
        next: str = "choose a folder that exists and may be written to",
    ) -> OutputError:
        """What the operating system said; `next` is for any other reason than a full disk."""
        full = problem.errno in (errno.ENOSPC, errno.EDQUOT)
        return cls(
            Code.OUTPUT_DISK_FULL if full else Code.OUTPUT_NOT_WRITABLE,
            "The disk is full" if full else "The file cannot be written",
            where=where,
            got=problem.strerror or problem,
            next="free some space, or write to another disk" if full else next,
        )


class ModelError(KeenlineError):
    """What was learnt, or what it is learnt with, cannot be used."""


class BundleError(ModelError):
    """A bundle file cannot be used."""


class BackboneError(ModelError):
    """A feature network, or its description, cannot be used."""


class TrainingError(ModelError):
    """A part cannot be learnt this way."""


class EngineError(KeenlineError):
    """A graph cannot be compiled or run, or answered with something that is not a score."""


class EnvironmentMissing(KeenlineError):
    """An optional package or device is not on this machine."""


class LineError(KeenlineError):
    """Something at the line cannot do its work."""


class CameraError(LineError):
    """A camera cannot be reached, refuses a setting, or is gone."""


class FrameBroken(CameraError):
    """One frame came incomplete or unreadable; the camera goes on.

    `number` is the camera's own count of the frame, None where it is not known; `part_id` the
    name of its part where the frame would have brought one (`Frame.part_id`).
    """

    def __init__(
        self, what: str, *, number: int | None = None, part_id: str = "", **facts: str
    ) -> None:
        super().__init__(Code.FRAME_BROKEN, what, **facts)
        self.number = number
        self.part_id = part_id


class PlcError(LineError):
    """A PLC cannot be reached, is gone, or has not the signals that were named."""


class StationError(_ManyProblems, LineError):
    """A station configuration cannot be used, or a station cannot start."""


class PartError(LineError):
    """Why one part has no verdict of its own; it is INVALID."""


class RecordError(KeenlineError):
    """Results cannot be kept or passed on for now; the line goes on."""


class JournalError(RecordError):
    """The station's own journal cannot be used."""


class StoreError(RecordError):
    """A database, the images beside it or the audit chain cannot be used."""


class PublishError(RecordError):
    """A broker or a server of results cannot be used."""


class CredentialError(RecordError):
    """A password, key or certificate is missing or can be read by others."""
