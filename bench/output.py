"""Where reports write, what is wanted of them, and what they have written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bench.specs import ReportSpec

FORMATS = ("md", "csv", "latex", "html")
"""Of tables. `html` is also the page; figures are PNG and SVG, whatever the formats."""
PAGE = Path("report") / "index.html"


@dataclass(frozen=True)
class Section:
    """What one report has written."""

    spec: ReportSpec
    paths: tuple[Path, ...]

    @property
    def title(self) -> str:
        """The report's summary, as a sentence begins."""
        return f"{self.spec.summary[0].upper()}{self.spec.summary[1:]}"

    def caption(self, path: Path) -> str:
        """What a figure shows: what the spec says of the name that the file's name begins with,
        else the title."""
        names = [name for name in self.spec.figures if path.stem.startswith(name)]
        return self.spec.figures[max(names, key=len)] if names else self.title


@dataclass(frozen=True)
class Output:
    """The folder of a report, and what is wanted.

    formats: of tables, some of `FORMATS`. figures: names of the wanted ones (`ReportSpec.figures`),
    None for all. images: ids of the test photographs that grids of pictures show, the first ones of
    the test part where there are none; count: how many. sections: what the reports before this one
    have written, in order.
    """

    folder: Path
    formats: frozenset[str] = frozenset(FORMATS)
    figures: frozenset[str] | None = None
    images: tuple[str, ...] = ()
    count: int = 8
    sections: list[Section] = field(default_factory=list)

    @property
    def entrance(self) -> Path:
        """Where a reader begins: the page, or what there is instead."""
        written = {path for section in self.sections for path in section.paths}
        names = (self.folder / PAGE, self.folder / "report.md")
        return next(
            (
                path
                for path in names
                if path in written or (path.suffix == ".md" and self.wants("md"))
            ),
            self.folder,
        )

    def wants(self, form: str) -> bool:
        """Whether tables are wanted in a format."""
        return form in self.formats

    def draws(self, figure: str) -> bool:
        """Whether a figure is wanted."""
        return self.figures is None or figure in self.figures


def request(
    folder: Path,
    *,
    formats: Sequence[str] = (),
    figures: Sequence[str] = (),
    images: Sequence[str] = (),
    count: int = 8,
) -> Output:
    """An output of texts from a command line: lists separated by commas, `all` and `none` of
    figures; nothing given is all."""
    names = _listed(figures)
    wanted = None if not names or "all" in names else names - {"none"}
    return Output(folder, _listed(formats) or frozenset(FORMATS), wanted, tuple(images), count)


def _listed(texts: Sequence[str]) -> frozenset[str]:
    return frozenset(part.strip() for text in texts for part in text.split(",") if part.strip())
