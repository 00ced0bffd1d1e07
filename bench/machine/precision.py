"""Number formats: float32, or bfloat16 where the processor computes with it at full speed.

What is kept and scored is float32 always. A method may compute with the run's precision inside its
networks: it reads `FitContext.precision`, and takes sums, losses and its results in float32.
"""

from __future__ import annotations

import os

from bench.errors import BenchError

CHOICES = ("auto", "float32", "bfloat16")
VARIABLE = "BENCH_PRECISION"


def settled(given: str, device: str) -> str:
    """`float32` or `bfloat16`: what was asked for, else `$BENCH_PRECISION`; `auto` is bfloat16
    where the device is fast at it."""
    wanted = given or os.environ.get(VARIABLE, "").strip() or "auto"
    if wanted not in CHOICES:
        where = "--precision" if given else VARIABLE
        raise BenchError(f"{where}: unknown precision '{wanted}' (known: {', '.join(CHOICES)})")
    if wanted == "auto":
        return "bfloat16" if has_bfloat16(device) else "float32"
    return wanted


def has_bfloat16(device: str) -> bool:
    """Whether a device multiplies bfloat16 numbers in hardware; elsewhere they are emulated, which
    is slower than float32."""
    import torch

    kind = device.partition(":")[0]
    if kind == "cuda":
        return torch.cuda.is_available() and torch.cuda.is_bf16_supported(including_emulation=False)
    if kind != "cpu":
        return False
    return any(
        getattr(torch.cpu, name, _never)()
        for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    )


def _never() -> bool:
    return False
