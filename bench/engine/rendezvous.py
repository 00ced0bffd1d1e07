"""One training on several machines (`--nodes`): the same fit in a process a device on each, of
which the first keeps the result.

Who starts the processes tells each its place by the variables of `torchrun`, which Lightning reads.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

from bench.store.files import write_text

JOB = "HUEBENCH_JOB"
"""Environment variable: a folder that all processes of the job see."""
TRAIN, KEPT = "train", "kept"
"""What the first process tells the others of a fit: that it begins, or that there is nothing to do."""


def variables(
    rank: int, local_rank: int, size: int, address: str, port: int, job: Path
) -> dict[str, str]:
    """What process `rank` of `size` is told, the `local_rank`-th of its machine. address, port:
    where the first listens."""
    return {
        JOB: str(job),
        "RANK": str(rank),
        "LOCAL_RANK": str(local_rank),
        "WORLD_SIZE": str(size),
        "MASTER_ADDR": address,
        "MASTER_PORT": str(port),
    }


def here() -> bool:
    """Whether this process is one of such a job."""
    return JOB in os.environ


def first() -> bool:
    """Whether this process keeps what all of them train."""
    return os.environ["RANK"] == "0"


def say(fit: str, word: str) -> None:
    """Tell the others of a fit, by its key: the first word stays."""
    if not _told(fit).exists():
        write_text(_told(fit), word)


def hear(fit: str) -> str:
    """The first process' word of a fit; who started the processes ends this one where none comes."""
    while not _told(fit).exists():
        time.sleep(0.2)
    return _told(fit).read_text("utf-8")


def _told(fit: str) -> Path:
    return Path(os.environ[JOB]) / f"{fit[:16]}.word"
