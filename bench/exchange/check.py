"""Whether colourizations of another program are all there and what they should be: as one line, or
as the full list."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from bench import keys
from bench.contracts import Progress, Wanted
from bench.errors import BenchError
from bench.exchange import field_files, layout
from bench.exchange.colourizations import Colourizations, Problem, find
from bench.pictures.images import Unreadable
from bench.specs import Kind

FIRST = 3
"""Names of a kind of problem in a run's error."""
NORMALISED = 2.0
"""Arrays whose largest number is below it are hardly ab in CIELAB units, which go to about 110."""
FAR = 10.0
"""Mean difference in lightness, L units, from which a picture is hardly one of its input."""


@dataclass(frozen=True)
class Check:
    """The colourizations in a folder against what is wanted of them."""

    found: Colourizations
    wanted: Wanted
    kind: Kind

    @property
    def needed(self) -> int:
        """Files of every photograph."""
        k, draws = self.wanted.protocol.k, self.wanted.protocol.draws
        return {"point": 1, "iid": max(k, draws)}.get(self.kind, k)

    @cached_property
    def problems(self) -> list[Problem]:
        """All that can be seen without reading pixels."""
        return [*self._as_a_whole(), *self._counts(), *self.found.problems, *self._headers()]

    def line(self) -> str:
        """All problems on one line, the first names of each kind; nothing where there are none."""
        groups: dict[str, list[Problem]] = {}
        for problem in self.problems:
            groups.setdefault(problem.kind, []).append(problem)
        parts = [f"{len(some):,} {kind} ({_some(some)})" for kind, some in groups.items()]
        return (
            f"outputs in {self.found.folder}: {'; '.join(parts)}; `bench check-outputs` lists all"
            if parts
            else ""
        )

    def unreadable(self, progress: Progress) -> Iterator[Problem]:
        """What reading every file shows beside that: cut files, NaN."""
        wrong = {problem.where for problem in self.problems}
        with progress.task("reading outputs", len(self.wanted.ids)) as bar:
            for image in self.wanted.ids:
                for name, path in zip(
                    self.found.names(image), self.found.paths(image), strict=True
                ):
                    try:
                        if name not in wrong:
                            field_files.read(path, self.wanted.protocol)
                    except Unreadable as error:
                        yield Problem("damaged", name, str(error))
                bar.advance()

    def _as_a_whole(self) -> Iterator[Problem]:
        record = layout.read_record(self.found.folder)
        why = layout.made_from_others(record, self.wanted) if record else ""
        if why:
            yield Problem("refused", layout.RECORD, why)
        if self.found.weights and self.kind in ("iid", "point"):
            yield Problem("misnamed", layout.MANIFEST, f"weights, where kind={self.kind} has none")

    def _counts(self) -> Iterator[Problem]:
        counts = {image: len(self.found.names(image)) for image in self.wanted.ids}
        yield from (
            Problem("missing", f"{layout.stem(image)}/", "no colourization")
            for image, n in counts.items()
            if not n
        )
        if self.kind == "point":
            many = (image for image, n in counts.items() if n > 1)
            yield from (
                Problem("extra", f"{layout.stem(image)}/", "a point estimate is one file")
                for image in many
            )
        few = {image: n for image, n in counts.items() if 0 < n < self.needed}
        if few:
            why = f"fewer than {self.needed}; {self._advice(min(few.values()))}"
            yield from (
                Problem("too few", f"{layout.stem(image)}/", f"{n}, {why}")
                for image, n in few.items()
            )

    def _advice(self, least: int) -> str:
        """Which numbers would do."""
        protocol = self.wanted.protocol
        asked = {"-k": protocol.k, **({"--draws": protocol.draws} if self.kind == "iid" else {})}
        return (
            f"{' '.join(f'{option} {least}' for option, n in asked.items() if n > least)} would do"
        )

    def _headers(self) -> Iterator[Problem]:
        for image in self.wanted.ids:
            for name, path in zip(self.found.names(image), self.found.paths(image), strict=True):
                try:
                    field_files.inspect(path, self.wanted.protocol)
                except Unreadable as error:
                    yield Problem(_KINDS.get(type(error), "damaged"), name, str(error))


_KINDS: Mapping[type[Unreadable], str] = {
    field_files.WrongSize: "wrongly sized",
    field_files.WrongFormat: "wrong format",
}


def check(folder: Path, wanted: Wanted, kind: Kind) -> Check:
    """The check of a folder of outputs. BenchError where there is none."""
    return Check(find(folder, frozenset(wanted.listed)), wanted, kind)


