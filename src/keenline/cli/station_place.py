"""Where a station stands turned into findings: disks, journal, packages, clock and processor."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

from keenline.cli.examination import Finding, Level
from keenline.cli.station_config import StationConfig
from keenline.store.settings import SQLITE, DiskImages

PACKAGES = {
    "aravis": ("gi", "", "Aravis and python3-gi of the system"),
    "basler": ("pypylon", "basler", ""),
    "genicam": ("harvesters", "genicam", ""),
    "video": ("av", "video", ""),
    "upload": ("uvicorn", "web", ""),
    "ethernetip": ("pycomm3", "plc", ""),
    "modbus": ("pymodbus", "plc", ""),
    "opcua": ("asyncua", "plc", ""),
    "s7": ("snap7", "plc", ""),
    "mqtt": ("paho", "mqtt", ""),
    "sparkplug": ("pysparkplug", "mqtt", ""),
    "postgresql": ("psycopg", "postgres", ""),
    "s3": ("obstore", "s3", ""),
}
"""What a kind of device, database or publisher imports, the extra it comes with, and what else."""

_JOURNAL_NEEDS_GB = 1.0
_SEGMENT_BYTES = 8 << 20
_GOVERNORS = "/sys/devices/system/cpu/cpu*/cpufreq/scaling_governor"


def findings(config: StationConfig, folder: Path) -> Iterator[Finding]:
    """`folder`: where the relative paths of the configuration begin."""
    yield from packages(config)
    for about, look in (("disk", disks), ("journal", journal)):
        try:
            yield from look(config, folder)
        except PermissionError as error:
            words = f"{error.filename} may not be seen by this account"
            yield Finding(about, Level.UNKNOWN, words, "ask as the account of the station")
    yield clock()
    yield governor()


def kinds(config: StationConfig) -> list[str]:
    """Every kind that the configuration names and that needs more than the core."""
    named = [str(camera.kind) for camera in config.cameras]
    named += [] if config.plc is None else [str(config.plc.kind)]
    named += [urlsplit(config.store.database).scheme.partition("+")[0], config.store.images.kind]
    named += [name for name in ("mqtt", "sparkplug", "opcua") if getattr(config, name, None)]
    return [kind for kind in dict.fromkeys(named) if kind in PACKAGES]


def is_installed(kind: str) -> bool:
    """Whether what a kind imports is here; nothing is imported."""
    return kind not in PACKAGES or find_spec(PACKAGES[kind][0]) is not None


def packages(config: StationConfig) -> Iterator[Finding]:
    """Whether what the configuration names is installed."""
    needed = kinds(config)
    for kind in needed:
        module, extra, other = PACKAGES[kind]
        if not is_installed(kind):
            how = f"pip install 'keenline[{extra}]'" if extra else other
            yield Finding("packages", Level.FAULT, f"{kind} needs {module}, which is missing", how)
    if all(is_installed(kind) for kind in needed):
        words = f"those of {', '.join(needed)} are installed" if needed else "none needed"
        yield Finding("packages", Level.OK, words)


def disks(config: StationConfig, folder: Path) -> Iterator[Finding]:
    """The room on each disk, and what lies there."""
    images, url = config.store.images, config.store.database
    needs = {"journal": (folder / config.journal, _JOURNAL_NEEDS_GB, 0.0)}
    if isinstance(images, DiskImages):
        place = folder / images.folder
        needs["images"] = (place, images.reserve_gb, config.store.retention.free_gb)
    else:
        needs["images"] = (folder / images.spool, images.reserve_gb, 0.0)
    if url.startswith(SQLITE):
        file = folder / url.partition(":///")[2]
        needs["database"] = (file.parent, _JOURNAL_NEEDS_GB, 0.0)
    by_disk: dict[int, list[str]] = defaultdict(list)
    for name, (place, _, _) in needs.items():
        by_disk[_existing(place).stat().st_dev].append(name)
    for names in by_disk.values():
        least = max(needs[name][1] for name in names)
        wished = max(needs[name][2] for name in names)
        usage = shutil.disk_usage(_existing(needs[names[0]][0]))
        free = usage.free / 1e9
        words = f"{', '.join(names)}: {free:.1f} of {usage.total / 1e9:.0f} GB free"
        if free < least:
            words += f"; less than {least:g} GB"
            yield Finding("disk", Level.FAULT, words, "free space, or images and records stop")
        elif free < wished:
            words += f"; images go until {wished:g} GB are"
            yield Finding("disk", Level.WARNING, words)
        else:
            yield Finding("disk", Level.OK, words)


def journal(config: StationConfig, folder: Path) -> Iterator[Finding]:
    """What the journal holds that a sink has not confirmed."""
    folder = folder / config.journal
    sizes: dict[int, int] = {}
    for path in folder.glob("*.journal"):
        with suppress(FileNotFoundError):  # the station has just done with it
            sizes[int(path.stem)] = path.stat().st_size
    if not sizes:
        yield Finding("journal", Level.UNKNOWN, f"there is none yet in {folder}")
        return
    whole = sum(sizes.values()) / 1e6
    files = "one segment" if len(sizes) == 1 else f"{len(sizes)} segments"
    yield Finding("journal", Level.OK, f"{files}, {whole:.1f} MB")
    for path in sorted(folder.glob("*.place")):
        waiting = _waiting(path, sizes)
        if waiting > _SEGMENT_BYTES:
            words = f"{waiting / 1e6:.0f} MB wait for {path.stem}"
            yield Finding("journal", Level.WARNING, words, "see what is wrong with it above")


def clock() -> Finding:
    """Whether the clock follows a time server: records carry its time."""
    command = shutil.which("timedatectl")
    if command is None:
        return Finding("clock", Level.UNKNOWN, "cannot be seen: there is no timedatectl")
    done = subprocess.run(  # noqa: S603 (no shell, a fixed command)
        [command, "show", "--property=NTPSynchronized", "--value"],
        capture_output=True, text=True, timeout=10, check=False,
    )  # fmt: skip
    answer = done.stdout.strip()
    if answer == "yes":
        return Finding("clock", Level.OK, "synchronised")
    if answer == "no":
        words = "not synchronised: the times of records may be wrong"
        return Finding("clock", Level.WARNING, words, "timedatectl set-ntp true, or chrony")
    return Finding("clock", Level.UNKNOWN, "cannot be seen: timedatectl does not answer")


def governor(pattern: str = _GOVERNORS) -> Finding:
    """Whether the processor may slow down between two parts."""
    root = Path("/")
    found = {path.read_text().strip() for path in root.glob(pattern.removeprefix("/"))}
    if not found:
        return Finding("processor", Level.UNKNOWN, "sets its own speed, or is a virtual one")
    words = f"governor {', '.join(sorted(found))}, {os.cpu_count()} threads"
    if found == {"performance"}:
        return Finding("processor", Level.OK, words)
    return Finding(
        "processor",
        Level.WARNING,
        f"{words}: the first milliseconds of each part are slow",
        "cpupower frequency-set -g performance",
    )


def _waiting(place: Path, sizes: dict[int, int]) -> int:
    """Bytes of the journal behind the place that a sink has confirmed."""
    words = place.read_text("ascii").split()
    segment, offset = (int(word) for word in words) if len(words) == 2 else (0, 0)
    behind = sum(size for number, size in sizes.items() if number > segment)
    return behind + max(0, sizes.get(segment, 0) - offset)


def _existing(place: Path) -> Path:
    """`place`, or the nearest folder above it that is there."""
    return next(one for one in (place, *place.absolute().parents) if one.exists())
