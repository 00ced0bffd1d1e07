"""Colourizations that another program left in a folder: which file is which, and what is wrong with
them.

`<id>/<n>.png` or `.npy`, n counted from 0 or from 1; or `outputs.csv` with the columns id, n, file
and, if wanted, weight.
"""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from bench.errors import BenchError
from bench.exchange.layout import MANIFEST, stem
from bench.store import records
from bench.store.files import is_debris
from bench.text import storable

PICTURES = frozenset(
    {".png", ".npy", ".npz", ".pt", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".gif"}
)
"""Files that look like colourizations; what else lies in the folder (a README, a log) is nobody's
business."""
_NUMBERED = re.compile(r"(?i)(\d{1,9})\.(png|npy)")


@dataclass(frozen=True)
class Problem:
    """Something that is wrong: a word for its kind, the file or photograph, and why."""

    kind: str
    where: str
    why: str


@dataclass(frozen=True)
class Colourizations:
    """Files by photograph (its id or its stem), in the order of n, relative to the folder. weights:
    beside them, where the manifest has any."""

    folder: Path
    files: Mapping[str, tuple[str, ...]]
    weights: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()

    def names(self, image: str) -> tuple[str, ...]:
        """A photograph's files; none where it has none."""
        return self.files.get(image) or self.files.get(stem(image), ())

    def paths(self, image: str) -> list[Path]:
        """The same, with the folder."""
        return [self.folder / name for name in self.names(image)]

    def weights_of(self, image: str) -> tuple[float, ...] | None:
        """A photograph's weights, if it has any."""
        return self.weights.get(image) or self.weights.get(stem(image))

    @property
    def count(self) -> int:
        """Of all files."""
        return sum(map(len, self.files.values()))


@dataclass(frozen=True)
class _Row:
    """One colourization: its photograph, its number, its file and its weight."""

    image: str
    number: int
    file: str
    weight: float | None = None


def find(folder: Path, images: Collection[str] | None = None) -> Colourizations:
    """The colourizations in a folder, of these photographs, or of whatever there is. What is
    misnamed, belongs to none of them or can't be believed is a problem, and none of the files.
    BenchError where there is no such folder, or its manifest can't be read."""
    if not folder.is_dir():
        raise BenchError(
            f"{folder} {'is no folder' if folder.exists() else 'does not exist'}: give the folder "
            "of the outputs"
        )
    problems: list[Problem] = []
    there = set(_walk(folder, problems))
    if (folder / MANIFEST).is_file():
        rows = list(_listed(folder / MANIFEST, there, images, problems))
    else:
        rows = list(_named(there, images, problems))
    used = {row.file for row in rows} | {problem.where for problem in problems}
    problems += [
        Problem("extra", name, "it belongs to no test photograph") for name in sorted(there - used)
    ]
    kept = list(_once(rows, problems))
    files, weights = _ordered(kept, problems)
    return Colourizations(folder, files, weights, tuple(problems))


def _walk(folder: Path, problems: list[Problem], place: str = "") -> Iterator[str]:
    """Names of all files that look like colourizations. A link is followed to a file inside the
    folder only."""
    try:
        with os.scandir(folder / place) as found:
            entries = sorted(
                (entry for entry in found if not is_debris(entry.name)),
                key=lambda entry: entry.name,
            )
    except OSError as error:
        problems.append(Problem("damaged", place, error.strerror or "can't be read"))
        return
    for entry in entries:
        name = f"{place}/{entry.name}" if place else entry.name
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(folder, problems, name)
        elif entry.is_dir() or os.path.splitext(name)[1].lower() in PICTURES:
            if why := _unusable(entry, folder):
                problems.append(Problem("refused", name, why))
            else:
                yield name


def _unusable(entry: os.DirEntry[str], folder: Path) -> str:
    """Why a link, or what is no file, can't be read, or nothing."""
    if not entry.is_symlink():
        return "" if entry.is_file() else "no plain file"
    if entry.is_dir():
        return "a link to a folder"
    inside = os.path.realpath(entry.path).startswith(os.path.realpath(folder) + os.sep)
    return "" if inside and entry.is_file() else "a link out of the folder, or to nothing"


