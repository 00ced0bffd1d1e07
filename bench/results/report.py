"""Reports: every registered kind is asked to write its files, and `report.md` shows them in order."""

from __future__ import annotations

import difflib
from collections.abc import Container, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypedDict
from urllib.parse import quote

from bench import keys
from bench.contracts import Progress, Step
from bench.contracts.execution import unheard
from bench.errors import BenchError, ExitCode, SamplesGone, place, reason, trace, unknown
from bench.machine import places
from bench.output import FORMATS, PAGE, Output, Section
from bench.plugins.loader import Registry, registry
from bench.results import copies
from bench.results.comparable import check_comparable
from bench.results.compare import Comparison
from bench.results.run_folder import Results
from bench.scores.manifest import DataSet, Manifest
from bench.specs import ReportSpec
from bench.store import records
from bench.store.files import write_json, write_text
from bench.store.records import Place
from bench.text import markdown as escape
from bench.text import markdown_code as code

MARKER = "comparison.json"
"""The file by which a folder of a comparison is known."""


class Compared(TypedDict):
    """`comparison.json`: the two run folders, from the comparison's."""

    runs: list[Place]


def write(
    results: Sequence[Results],
    out: Output,
    plugins: Registry,
    progress: Progress,
    names: Sequence[str] = (),
    without: Container[str] = (),
    step: Step = unheard,
) -> Output:
    """Write all (or the named) reports over runs, but some, in the formats and with the figures
    that are wanted; returns `out`, which then says what was written. `report.md` shows it in order.
    `step` hears of what begins.

    NotComparable when the runs' protocols differ, with what differs. BenchError for an unknown
    report, format or figure. Where reports fail the others are written, and ReportsFailed, or the
    error of the only one that explains itself, is raised then.
    """
    check_comparable(results)
    _check_images(results, out.images)
    specs = [spec for spec in choose(plugins, out, names) if spec.name not in without]
    failed: dict[str, BaseException] = {}
    _refuse_links(out.folder)
    with _writable(out):
        out.folder.mkdir(parents=True, exist_ok=True)
    with progress.task("reports", len(specs)) as bar:
        for spec in specs:
            step(f"writing report '{spec.name}'", False, [spec.name])
            try:
                with _writable(out):
                    out.sections.append(Section(spec, tuple(_made(spec, results, out))))
            except (Exception, SystemExit) as error:  # noqa: BLE001 - the other reports are written
                failed[spec.name] = error
            bar.advance(1, spec.name)
    if out.wants("md"):
        with _writable(out):
            write_text(out.folder / "report.md", _page(results, out))
    if failed:
        raise _failed(failed)
    return out


class ReportsFailed(BenchError):
    """Reports could not be written; the others were. traces: of those that did not explain
    themselves."""

    exit_code = ExitCode.CELLS_FAILED
    traces: tuple[str, ...] = ()


def _failed(errors: Mapping[str, BaseException]) -> BenchError:
    said = {
        name: f"{reason(error)}{'' if isinstance(error, BenchError) else place(error)}"
        for name, error in errors.items()
    }
    first = next(iter(errors.values()))
    if len(set(said.values())) == 1 and isinstance(first, BenchError):
        return first
    made = ReportsFailed("; ".join(f"report '{name}' failed: {why}" for name, why in said.items()))
    made.traces = tuple(
        f"report '{name}': {said[name]}\n\n{text}"
        for name, error in errors.items()
        if (text := trace(error))
    )
    made.__cause__ = first
    return made


@contextmanager
def _writable(out: Output) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        where = error.filename or out.folder
        raise BenchError(
            f"{where} can't be written ({error.strerror or error}): remove it, or choose another "
            "--out"
        ) from error


def _refuse_links(folder: Path) -> None:
    """Someone's run folder may hold links to folders of its reader, which a report would write
    into."""
    for name in ("tables", "figures", PAGE.parent.name):
        if (folder / name).is_symlink():
            raise BenchError(f"{folder / name} is a link: remove it, or choose another --out")


def _check_images(results: Sequence[Results], images: Sequence[str]) -> None:
    known = {
        str(name)
        for r in results
        for data in r.manifest.datasets.values()
        for name in data.test.ids or ()
    }
    for name in images:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
            like = near or sorted(known)[:1]
            raise BenchError(
                f"no test photograph of these runs is named '{name}'; one is "
                f"'{like[0] if like else ''}'"
            )


def _check_formats(out: Output) -> None:
    for form in sorted(out.formats - set(FORMATS)):
        raise unknown("format", form, FORMATS)


def _made(spec: ReportSpec, results: Sequence[Results], out: Output) -> Sequence[Path]:
    """The files of one report; where samples are gone it says how to do without pictures."""
    try:
        paths: Sequence[Path] = spec.load()(results, out)
    except SamplesGone as error:
        raise SamplesGone(
            f"{error}; or make the report without pictures: --figures none, or other names"
        ) from error
    return paths


def choose(plugins: Registry, out: Output, names: Sequence[str] = ()) -> list[ReportSpec]:
    """The wanted reports, in their order. BenchError for an unknown name of a report, format or
    figure."""
    _check_formats(out)
    of_runs = {
        n: s
        for n, s in plugins.specs["reports"].items()
        if isinstance(s, ReportSpec) and not s.compares
    }
    specs: list[ReportSpec] = [plugins.get("reports", name) for name in names or sorted(of_runs)]
    if other := next((spec.name for spec in specs if spec.name not in of_runs), ""):
        raise BenchError(f"report '{other}' compares two runs: use `bench compare`")
    figures = {figure for spec in of_runs.values() for figure in spec.figures}
    for figure in sorted((out.figures or frozenset()) - figures):
        raise unknown("figure", figure, figures)
    return sorted(specs, key=lambda spec: (spec.order, spec.name))


