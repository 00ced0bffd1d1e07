"""Reports: every registered kind is asked to write its files, and `report.md` shows them in order."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from bench.contracts import Progress
from bench.errors import BenchError, NotComparable
from bench.plugins import Registry
from bench.results import Results
from bench.store import write_text


def write(
    results: Sequence[Results], folder: Path, plugins: Registry, progress: Progress, names: Sequence[str] = ()
) -> Path:
    """Write all (or the named) reports over runs into a folder; returns the path of `report.md`.

    NotComparable when the runs' protocols differ, with what differs.
    """
    check_comparable(results)
    chosen = list(names) or sorted(plugins.specs["reports"])
    specs = [plugins.get("reports", name) for name in chosen]
    sections = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with progress.task("reports", len(specs)) as bar:
            for spec in specs:
                sections.append((spec.summary, spec.load()(results, folder)))
                bar.advance(1, spec.name)
        path = folder / "report.md"
        write_text(path, _page(results, folder, sections))
    except OSError as error:
        raise BenchError(f"{folder} can't be written ({error.strerror}): choose another --out") from error
    return path


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


def _page(results: Sequence[Results], folder: Path, sections: list[tuple[str, list[Path]]]) -> str:
    lines = ["# huebench report", ""]
    for result in results:
        lines += _head(result.manifest)
    for summary, paths in sections:
        if paths:
            lines += [f"## {summary[0].upper()}{summary[1:]}", ""]
        for path in paths:
            relative = quote(path.relative_to(folder).as_posix())
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
