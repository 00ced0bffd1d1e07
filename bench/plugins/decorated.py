"""Specs that decorators of `bench.extend` leave on functions: a module registers those of its own
functions, beside what its hooks return."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from types import FunctionType
from typing import Any, TypeVar

from bench.specs import Spec

F = TypeVar("F", bound=Callable[..., Any])
MARK = "spec"


def register(function: F, spec: Spec) -> F:
    """Leave a spec on a function, for `registered`. ValueError where it is inside another
    function: nothing outside could import it."""
    if function.__qualname__ != function.__name__:
        raise ValueError(f"{function.__qualname__} must stand at the top of its module")
    vars(function)[MARK] = spec
    return function


def registered(module: object, kind: str, type_: type[Spec]) -> Iterator[Any]:
    """What a module registers of a kind: what its hook returns, then what its functions have."""
    hook = getattr(module, f"bench_register_{kind}", None)
    yield from hook() if hook is not None else ()
    for value in getattr(module, "__dict__", {}).values():
        own = isinstance(value, FunctionType) and value.__module__ == getattr(
            module, "__name__", None
        )
        if own and isinstance(spec := vars(value).get(MARK), type_):
            yield spec


def described(
    function: Callable[..., Any], given: dict[str, Any], rest: str = ""
) -> dict[str, Any]:
    """`given`, and the name and summary that a function and its docstring have; what follows the
    docstring's first paragraph becomes the field `rest`."""
    summary, _, more = inspect.cleandoc(function.__doc__ or "").partition("\n\n")
    if not summary and "summary" not in given:
        raise ValueError(f"{function.__name__} needs a docstring: its first line is the summary")
    said = {
        "name": function.__name__.strip("_").replace("_", "-"),
        "summary": " ".join(summary.split()).removesuffix("."),
    }
    if rest:
        said[rest] = " ".join(more.split()).removesuffix(".")
    return said | given
