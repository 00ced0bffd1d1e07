"""What plugins build on, beside the contracts: a decorator that makes a metric of one
function, and the tools that the built-ins use.

Importing this is light; each name is imported from its module when it is first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bench.extend.metrics import mean_over, metric, on, shares

_LAZY = {"mean_over": "metrics", "metric": "metrics", "on": "metrics", "shares": "metrics"}
"""Name -> the module that has it, in this package."""
__all__ = ["mean_over", "metric", "on", "shares"]


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        import importlib

        value = getattr(importlib.import_module(f"{__name__}.{_LAZY[name]}"), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module '{__name__}' has no attribute {name!r}")
