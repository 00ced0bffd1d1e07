"""The page: one folder that opens from disk, with the ranking, the figures, and a gallery of test
photographs."""

from __future__ import annotations

import json
import shlex
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.errors import BenchError
from bench.extend.markup import BEGIN, END
from bench.hookspecs import hookimpl
from bench.output import PAGE, Output, Section
from bench.specs import ReportSpec
from bench.store import drafts, records
from bench.store.files import write_bytes, write_text
from bench.text import html as escape

from .cautions import cautions
from .figures.gallery import PHOTOGRAPHS, hang, walls

if TYPE_CHECKING:
    from bench.results.run_folder import Results

OPEN = 10
"""Reports of a lower order stand open, at the top."""
POLICY = "default-src 'none'; img-src 'self' file: data:; script-src 'self' file:; style-src 'self' file:"
"""Nothing from the network, and no script but the page's own."""


@hookimpl
def bench_register_reports() -> Iterable[ReportSpec]:
    """The page."""
    yield ReportSpec(
        name="page",
        summary="a page to look at: ranking, tables, figures, gallery",
        factory="bench.reports.page:write",
        figures={"gallery": f"every test photograph, on the page (up to {PHOTOGRAPHS:,})"},
        order=100,
    )


def write(results: Sequence[Results], out: Output) -> list[Path]:
    """`report/index.html` and what it shows; everything that it needs is in that folder."""
    if not out.wants("html"):
        return []
    folder = (out.folder / PAGE).parent
    with _replaced(folder) as draft:
        described, paths = (
            hang(walls(results), draft / "pictures") if out.draws("gallery") else ([], [])
        )
        drawn = [
            path
            for section in out.sections
            for path in section.paths
            if path.suffix in (".png", ".svg")
        ]
        figures = [_copy(path, draft / "figures") for path in drawn]
        write_text(
            draft / "data.js",
            f"window.huebench = {json.dumps({'walls': described}, separators=(',', ':'))};\n",
        )
        for name in ("page.js", "page.css"):
            write_bytes(draft / name, (files(__package__) / "assets" / name).read_bytes())
        write_text(draft / PAGE.name, "\n".join(_page(results, out, bool(described))))
    shown = [path.relative_to(draft) for path in (*figures, *paths)]
    return [
        folder / name for name in (PAGE.name, "data.js", "page.js", "page.css", *map(str, shown))
    ]


@contextmanager
def _replaced(folder: Path) -> Iterator[Path]:
    """A new folder in the place of an older page's. BenchError where it holds anything else: that
    is not ours to remove."""
    if (
        folder.is_dir()
        and any(folder.iterdir())
        and not all((folder / name).is_file() for name in (PAGE.name, "page.js"))
    ):
        raise BenchError(f"{folder} holds files that are no page of huebench: choose another --out")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with drafts.folder(folder, full=True) as draft:
        yield draft


