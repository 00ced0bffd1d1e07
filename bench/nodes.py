"""One training on several machines (`--nodes`): the same fit in a process a device on each, of which the first keeps the result.

Who starts the processes tells each its place by the variables of `torchrun`, which Lightning reads.
"""

from __future__ import annotations

import os

LONGEST_WAIT = 7 * 24 * 3600.0
"""Seconds that a process waits for the others: who started them ends them all where one fails."""


def variables(rank: int, local_rank: int, size: int, address: str, port: int) -> dict[str, str]:
    """What process `rank` of `size` is told, the `local_rank`-th of its machine. address, port: where the first listens."""
    return {"RANK": str(rank), "LOCAL_RANK": str(local_rank), "WORLD_SIZE": str(size), "MASTER_ADDR": address,
            "MASTER_PORT": str(port)}  # fmt: skip


def first() -> bool:
    """Whether this process keeps what all of them train."""
    return os.environ["RANK"] == "0"