def repeated(found: Colourizations) -> list[str]:
    """Photographs of which two files are identical, though not all are: hardly independent draws of
    a distribution."""
    return [image for image, counts in _contents(found) if 1 < len(counts) < counts.total()]


def remarks(check: Check, inputs: Path) -> Iterator[str]:
    """What is odd without being wrong, of outputs without problems; `inputs` is the folder of
    `bench export-inputs`."""
    if layout.read_record(check.found.folder) is None:
        yield f"no copy of {layout.RECORD} beside the outputs: a run can't tell which inputs they were made from"
    if check.kind == "iid" and (same := repeated(check.found)):
        yield f"{len(same):,} photograph(s) have identical files that are said to be independent draws, first {same[0]}"
    if check.kind == "iid" and all(
        len(counts) == 1 < counts.total() for _, counts in _contents(check.found)
    ):
        yield "all files of a photograph are identical: a single answer is kind=point"
    yield from _scale(check)
    yield from _lightness(check, inputs)


def _contents(found: Colourizations) -> Iterator[tuple[str, Counter[str]]]:
    """Every photograph, and how often each content is among its files."""
    for image in found.files:
        yield image, Counter(keys.file_digest(path) for path in found.paths(image))


def _scale(check: Check) -> Iterator[str]:
    """Arrays in another unit."""
    import numpy as np

    arrays = [
        path
        for image in check.wanted.ids
        for path in check.found.paths(image)
        if path.suffix.lower() == ".npy"
    ]
    largest = max(
        (float(np.abs(field_files.read(path, check.wanted.protocol)).max()) for path in arrays),
        default=NORMALISED,
    )
    if largest < NORMALISED:
        yield f"the largest number of all arrays is {largest:.3g}: ab is in CIELAB units, about -110 to 110; was it divided?"


def _lightness(check: Check, inputs: Path) -> Iterator[str]:
    """How far pictures are from the lightness of their inputs, which scores never see. BenchError
    where an input is gone."""
    if gone := [
        image for image in check.wanted.ids if not (inputs / f"{layout.stem(image)}.png").is_file()
    ]:
        raise BenchError(
            f"{inputs}: {len(gone)} input(s) are gone, first {layout.stem(gone[0])}.png: export "
            "them again"
        )
    pairs = {
        image: [p for p in check.found.paths(image) if p.suffix.lower() == ".png"]
        for image in check.wanted.ids
    }
    gaps = {
        image: _gap(inputs / f"{layout.stem(image)}.png", paths)
        for image, paths in pairs.items()
        if paths
    }
    if gaps:
        worst = max(gaps, key=lambda image: gaps[image])
        yield (
            f"lightness of the pictures, which is ignored: {sum(gaps.values()) / len(gaps):.2f} "
            "from the inputs' on average, "
            f"{gaps[worst]:.2f} at most ({worst})"
        )
        if far := [image for image, gap in gaps.items() if gap > FAR]:
            yield f"{len(far):,} photograph(s) whose pictures look like another photograph's: lightness is far off, first {far[0]}"


def _gap(grey: Path, pictures: Sequence[Path]) -> float:
    """Mean absolute difference in L of a photograph's pictures from its input, at the size of the
    pictures."""
    import numpy as np

    from bench.colour import rgb_to_lab
    from bench.pictures import images

    own = rgb_to_lab(field_files.read_rgb(grey))[..., 0]
    total = 0.0
    for path in pictures:
        light = rgb_to_lab(field_files.read_rgb(path))[..., 0]
        mine = (
            own
            if own.shape == light.shape
            else images.resize(own[..., None], len(light), antialias=True)[..., 0]
        )
        total += float(np.abs(light - mine).mean())
    return total / len(pictures)


def _some(problems: Sequence[Problem]) -> str:
    """`a/: no colourization; b/; c/; ...`: why is said when it changes."""
    shown, before = [], ""
    for problem in problems[:FIRST]:
        shown.append(problem.where if problem.why == before else f"{problem.where}: {problem.why}")
        before = problem.why
    return ", ".join(shown) + (", ..." if len(problems) > FIRST else "")


def require(problems: Sequence[Problem], folder: Path) -> None:
    """BenchError where there are any."""
    if problems:
        counts = Counter(problem.kind for problem in problems)
        raise BenchError(
            f"outputs in {folder}: " + ", ".join(f"{n:,} {kind}" for kind, n in counts.items())
        )