def _copy(path: Path, folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    return Path(shutil.copyfile(path, folder / path.name))


def _page(results: Sequence[Results], out: Output, gallery: bool) -> Iterator[str]:
    names = ", ".join(dict.fromkeys(d for r in results for d in r.datasets))
    links = {
        "overview": "Ranking",
        "tables": "Tables",
        "figures": "Figures",
        **({"gallery": "Gallery"} if gallery else {}),
        "reproduce": "Reproduce",
    }
    yield f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{POLICY}">
<title>huebench: {escape(names)}</title>
<link rel="stylesheet" href="page.css">
</head>
<body>
<header class="top"><h1>huebench report</h1>
<p class="faded">{escape(names)}; protocol {escape(str(results[0].manifest.protocol["name"]))}</p></header>
<nav aria-label="Sections"><div>{"".join(f'<a href="#{key}">{title}</a>' for key, title in links.items())}
<label><input type="checkbox" id="controls" checked> show controls</label></div></nav>
<main>"""
    yield from _warnings(results)
    yield from _tables(out)
    yield from _figures(out)
    if gallery:
        yield GALLERY.replace(NOTE, _trainings(results))
    yield "</main>"
    yield from _foot(results)
    yield '<script src="data.js"></script>\n<script src="page.js"></script>\n</body>\n</html>\n'


def _warnings(results: Sequence[Results]) -> Iterator[str]:
    found = cautions(results)
    if found:
        yield '<aside class="warnings" aria-label="Warnings"><strong>To know before reading</strong><ul>'
        for warning in found:
            more = "".join(f"<li>{escape(line)}</li>" for line in warning.details)
            body = (
                f"<details><summary>{escape(warning.text)}</summary><ul>{more}</ul></details>"
                if more
                else escape(warning.text)
            )
            yield f"<li>{body}</li>"
        yield "</ul></aside>"


def _tables(out: Output) -> Iterator[str]:
    first = [section for section in out.sections if section.spec.order < OPEN]
    yield '<section id="overview"><h2 class="spoken">Ranking</h2>'
    yield from (_fragment(path) for section in first for path in _of(section, ".html"))
    yield '</section>\n<section id="tables"><h2>Tables</h2>'
    for section in (s for s in out.sections if s not in first):
        for path in _of(section, ".html"):
            forms = [p for p in section.paths if p.stem == path.stem]
            links = " · ".join(
                f'<a href="../tables/{escape(p.name)}">{escape(p.suffix[1:])}</a>' for p in forms
            )
            yield f"<details><summary>{escape(_title(path))}</summary>{_fragment(path)}"
            yield f'<p class="faded">As files: {links}</p></details>'
    yield "</section>"


def _title(path: Path) -> str:
    return path.stem.replace("-", " ").capitalize()


def _fragment(path: Path) -> str:
    """What a table's own page holds; its headings one level down."""
    text = path.read_text("utf-8")
    if BEGIN not in text or END not in text:
        return f'<p><a href="../{escape(path.parent.name)}/{escape(path.name)}">{escape(path.name)}</a></p>'
    return text[text.index(BEGIN) + len(BEGIN) : text.rindex(END)]


def _figures(out: Output) -> Iterator[str]:
    yield '<section id="figures"><h2>Figures</h2>'
    for section in out.sections:
        vectors = {path.stem: path.name for path in _of(section, ".svg")}
        for path in _of(section, ".png"):
            vector = (
                f' (<a href="figures/{escape(vectors[path.stem])}">SVG</a>)'
                if path.stem in vectors
                else ""
            )
            text = escape(f"{_title(path)}: {section.caption(path)}")
            source = f"figures/{escape(path.name)}"
            yield (
                f'<figure><a href="{source}"><img src="{source}" loading="lazy" alt="{text}"></a>'
                f"<figcaption>{text}{vector}</figcaption></figure>"
            )
    yield "</section>"


def _trainings(results: Sequence[Results]) -> str:
    """Scores are means over trainings, pictures are of one: said where there are several."""
    seeds = {(r.folder, c.dataset, c.method): set[int]() for r in results for c in r.cells}
    for r in results:
        for c in r.cells:
            seeds[r.folder, c.dataset, c.method].add(c.seed)
    several = max(map(len, seeds.values()), default=1)
    return (
        f"Pictures are of the first training of each method, scores are means over {several} "
        "trainings."
        if several > 1
        else ""
    )


def _of(section: Section, suffix: str) -> list[Path]:
    return [path for path in section.paths if path.suffix == suffix]


def _foot(results: Sequence[Results]) -> Iterator[str]:
    """Protocol, environment, and the command that makes it again."""
    yield '<footer id="reproduce"><h2>Reproduce</h2>'
    for result in results:
        manifest = result.manifest
        command = (
            shlex.join(manifest.argv) or "made from Python: settings.json has what was asked for"
        )
        yield f"<h3>{escape(result.folder.name)}</h3><pre><code>{escape(command)}</code></pre>"
        yield _facts("Protocol", {**manifest.protocol, "digest": manifest.protocol_digest})
        yield _facts("Environment", _flat(records.plain(manifest.environment)))
        plugins = {p.name: f"{p.distribution} {p.version}" for p in manifest.plugins}
        yield _facts("Plugins", plugins)
        yield _facts(
            "Data",
            {
                f"{name} {word}": f"{part.photographs:,} photographs, ids {part.ids_digest[:12]}"
                for name, data in manifest.datasets.items()
                for word, part in data.parts.items()
            },
        )
    yield "</footer>"


def _flat(values: Mapping[str, Any]) -> dict[str, Any]:
    return {
        k: ", ".join(f"{a} {b}" for a, b in v.items()) if isinstance(v, dict) else v
        for k, v in values.items()
    }


def _facts(title: str, facts: Mapping[str, Any]) -> str:
    rows = "".join(
        f"<tr><th scope='row'>{escape(str(k))}</th><td>{escape(str(v))}</td></tr>"
        for k, v in facts.items()
    )
    return f"<details><summary>{escape(title)}</summary><div class='wide'><table><tbody>{rows}</tbody></table></div></details>"


NOTE = "<!-- trainings -->"
GALLERY = f"""<section id="gallery"><h2>Gallery</h2>
<p>Every test photograph (of a large set, {PHOTOGRAPHS:,} drawn at random): grey, what each method presents, truth. Click a
picture to enlarge it; there, hold the picture, the button or the space bar to see the truth in its place; arrow keys go on to the
next picture and photograph. {NOTE}</p>
<form id="tools" class="tools">
<label>Data set <select id="wall"></select></label>
<label>Find <input type="search" id="find" placeholder="part of an id"></label>
<label>Sort by <select id="sort"></select></label>
<label>of <select id="of"></select></label>
<label class="tick"><input type="checkbox" id="reverse"> reverse order</label>
<fieldset id="methods"><legend>Methods</legend></fieldset>
</form>
<p id="count" role="status"></p>
<details id="extremes"><summary>Where each method is best and worst</summary><p id="extremes-of" class="faded"></p>
<div id="extremes-list"></div></details>
<div id="strips"></div>
<button id="more" class="plain" type="button">Show more</button>
<dialog id="large" aria-labelledby="caption"><p id="caption"></p><div>
<div><div id="picture" tabindex="0" autofocus></div><p><button id="before" class="plain" type="button">← previous</button>
<button id="after" class="plain" type="button">next →</button>
<button id="flip" class="plain" type="button">hold: truth</button>
<button id="close" class="plain" type="button">close</button></p></div>
<div class="wide"><table id="scores"></table></div></div></dialog>
</section>"""
