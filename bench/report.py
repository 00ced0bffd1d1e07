"""Reports: every registered kind is asked to write its files, and `report.md` shows them in order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from bench.contracts import Progress
from bench.errors import BenchError, NotComparable, unknown
from bench.output import FORMATS, Output, Section
from bench.plugins import Registry
from bench.results import Results
from bench.specs import ReportSpec
from bench.store import write_text


def write(results: Sequence[Results], out: Output, plugins: Registry, progress: Progress, names: Sequence[str] = ()) -> Output:
    """Write all (or the named) reports over runs, in the formats and with the figures that are wanted; returns `out`, which
    then says what was written. `report.md` shows it in order.

    NotComparable when the runs' protocols differ, with what differs. BenchError for an unknown report, format or figure.
    """
    check_comparable(results)
    specs = _chosen(plugins, out, names)
    try:
        out.folder.mkdir(parents=True, exist_ok=True)
        with progress.task("reports", len(specs)) as bar:
            for spec in specs:
                paths = spec.load()(results, out)
                out.sections.append(Section(spec.name, f"{spec.summary[0].upper()}{spec.summary[1:]}", tuple(paths)))
                bar.advance(1, spec.name)
        if out.wants("md"):
            write_text(out.folder / "report.md", _page(results, out))
    except OSError as error:
        raise BenchError(f"{out.folder} can't be written ({error.strerror}): choose another --out") from error
    return out


def _chosen(plugins: Registry, out: Output, names: Sequence[str]) -> list[ReportSpec]:
    """The wanted reports, in the order of their names, what shows the others' files last."""
    for form in sorted(out.formats - set(FORMATS)):
        raise unknown("format", form, FORMATS)
    specs: list[ReportSpec] = [plugins.get("reports", name) for name in names or sorted(plugins.specs["reports"])]
    figures = {figure for spec in plugins.specs["reports"].values() if isinstance(spec, ReportSpec) for figure in spec.figures}
    for figure in sorted((out.figures or frozenset()) - figures):
        raise unknown("figure", figure, figures)
    return sorted(specs, key=lambda spec: spec.last)


def check_comparable(results: Sequence[Results]) -> None:
    """Refuse runs under different protocols, or on different photographs under one name."""
    first = results[0].manifest
    for other in (r.manifest for r in results[1:]):
        differ = [
            f"{k}: {first['protocol'].get(k)} and {v}"
            for k, v in other["protocol"].items()
            if first["protocol"].get(k) != v
        ]
        for name, data in other["datasets"].items():
            mine = first["datasets"].get(name)
            if mine and mine["test"]["ids_digest"] != data["test"]["ids_digest"]:
                differ.append(f"test photographs of {name}")
        if differ:
            raise NotComparable(f"runs {results[0].folder} and others are not comparable: {'; '.join(differ)}")


def _page(results: Sequence[Results], out: Output) -> str:
    lines = ["# huebench report", ""]
    for result in results:
        lines += _head(result.manifest)
    for section in out.sections:
        if any(path.suffix in (".md", ".png") for path in section.paths):
            lines += [f"## {section.title}", ""]
        for path in section.paths:
            relative = quote(path.relative_to(out.folder).as_posix())
            if path.suffix == ".md":
                lines += [path.read_text().rstrip(), ""]
            elif path.suffix == ".png":
                lines += [f"![{path.stem}]({relative})", ""]
    return "\n".join(lines) + "\n"


def _head(manifest: dict[str, Any]) -> list[str]:
    protocol = manifest["protocol"]
    lines = [f"Protocol `{protocol['name']}` (digest `{manifest['protocol_digest'][:12]}`), k = {protocol['k']}, "
             f"errors divided by {protocol['scale']:g}.", ""]  # fmt: skip
    for name, data in manifest["datasets"].items():
        lines.append(f"- `{name}`: {data['train']['photographs']} train, {data['test']['photographs']} test photographs"
                     f"{_left_out(data)}")  # fmt: skip
    command = " ".join(manifest["argv"])
    return [*lines, "", *([f"Command: `{command}`", ""] if command else []), *_fits(manifest)]


def _left_out(data: dict[str, Any]) -> str:
    count = sum(len(data[part]["excluded"]) for part in ("train", "test"))
    kept = sum(len(data[part]["grey_only_kept"]) for part in ("train", "test"))
    return (f"; {count} left out (named in manifest.json)" if count else "") + (
        f"; {kept} grey-only kept" if kept else ""
    )


def _fits(manifest: dict[str, Any]) -> list[str]:
    """What every fit noted: whether codes are used, components in use, final losses."""
    lines = ["| fit | data set | seconds | notes |", "|---|---|---|---|"]
    for fit in manifest["fits"]:
        notes = ", ".join(f"{k} {_short(v)}" for k, v in fit["notes"].items())
        lines.append(f"| {fit['label']} | {fit['dataset']} | {fit['seconds']:.0f} | {notes} |")
    return [*lines, ""]


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
