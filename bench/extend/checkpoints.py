"""Checkpoints of a training: whole or not there, held against their digests when read, never used
for another training."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypedDict

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from bench.errors import BenchError, reason
from bench.store import disk, drafts, records, stored
from bench.store.files import write_json

TENSORS, MARK = "state.safetensors", "checkpoint.json"
KEPT = 2
"""Of the newest: should the last one be damaged, the one before it is there."""


@dataclass(frozen=True)
class State:
    """A training after some steps.

    score: the lowest held-out loss so far (inf: none yet). last: the last training loss. tensors:
    the objective's state now (`now.NAME`) and when its score was best (`best.NAME`), and the
    optimizer's (`adam.QUANTITY.NAME`).
    """

    step: int
    score: float
    last: float
    tensors: dict[str, Tensor]

    def part(self, name: str) -> dict[str, Tensor]:
        """The tensors whose names begin with `name.`, without it."""
        return {
            k.removeprefix(f"{name}."): v
            for k, v in self.tensors.items()
            if k.startswith(f"{name}.")
        }


class _Mark(TypedDict):
    files: dict[str, str]


class _Described(TypedDict):
    step: int
    score: float
    last: float
    training: dict[str, Any]


@dataclass(frozen=True)
class Checkpoints:
    """The checkpoints of one training in a folder of its own. training: what it is, as JSON holds
    it."""

    folder: Path
    training: dict[str, Any]

    def write(self, state: State) -> None:
        """Keep a state, then let go of all but the newest. StoreLost where it can't be written."""
        with disk.explained(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            with drafts.folder(self.folder / f"step-{state.step:08}") as draft:
                save_file(_plain(state.tensors), draft / TENSORS, {"state": self._described(state)})
                write_json(draft / MARK, {"files": {TENSORS: _flushed_digest(draft / TENSORS)}})
        for old in self._found()[KEPT:]:
            shutil.rmtree(old)

    def latest(self, say: Callable[[str], None]) -> State | None:
        """The newest state that can be used, or None. What can't be is named and deleted, and so
        are half-written ones."""
        for draft in self.folder.glob(".step-*"):
            _delete(draft)
        for folder in self._found():
            try:
                return self._read(folder)
            except BenchError as error:
                say(
                    f"{error}: deleted; the training goes on from the checkpoint before, or begins "
                    "anew"
                )
                _delete(folder)
        return None

    def _found(self) -> list[Path]:
        return sorted(self.folder.glob("step-*"), reverse=True)

    def _described(self, state: State) -> str:
        return json.dumps({**asdict(state), "tensors": None, "training": self.training})

    def _read(self, folder: Path) -> State:
        mark, path = records.read(folder / MARK, _Mark), folder / TENSORS
        if not path.is_file() or _digest(path) != mark["files"].get(TENSORS):
            raise BenchError(
                f"checkpoint {path} is damaged or truncated: its digest differs from {MARK}"
            )
        try:
            with safe_open(path, "pt") as file:
                said = json.loads((file.metadata() or {}).get("state", ""))
            described = records.checked(said, _Described, f"checkpoint {path}")
        except (ValueError, RecursionError, SafetensorError) as error:
            raise BenchError(f"checkpoint {path} is damaged ({reason(error)})") from error
        differing = sorted(k for k, v in self.training.items() if described["training"].get(k) != v)
        if differing:
            raise BenchError(
                f"checkpoint {folder} is of another training ({', '.join(differing)} differ)"
            )
        return State(described["step"], described["score"], described["last"], stored.tensors(path))


def _delete(folder: Path) -> None:
    """Other processes of the training may be at it, too."""
    with suppress(FileNotFoundError):
        shutil.rmtree(folder)


def _plain(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """As safetensors takes them: on the CPU, in the usual layout."""
    return {
        name: value.detach().to("cpu", memory_format=torch.contiguous_format)
        for name, value in tensors.items()
    }


def _flushed_digest(path: Path) -> str:
    """The digest of a file that is safe on the disk."""
    with path.open("rb") as stream:
        os.fsync(stream.fileno())
    return _digest(path)


def _digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
