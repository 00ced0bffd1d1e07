"""Rules for data sets. They read a few photographs, of those that are here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from bench.contracts import Dataset, Law
from bench.engine.runner import data_home
from bench.errors import BenchError
from bench.pictures import images
from bench.specs import DatasetSpec
from bench.testing.fitting import toy_protocol
from bench.testing.results import Broken, NotApplicable, Rule, one_line
from bench.testing.rules.spec_rules import SpecSubject

if TYPE_CHECKING:
    from torch import Tensor


@dataclass
class DatasetSubject(SpecSubject):
    """A data set in the data home."""

    spec: DatasetSpec

    def new(self) -> Dataset:
        """As a run opens it."""
        made: Dataset = self.spec.load()(home=data_home(None))
        return made

    @cached_property
    def files(self) -> list[str]:
        """Ids of all photographs; NotApplicable where they are not here."""
        try:
            return self.new().files()
        except BenchError as error:
            raise NotApplicable(f"its photographs are not here: {one_line(error)}") from error

    @property
    def few(self) -> list[str]:
        """The first, the middle one and the last."""
        return sorted({self.files[0], self.files[len(self.files) // 2], self.files[-1]})


def lists_its_photographs(subject: DatasetSubject) -> str | None:
    """`files()` gives sorted ids, each once, at least two; `signature()` is a text that stays the
    same while the files do."""
    files = subject.files
    if (
        list(files) != sorted(set(files))
        or len(files) < 2
        or not all(isinstance(name, str) for name in files)
    ):
        raise Broken(
            f"{len(files)} ids, {len(set(files))} different, beginning with {files[:3]}",
            "return sorted(set(ids))",
        )
    signatures = [subject.new().signature() for _ in range(2)]
    if not isinstance(signatures[0], str) or signatures[0] != signatures[1]:
        raise Broken(
            f"two objects have the signatures {one_line(signatures)}",
            "make it from names, sizes and times, never from what differs from run to run",
        )
    return f"{len(files)} photographs"


def reads_what_it_lists(subject: DatasetSubject) -> str | None:
    """`read(wanted)` gives the bytes of exactly the wanted photographs, or why they can't be read,
    the same each time."""
    first, second = (
        {
            name: str(data) if isinstance(data, images.Unreadable) else data
            for name, data in subject.new().read(set(subject.few))
        }
        for _ in range(2)
    )
    if sorted(first) != subject.few:
        raise Broken(
            f"asked for {subject.few}, it gave {sorted(first)}",
            "give (id, bytes) for every wanted id, and for no other",
        )
    if first != second or not all(isinstance(data, bytes | str) for data in first.values()):
        raise Broken(
            "it gave other bytes the second time", "give the source's own bytes, unchanged"
        )
    return None


def splits_without_overlap(subject: DatasetSubject) -> str | None:
    """Where a set has a split of its own, train and test share no photograph, have only ids that it
    was given, and don't depend on their order."""
    found = subject.new().split(subject.files)
    if found is None:
        raise NotApplicable("it leaves the split to the protocol")
    train, test = found
    if (both := set(train) & set(test)) or (
        strange := (set(train) | set(test)) - set(subject.files)
    ):
        what = (
            f"{len(both)} photographs are in both parts"
            if both
            else f"{len(strange)} ids are none of the set's"
        )
        raise Broken(what, "divide the ids that `split` is given")
    if not train or not test:
        raise Broken(
            f"{len(train)} to train, {len(test)} to test",
            "put photographs into both, or return None",
        )
    again = subject.new().split(subject.files[::-1])
    if again is None or [set(part) for part in again] != [set(train), set(test)]:
        raise Broken(
            "with the ids in another order, the split is another",
            "sort the ids first, and seed any shuffle",
        )
    return f"{len(train)} to train, {len(test)} to test"


def photographs_in_units(subject: DatasetSubject) -> str | None:
    """Photographs become lightness `(256, 256)` in 0..100 and colours `(2, 64, 64)` in CIELAB
    units, float32 and finite."""
    protocol, dataset, unreadable = toy_protocol(), subject.new(), []
    for name, data in dataset.read(set(subject.few)):
        try:
            photo = dataset.develop(_bytes(data), protocol, subject.spec.authors_crop)
        except images.Unreadable as error:
            unreadable.append(f"{name}: {one_line(error)}")
            continue
        for what, values, shape, low, high in (
            ("grey", photo.grey, (256, 256), 0, 100),
            ("ab", photo.ab, (2, 64, 64), -128, 128),
        ):
            fine = (
                values.shape == shape and values.dtype == np.float32 and np.isfinite(values).all()
            )
            if not (fine and values.min() >= low - 1e-3 and values.max() <= high + 1e-3):
                raise Broken(
                    f"{name}: {what} is {values.dtype} {values.shape}, {values.min():.4g} to "
                    f"{values.max():.4g}",
                    f"let `develop` return float32 {shape} in {low}..{high}",
                )
    if len(unreadable) == len(subject.few):
        raise Broken(
            f"none of {len(unreadable)} photographs can be read: {unreadable[0]}",
            "give the bytes of image files",
        )
    return None


def law_fits_its_photographs(subject: DatasetSubject) -> str | None:
    """A known law gives draws of the right shape, the first of more being the same, and a positive
    probability to its own draws and to the photographs' true colours."""
    if not subject.spec.known_law:
        raise NotApplicable("its law is not known")
    law, seeds = subject.new().law(subject.few), list(range(len(subject.few)))
    three, two = law.sample(3, seeds), law.sample(2, seeds)
    if tuple(three.shape) != (len(seeds), 3, 2, 64, 64):
        raise Broken(
            f"three draws are {tuple(three.shape)}", f"return ({len(seeds)}, 3, 2, 64, 64)"
        )
    if not bool((three[:, :2] == two).all()):
        raise Broken(
            "the first two of three draws are not the two",
            "draw one after the other from each photograph's seed: bench.seeds.uniform, normal",
        )
    for what, fields in (
        ("its own draws", three),
        ("the true colours", _truths(subject, subject.few)[:, None]),
    ):
        lowest = float(law.log_prob(fields).min())
        if not lowest > float("-inf"):
            raise Broken(
                f"the log probability of {what} is {lowest}",
                "let develop and law(ids) follow one description",
            )
    return _modes(law)


def _truths(subject: DatasetSubject, names: Sequence[str]) -> Tensor:
    import torch

    dataset, protocol = subject.new(), toy_protocol()
    read = dict(dataset.read(set(names)))
    fields = [
        dataset.develop(_bytes(read[name]), protocol, subject.spec.authors_crop).ab
        for name in names
    ]
    return torch.from_numpy(np.stack(fields))


def _bytes(data: bytes | images.Unreadable) -> bytes:
    if isinstance(data, images.Unreadable):
        raise data
    return data


def _modes(law: Law) -> str:
    modes = law.modes()
    return f"{', '.join(str(len(p)) for _, p in modes)} modes" if modes else "continuous"


RULES: tuple[Rule, ...] = (
    Rule(lists_its_photographs, ("loads",)),
    Rule(reads_what_it_lists, ("lists-its-photographs",)),
    Rule(splits_without_overlap, ("lists-its-photographs",)),
    Rule(photographs_in_units, ("reads-what-it-lists",)),
    Rule(law_fits_its_photographs, ("photographs-in-units",)),
)
