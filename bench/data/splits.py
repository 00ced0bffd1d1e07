"""Lists of ids to train and to test with, in a file: the authors' are lost, so ours are published,
and others may be brought."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, NotRequired, TypedDict

from msgspec import Meta

from bench import keys
from bench.errors import BenchError
from bench.store import records

SCHEMA = 1


class Lists(TypedDict):
    """A split."""

    dataset: str
    train: Annotated[list[str], Meta(min_length=1)]
    test: Annotated[list[str], Meta(min_length=1)]
    digest: NotRequired[str]


@dataclass(frozen=True)
class Split:
    """The ids to train and to test with, in order. dataset: the set that they are of."""

    path: Path
    dataset: str
    train: tuple[str, ...]
    test: tuple[str, ...]

    @property
    def digest(self) -> str:
        """What two equal splits have in common."""
        return digest(self.train, self.test)

    def parts(self, ids: Sequence[str]) -> tuple[list[str], list[str]]:
        """Both parts, of a data set that has some ids. BenchError for ids that it does not have."""
        known = set(ids)
        unknown = [name for name in (*self.train, *self.test) if name not in known]
        if unknown:
            raise BenchError(
                f"{self.path}: {len(unknown)} of its ids are not in dataset {self.dataset}, first "
                f"'{unknown[0]}': "
                "take a split of this set"
            )
        return list(self.train), list(self.test)


def of(dataset: str, paths: Iterable[Path]) -> Split | None:
    """The split of a data set among some files, if there is one. BenchError where there are two."""
    found = [split for split in map(read, paths) if split.dataset == dataset]
    if len(found) > 1:
        raise BenchError(
            f"{found[0].path} and {found[1].path} are both splits of {dataset}: give one"
        )
    return found[0] if found else None


def check(paths: Iterable[Path], datasets: Sequence[str]) -> None:
    """BenchError for a file that is of none of the data sets."""
    for split in map(read, paths):
        if split.dataset not in datasets:
            raise BenchError(
                f"{split.path} is a split of {split.dataset}, which is not used here "
                f"({', '.join(datasets)} is)"
            )


def read(path: Path) -> Split:
    """A split file. BenchError where it is damaged: its digest is not that of its ids, an id is
    listed twice, a part is empty."""
    found = records.read(path, Lists, "`bench data split NAME` writes a split", SCHEMA)
    train, test = found["train"], found["test"]
    twice = next((i for i, count in Counter(train + test).items() if count > 1), None)
    if twice is not None:
        raise BenchError(
            f"{path}: the id '{twice}' is listed twice: a photograph is to train or to test with"
        )
    if "digest" in found and found["digest"] != digest(train, test):
        raise BenchError(
            f"{path} was changed: its digest is not that of its ids; leave the digest out of lists "
            "of your own"
        )
    return Split(path, found["dataset"], tuple(train), tuple(test))


def digest(train: Sequence[str], test: Sequence[str]) -> str:
    """What two equal splits have in common."""
    return keys.key("split", train=list(train), test=list(test))
