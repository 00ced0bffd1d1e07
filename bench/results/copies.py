"""What a run's manifest says of copies of test photographs, for its readers."""

from __future__ import annotations

from bench.data.duplicates import Copy, counted, within
from bench.scores.manifest import DataSet


def remarks(data: DataSet) -> list[tuple[str, list[str]]]:
    """What a reader has to know of copies that were not left out, and which ones these are."""
    if data.duplicates is None:
        return []
    train, test = (
        [Copy(*copy) for copy in some]
        for some in (data.duplicates.train, data.duplicates.within_test)
    )
    found = []
    if train and data.duplicates.choice != "drop":
        text = counted(
            len(train), "training photograph is a copy", "training photographs are copies"
        )
        found.append(
            (f"{text} of test photographs", [f"train: {copy.id}: {copy.reason}" for copy in train])
        )
    if test:
        found.append((within(len(test)), [f"test: {copy.id}: {copy.reason}" for copy in test]))
    return found


def left_out(data: DataSet) -> int:
    """How many photographs were left out as copies."""
    copies = data.duplicates
    return len(copies.train) if copies and copies.choice == "drop" else 0