def _page(results: Sequence[Results], out: Output) -> str:
    lines = ["# huebench report", ""]
    for result in results:
        lines += _head(result.manifest)
    for section in out.sections:
        shown = [
            path
            for path in section.paths
            if path.suffix in (".md", ".png")
            and PAGE.parent not in path.relative_to(out.folder).parents
        ]
        if shown:
            lines += [f"## {escape(section.title)}", ""]
        for path in shown:
            relative = quote(path.relative_to(out.folder).as_posix())
            if path.suffix == ".md":
                lines += [path.read_text("utf-8").rstrip(), ""]
            elif path.suffix == ".png":
                lines += [f"![{escape(path.stem)}]({relative})", ""]
    return "\n".join(lines) + "\n"


def _head(manifest: Manifest) -> list[str]:
    protocol = manifest.protocol
    lines = [
        f"Protocol {code(protocol['name'])} (digest {code(manifest.protocol_digest[:12])}), k = "
        f"{protocol['k']}, "
        f"errors divided by {protocol['scale']:g}.",
        "",
    ]
    for name, data in manifest.datasets.items():
        caution = caution_of(data)
        said = "".join(f". **{escape(remark)}**" for remark, _ in copies.remarks(data))
        lines.append(
            f"- {code(name)}: {data.train.photographs} train, {data.test.photographs} "
            "test photographs"
            f"{_left_out(data)}{said}{caution and f'. **{escape(caution)}**'}"
        )
    command = " ".join(manifest.argv)
    return [*lines, "", *([f"Command: {code(command)}", ""] if command else []), *_fits(manifest)]


def caution_of(data: DataSet) -> str:
    """What a data set of a manifest says of itself, if it does (`bench.specs.DatasetSpec.caution`)."""
    return getattr(registry().specs["datasets"].get(data.plugin), "caution", "")


def _left_out(data: DataSet) -> str:
    parts = (data.train, data.test)
    count = len(data.left_out) + sum(len(part.excluded) for part in parts)
    kept = sum(len(part.grey_only_kept) for part in parts)
    dropped = copies.left_out(data)
    which = f", {dropped} of them copies of test photographs" if dropped else ""
    return (f"; {count} left out (named in manifest.json){which}" if count else "") + (
        f"; {kept} grey-only kept" if kept else ""
    )


def _fits(manifest: Manifest) -> list[str]:
    """What every fit noted: whether codes are used, components in use, final losses."""
    lines = ["| fit | data set | seconds | notes |", "|---|---|---|---|"]
    for fit in manifest.fits:
        notes = ", ".join(f"{k} {_short(v)}" for k, v in fit.notes.items())
        lines.append(
            f"| {escape(fit.label)} | {escape(fit.dataset)} | {fit.seconds:.0f} | {escape(notes)} |"
        )
    return [*lines, ""]


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def default_folder(first: Path, second: Path) -> Path:
    """Where a comparison goes unless it is told: `compare-<A>-<B>` in the current folder."""
    return Path(f"compare-{first.resolve().name}-{second.resolve().name}")


def write_comparison(comparison: Comparison, out: Output, plugins: Registry) -> list[Path]:
    """Let every report kind that compares write its files; returns them.

    BenchError for an unknown format, and for a folder that holds anything but a comparison of the
    same runs. Where one fails the others are written, as `write` does.
    """
    _check_formats(out)
    kinds = [
        s
        for _, s in sorted(plugins.specs["reports"].items())
        if isinstance(s, ReportSpec) and s.compares
    ]
    if not kinds:
        raise BenchError(
            "no report kind that compares runs is installed: `bench list reports` says what did "
            "not load"
        )
    try:
        _open_folder(comparison, out.folder)
    except OSError as error:
        raise BenchError(
            f"{out.folder} can't be written ({error.strerror}): choose another --out"
        ) from error
    paths: list[Path] = []
    failed: dict[str, BaseException] = {}
    for spec in kinds:
        try:
            with _writable(out):
                paths += spec.load()(comparison, out)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - the other kinds are written
            failed[spec.name] = error
    if failed:
        raise _failed(failed)
    return paths


def _open_folder(comparison: Comparison, folder: Path) -> None:
    """Make the folder; one that exists must hold a comparison of the same runs, or nothing."""
    _refuse_links(folder)
    runs = [run.folder.resolve() for run in comparison.runs]
    if (folder / MARKER).is_file():
        known = records.read(folder / MARKER, Compared, "choose another --out", keys.SCHEMA)
        if [places.found(run, folder.resolve()) for run in known["runs"]] != runs:
            raise BenchError(f"{folder} holds a comparison of other runs: choose another --out")
        return
    if (folder / "manifest.json").exists() or (folder / "settings.json").exists():
        raise BenchError(f"{folder} holds a run: choose another --out")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise BenchError(f"{folder} exists and holds no comparison: choose another --out")
    folder.mkdir(parents=True, exist_ok=True)
    write_json(
        folder / MARKER,
        {
            "schema_version": keys.SCHEMA,
            "runs": [places.relative(run, folder.resolve()) for run in runs],
        },
    )
