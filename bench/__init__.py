"""huebench: a plugin-based benchmark of diverse image colourization.

`bench.run(...)` does what the command `bench run` does and returns the results with a DataFrame.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"
__all__ = ["Request", "__version__", "read", "run"]

if TYPE_CHECKING:
    from bench.contracts.request import Request
    from bench.engine.runner import run
    from bench.results.run_folder import read

_LAZY = {
    "run": "bench.engine.runner",
    "Request": "bench.contracts.request",
    "read": "bench.results.run_folder",
}


def __getattr__(name: str) -> Any:
    """`run`, `Request` and `read`, imported when first used: `bench --help` stays instant."""
    if name in _LAZY:
        import importlib

        value = getattr(importlib.import_module(_LAZY[name]), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'bench' has no attribute {name!r}")
