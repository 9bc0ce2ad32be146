"""What this machine can compute with."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass

import torch

from .engine import default_threads, has_fast_bfloat16


@dataclass(frozen=True)
class Device:
    """A device as `--device` names it: its make, memory in bytes (0 when not known), and whether it computes bfloat16 in hardware."""

    name: str
    make: str
    memory: int
    free: int
    bfloat16: bool
    threads: int


def devices() -> list[Device]:
    """Return the CPU, then every CUDA device that answers."""
    total, free = _memory()
    found = [Device("cpu", _cpu(), total, free, has_fast_bfloat16(), default_threads())]
    if torch.cuda.is_available():
        found += [_cuda(index) for index in range(torch.cuda.device_count())]
    return found


def _cuda(index: int) -> Device:
    free, total = torch.cuda.mem_get_info(index)
    low = torch.cuda.get_device_capability(index) >= (8, 0)
    return Device(f"cuda:{index}", torch.cuda.get_device_name(index), total, free, low, 0)


def _cpu() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:
            names = [line.split(":", 1)[1].strip() for line in file if line.startswith("model name")]
    except OSError:
        names = []
    return names[0] if names else platform.processor() or platform.machine()


def _memory() -> tuple[int, int]:
    """Return the machine's memory and what of it is free, in bytes; 0 where the system does not say."""
    try:
        with open("/proc/meminfo", encoding="utf-8") as file:
            facts = {line.split(":")[0]: int(line.split()[1]) * 1024 for line in file}
        return facts.get("MemTotal", 0), facts.get("MemAvailable", 0)
    except (OSError, ValueError, IndexError):
        pass
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"), 0
    except (AttributeError, ValueError, OSError):
        return 0, 0
