"""What computes a solve: device, precision, thread count. A frame solved by another engine is not stale (docs/decisions/0004)."""

from __future__ import annotations

import os
from dataclasses import dataclass

import torch

from bridge.wire.errors import DeviceError


@dataclass(frozen=True)
class Engine:
    """Device, precision and thread count: results are the same bytes wherever these three are the same."""

    device: str
    precision: str
    threads: int

    @property
    def torch_device(self) -> torch.device:
        return torch.device(self.device)

    @property
    def autocast(self) -> torch.autocast:
        """A context in which convolutions run in this engine's precision."""
        low = self.precision != "float32"
        return torch.autocast(self.torch_device.type, dtype=torch.bfloat16, enabled=low)


def engine_for(device: str = "auto", *, precision: str = "auto", threads: int | None = None) -> Engine:
    """Choose the engine: CUDA when there is one, bfloat16 where the device has it.

    Raises DeviceError when the named device is not there.
    """
    chosen = ("cuda:0" if torch.cuda.is_available() else "cpu") if device == "auto" else device
    if chosen == "cuda":
        chosen = "cuda:0"
    try:
        kind = torch.device(chosen)
    except RuntimeError:
        raise DeviceError(f"There is no device {device!r}.", remedy="Use auto, cpu, cuda or cuda:0.") from None
    if kind.type == "cuda" and (not torch.cuda.is_available() or (kind.index or 0) >= torch.cuda.device_count()):
        have = f"{torch.cuda.device_count()} CUDA devices" if torch.cuda.is_available() else "no CUDA device"
        raise DeviceError(
            f"Device {device!r} was asked for, and this machine shows {have}.",
            remedy="Use --device auto or cpu; `videomatte doctor` says more.",
        )
    if kind.type not in ("cpu", "cuda"):
        raise DeviceError(f"Device {device!r} is of a kind that is not supported.", remedy="Use auto, cpu, cuda or cuda:0.")
    if precision == "auto":
        precision = "bfloat16" if kind.type == "cuda" or has_fast_bfloat16() else "float32"
    return Engine(chosen, precision, threads or default_threads())


def default_threads() -> int:
    """Return how many threads compute: the cores this process may use, at most eight."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(8, cores))


def has_fast_bfloat16() -> bool:
    """Return whether this CPU multiplies bfloat16 in hardware (AVX512-BF16 or AMX)."""
    probes = (getattr(torch.cpu, name, None) for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"))
    return any(probe() for probe in probes if probe is not None)


def prepare(engine: Engine) -> None:
    """Make the process compute the way the engine says: fixed threads, no TF32, no autotuning.

    Two frames are worked on at a time, so each has half the threads: that keeps cores busier than one frame with all of them.
    """
    torch.set_num_threads(max(1, engine.threads // 2))
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.deterministic = True
