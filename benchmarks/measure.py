"""What the benchmarks share: times of cases that take turns, and what is printed of them.

Times on a machine that others load mean little. So the cases that are compared run in turns, in one
process or as one process after the other, and what is said is the median over the turns, with the
smallest and the largest.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterable, Mapping, Sequence


def seconds(function: Callable[[], object]) -> float:
    """Wall time of one call."""
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def in_turns(cases: Mapping[str, Callable[[], object]], turns: int) -> dict[str, list[float]]:
    """Seconds of each case in each turn."""
    found: dict[str, list[float]] = {name: [] for name in cases}
    for turn in range(turns):
        for name in sorted(cases, reverse=bool(turn % 2)):  # who is first may find a colder machine
            found[name].append(seconds(cases[name]))
    return found


def ratio(slow: Callable[[], object], fast: Callable[[], object], turns: int = 5) -> list[float]:
    """Slow / fast in each turn."""
    found = in_turns({"slow": slow, "fast": fast}, turns)
    return quotients(found["slow"], found["fast"])


def quotients(first: Iterable[float], second: Iterable[float]) -> list[float]:
    """Of the pairs that were measured in the same turn."""
    return [a / b for a, b in zip(first, second, strict=True)]


def spread(values: Sequence[float], digits: int = 2) -> str:
    """Median (smallest .. largest)."""
    return f"{statistics.median(values):,.{digits}f} ({min(values):,.{digits}f} .. {max(values):,.{digits}f})"


def machine() -> str:
    """Processor and cores that this process may use, as `bench env` names them."""
    from bench.machine.environment import environment
    from bench.machine.threads import cores

    return f"{environment()['processor']}, {cores()} cores"


def table(headings: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Markdown; all columns but the first are aligned to the right."""
    lines = [headings, ["---", *["---:"] * (len(headings) - 1)], *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)
