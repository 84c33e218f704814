"""What this machine is busy with, from the standard library alone: shares from 0 to 1, and bytes on the network."""

from __future__ import annotations

import os
import shutil
from pathlib import Path


def resources() -> dict[str, float]:
    """Return `{cpu, memory, disk, network_in, network_out}` as far as this system tells."""
    found: dict[str, float] = {}
    if hasattr(os, "getloadavg"):
        found["cpu"] = round(min(1.0, os.getloadavg()[0] / (os.cpu_count() or 1)), 3)
    disk = shutil.disk_usage("/")
    found["disk"] = round(disk.used / disk.total, 3)
    return found | _memory() | _network()


def _memory() -> dict[str, float]:
    lines = _lines("/proc/meminfo")
    sizes = {line.split(":")[0]: float(line.split()[1]) for line in lines if len(line.split()) > 1}
    if not sizes.get("MemTotal"):
        return {}
    return {"memory": round(1 - sizes.get("MemAvailable", 0.0) / sizes["MemTotal"], 3)}


def _network() -> dict[str, float]:
    rows = [line.split(":")[1].split() for line in _lines("/proc/net/dev")[2:] if ":" in line]
    if not rows:
        return {}
    return {
        "network_in": sum(float(row[0]) for row in rows),
        "network_out": sum(float(row[8]) for row in rows),
    }


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text().splitlines()
    except OSError:
        return []
