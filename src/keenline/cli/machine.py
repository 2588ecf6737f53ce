"""This machine turned into facts: processor, its instructions that matter, memory, disk."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

INSTRUCTIONS = {
    # Flags as Linux names them (arch/x86/include/asm/cpufeatures.h; arch/arm64 hwcap strings).
    "avx2": "AVX2",
    "fma": "FMA",
    "avx512f": "AVX-512",
    "avx512_vnni": "AVX-512 VNNI",
    "avx_vnni": "AVX-VNNI",
    "avx512_bf16": "AVX-512 BF16",
    "amx_int8": "AMX INT8",
    "amx_bf16": "AMX BF16",
    "asimd": "NEON",
    "asimddp": "NEON dot product",
    "i8mm": "NEON INT8 matrix",
    "sve": "SVE",
}
"""What makes inference fast, by the flag of the operating system."""


@dataclass(frozen=True, slots=True)
class Machine:
    """What inference runs on."""

    system: str
    python: str
    processor: str
    instructions: tuple[str, ...] | None
    """Those of `INSTRUCTIONS` that are there; None where the system does not say."""
    cores: int
    """That this process may use."""
    memory_gb: float | None
    """In 1e9 bytes; None where the system does not say."""
    memory_free_gb: float | None
    disk_free_gb: float
    """Where the command was started."""


def this_machine(folder: Path) -> Machine:
    """Look at the machine; `folder` names the disk."""
    processor, flags = _processor()
    total, free = _memory()
    return Machine(
        system=f"{platform.system()} {platform.release()} {platform.machine()}",
        python=platform.python_version(),
        processor=processor or platform.processor() or platform.machine(),
        instructions=None
        if flags is None
        else tuple(name for flag, name in INSTRUCTIONS.items() if flag in flags),
        cores=_cores(),
        memory_gb=total,
        memory_free_gb=free,
        disk_free_gb=shutil.disk_usage(folder).free / 1e9,
    )


def _processor() -> tuple[str, set[str] | None]:
    listing = Path("/proc/cpuinfo")
    if listing.exists():
        return processor_facts(listing.read_text())
    if sys.platform == "darwin":
        return _asked("machdep.cpu.brand_string"), _mac_flags()
    return "", None


def processor_facts(cpuinfo: str) -> tuple[str, set[str] | None]:
    """Model and flags of the first processor in the text of /proc/cpuinfo (x86 or ARM)."""
    facts: dict[str, str] = {}
    for line in cpuinfo.splitlines():
        name, _, value = line.partition(":")
        facts.setdefault(name.strip().lower(), value.strip())
    flags = facts.get("flags") or facts.get("features")
    return facts.get("model name", ""), None if flags is None else set(flags.split())


def _mac_flags() -> set[str]:
    # sysctl names of Intel Macs; every Apple processor has NEON with the dot product.
    flags = _asked("machdep.cpu.leaf7_features").lower().split()
    flags += _asked("machdep.cpu.features").lower().split()
    return {*flags, *({"asimd", "asimddp"} if platform.machine() == "arm64" else ())}


def _asked(name: str) -> str:
    command = ["/usr/sbin/sysctl", "-n", name]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    return done.stdout.strip()


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _memory() -> tuple[float | None, float | None]:
    listing = Path("/proc/meminfo")
    if listing.exists():
        lines = (line.split() for line in listing.read_text().splitlines())
        facts = {words[0].rstrip(":"): int(words[1]) * 1024 / 1e9 for words in lines}
        return facts.get("MemTotal"), facts.get("MemAvailable")
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 1e9, None
    return None, None
