"""How much memory a worker may use."""

from __future__ import annotations

import sys

import torch


def keep_within(memory: int, *, device: torch.device) -> None:
    """Let this process use at most so many bytes of its device, 0 for no limit; beyond that an allocation fails, and nothing else."""
    if not memory:
        return
    if device.type == "cuda":
        total = torch.cuda.mem_get_info(device)[1]
        torch.cuda.set_per_process_memory_fraction(min(1.0, memory / total), device)
    elif sys.platform != "win32":
        import resource

        _, hard = resource.getrlimit(resource.RLIMIT_DATA)
        resource.setrlimit(resource.RLIMIT_DATA, (memory, hard))
