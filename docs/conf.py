"""The documentation's site: `.venv/bin/sphinx-build -W docs site`."""

import re
from typing import Any

from docutils.nodes import SkipNode
from latex2mathml.converter import convert

from bench import __version__
from bench.plugins.loader import registry
from bench.specs import Parameter

project, release = "huebench", __version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx_click"]
html_theme = "furo"
html_math_renderer = "mathml"
html_title = "huebench"
html_show_sphinx = html_show_copyright = False
html_copy_source = False
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 4
autodoc_member_order = "bysource"
autodoc_default_options = {"members": True}
autodoc_typehints_format = "short"

PARAMETERS = re.compile(r"^<!-- parameters: (.+) -->$", re.MULTILINE)


def setup(app: Any) -> None:
    """Sphinx calls it."""
    app.add_html_math_renderer(
        "mathml", inline_renderers=(_inline, None), block_renderers=(_block, None)
    )
    app.connect("source-read", _parameters)
    app.connect("autodoc-process-docstring", _docstring)


def _inline(writer: Any, node: Any) -> None:
    _write(writer, convert(node.astext()))


def _block(writer: Any, node: Any) -> None:
    _write(
        writer,
        f'<div style="overflow: auto hidden">{convert(node.astext(), display="block")}</div>',
    )


def _write(writer: Any, made: str) -> None:
    """Equations as MathML, which browsers draw themselves."""
    writer.body.append(made)
    raise SkipNode


def _parameters(app: Any, page: str, source: list[str]) -> None:
    """`<!-- parameters: mdn, vae -->` becomes a table for each method."""
    source[0] = PARAMETERS.sub(
        lambda found: "\n\n".join(map(_table, found[1].split(", "))), source[0]
    )


def _table(method: str) -> str:
    rows = [
        f"| `{p.name}` | `{p.default}` | {_kind(p)} | {p.help} |"
        for p in registry().specs["methods"][method].parameters
    ]
    return "\n".join([f"| {method} | default | | |", "|---|---|---|---|", *rows])


def _kind(p: Parameter) -> str:
    return ", ".join(f"`{word}`" for word in (*p.choices, *p.allow)) or p.type


def _docstring(
    app: Any, what: str, name: str, thing: object, options: Any, lines: list[str]
) -> None:
    """Docstrings are Markdown of the plainest kind: code in backticks, and signs that stand for
    themselves."""
    lines[:] = [line if line.lstrip().startswith((">>>", "... ")) else _rst(line) for line in lines]


def _rst(line: str) -> str:
    parts = line.split("`")
    return "".join(
        f"``{part}``" if i % 2 else re.sub(r"([*|_\\])", r"\\\1", part)
        for i, part in enumerate(parts)
    )
