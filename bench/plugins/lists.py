"""Packages that list their plugins: `PLUGINS = ("one", "two")` names the modules that register.

The list is read and not run, so that plugins can be shown, and turned off, without any of their
code.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path

NAME = "PLUGINS"


def listed(init: Path) -> Sequence[str]:
    """The modules that a package's `__init__.py` lists; none where it has no such list, or where
    the list is not written out as names."""
    try:
        body = ast.parse(init.read_bytes()).body
    except (OSError, SyntaxError, ValueError):
        return ()
    values = [value for node in body if (value := _assigned(node)) is not None]
    try:
        found = ast.literal_eval(values[-1]) if values else ()
    except (TypeError, ValueError):
        return ()
    names = isinstance(found, tuple | list) and all(
        isinstance(name, str) and name.isidentifier() for name in found
    )
    return tuple(found) if names else ()


def plugin_name(module: str) -> str:
    """What the plugin in a listed module is called.

    >>> plugin_name("zhang_coherent")
    'zhang-coherent'
    """
    return module.replace("_", "-")


def init_of(package: str) -> Path | None:
    """The `__init__.py` of an installed package, or None; packages around it are not imported."""
    places: list[str] | None = None
    origin = None
    try:
        for name in accumulate(package.strip().split("."), "{}.{}".format):
            spec = next(filter(None, (f.find_spec(name, places) for f in sys.meta_path)), None)
            if spec is None or spec.submodule_search_locations is None:
                return None
            places, origin = list(spec.submodule_search_locations), spec.origin
    except (AttributeError, ImportError, KeyError):  # a finder of another kind; a folder of others
        return None
    return Path(origin) if origin else None


def refuse_unread(module: object) -> None:
    """ValueError where a module that was loaded as one plugin has a list that could not be read."""
    if hasattr(module, "__path__") and hasattr(module, NAME):
        raise ValueError(
            f"its {NAME} can't be read: write it out, as a tuple of at least one name of a module "
            "beside, and in no package that is listed itself"
        )


def _assigned(node: ast.stmt) -> ast.expr | None:
    """What a statement gives the list as its value."""
    match node:
        case ast.Assign(targets=[ast.Name(id=name)], value=value) if name == NAME:
            return value
        case ast.AnnAssign(target=ast.Name(id=name), value=value) if name == NAME:
            return value
    return None
