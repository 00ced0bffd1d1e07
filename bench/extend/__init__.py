"""What plugins build on, beside the contracts: decorators that make a metric or a table of one
function, and the tools that the built-ins use.

Importing this is light; each name is imported from its module when it is first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bench.extend.markup import Caption, Table
    from bench.extend.metrics import mean_over, metric, on, shares
    from bench.extend.style import looks, panels, paper_style, save_figure
    from bench.extend.tables import table, write_csv, write_tables

_LAZY = {
    "Caption": "markup",
    "Table": "markup",
    "looks": "style",
    "mean_over": "metrics",
    "metric": "metrics",
    "on": "metrics",
    "panels": "style",
    "paper_style": "style",
    "save_figure": "style",
    "shares": "metrics",
    "table": "tables",
    "write_csv": "tables",
    "write_tables": "tables",
}
"""Name -> the module that has it, in this package."""
__all__ = [
    "Caption",
    "Table",
    "looks",
    "mean_over",
    "metric",
    "on",
    "panels",
    "paper_style",
    "save_figure",
    "shares",
    "table",
    "write_csv",
    "write_tables",
]


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        import importlib

        value = getattr(importlib.import_module(f"{__name__}.{_LAZY[name]}"), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module '{__name__}' has no attribute {name!r}")
