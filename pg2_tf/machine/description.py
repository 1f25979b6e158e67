"""Describes the machine."""

import os
import platform
from pathlib import Path
from typing import Any

from pg2_tf.machine import isolated
from pg2_tf.runs.run_folder import package_versions


def describe(cores: int | None) -> dict[str, Any]:
    """Returns processor, cores, memory, load and versions.

    Args:
        cores: Number of cores that the benchmarks may use, or None for all.
    """
    present = isolated.usable_cores()
    can_limit = hasattr(os, "sched_setaffinity")
    return {
        "processor": _processor(),
        "cores": present,
        "cores_used": min(cores or present, present) if can_limit else present,
        "memory_gib": _memory_gib(),
        # Mean of the last minute; other processes slow the benchmarks down.
        "load": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
        "system": f"{platform.system()} {platform.release()}",
        "versions": {"python": platform.python_version(), **package_versions()},
    }


def _processor() -> str:
    path = Path("/proc/cpuinfo")
    if path.exists():
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
            name, _, value = line.partition(":")
            if name.strip() == "model name":
                return value.strip()
    return platform.processor() or platform.machine()


def _memory_gib() -> float | None:
    try:
        pages, size = os.sysconf("SC_PHYS_PAGES"), os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return None
    return round(pages * size / 2**30, 1)
