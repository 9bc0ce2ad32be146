"""The memory of a process: how much it holds, and how much it may."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


def resident() -> int:
    """Return the bytes of memory this process holds; 0 where the system does not say."""
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return 0


def keep_within(memory: int, *, device: torch.device) -> None:
    """Let this process use at most so many bytes of its device, 0 for no limit; beyond that an allocation fails, and nothing else."""
    if not memory:
        return
    if device.type == "cuda":
        import torch

        total = torch.cuda.mem_get_info(device)[1]
        torch.cuda.set_per_process_memory_fraction(min(1.0, memory / total), device)
    elif sys.platform != "win32":
        import resource

        _, hard = resource.getrlimit(resource.RLIMIT_DATA)
        resource.setrlimit(resource.RLIMIT_DATA, (memory, hard))