def _named(
    there: Iterable[str], images: Collection[str] | None, problems: list[Problem]
) -> Iterator[_Row]:
    """By folder and name."""
    known = {place: image for image in images or () for place in (image, stem(image))}
    for name in sorted(there):
        place = unicodedata.normalize("NFC", storable(PurePosixPath(name).parent.as_posix()))
        image = place if images is None else known.get(place)
        if image is None:
            continue
        if match := _NUMBERED.fullmatch(PurePosixPath(name).name):
            yield _Row(image, int(match[1]), name)
        else:
            problems.append(
                Problem("misnamed", name, "a colourization is named <n>.png or <n>.npy")
            )


def _listed(
    manifest: Path, there: Collection[str], images: Collection[str] | None, problems: list[Problem]
) -> Iterator[_Row]:
    """By the manifest."""
    for line, row in records.read_csv(
        manifest, ("id", "n", "file"), "it needs id, n, file and, if wanted, weight"
    ):
        where = f"{MANIFEST} line {line}"
        try:
            weight = float(row["weight"]) if row.get("weight") else None
            found = _Row(row["id"], int(row["n"]), _slashed(row["file"], there), weight)
            if not found.file:
                raise ValueError
        except ValueError:
            problems.append(
                Problem(
                    "misnamed",
                    where,
                    "needs id, a whole number n, file and, if there is one, a number as weight",
                )
            )
            continue
        if images is not None and found.image not in images:
            problems.append(Problem("extra", where, f"'{found.image}' is no test photograph"))
        elif found.file not in there:
            problems.append(
                Problem("missing", where, f"'{found.file}' is no picture or array in the folder")
            )
        elif PurePosixPath(found.file).suffix.lower() not in (".png", ".npy"):
            problems.append(Problem("misnamed", found.file, "only .png and .npy are read"))
        else:
            yield found


def _slashed(file: str, there: Collection[str]) -> str:
    """A file's name as it is here, where a program on Windows may have written backslashes."""
    return file if file in there else file.replace("\\", "/")


def _once(rows: Iterable[_Row], problems: list[Problem]) -> Iterator[_Row]:
    """Rows whose number, and whose file, no other has."""
    numbers: dict[tuple[str, int], str] = {}
    files: set[str] = set()
    for row in rows:
        other = numbers.setdefault((row.image, row.number), row.file)
        if other != row.file:
            problems.append(Problem("misnamed", row.file, f"the same number as {other}"))
        elif row.file in files:
            problems.append(
                Problem("misnamed", row.file, "named twice: two colourizations are two files")
            )
        else:
            files.add(row.file)
            yield row


def _ordered(
    rows: Iterable[_Row], problems: list[Problem]
) -> tuple[dict[str, tuple[str, ...]], dict[str, tuple[float, ...]]]:
    """By photograph and in order; all numbers from 0 on, or all from 1 on, and none left out."""
    by: dict[str, list[_Row]] = {}
    for row in rows:
        by.setdefault(row.image, []).append(row)
    first = min((row.number for some in by.values() for row in some), default=0)
    start = min(first, 1)
    files, weights = {}, {}
    for image, some in by.items():
        some.sort(key=lambda row: row.number)
        gap = next((n for n, row in enumerate(some, start) if row.number != n), None)
        if gap is not None:
            problems.append(
                Problem(
                    "misnamed",
                    some[0].file if len(some) == 1 else image,
                    f"number {gap} is left out: the numbers of this folder count from {start}",
                )
            )
        files[image] = tuple(row.file for row in some)
        given = [row.weight for row in some if row.weight is not None]
        if given and (
            len(given) < len(some)
            or not all(0 <= w < float("inf") for w in given)
            or not sum(given)
        ):
            problems.append(
                Problem(
                    "misnamed",
                    image,
                    "weights must be numbers of 0 or more, not all 0, and of every file",
                )
            )
        elif given:
            weights[image] = tuple(given)
    if weights and len(weights) < len(files):
        bare = next(image for image in files if image not in weights)
        problems.append(Problem("misnamed", bare, "no weights, where others have some"))
    return files, weights
