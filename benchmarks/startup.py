"""How long `bench --help` and `bench list` take, as processes of their own.

    python benchmarks/startup.py [--turns 20] [--quick]

They take turns with a Python that does nothing: what remains is the project's. Targets on a
desktop: 0.3 s and 1 s.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
from collections.abc import Callable

from measure import in_turns, machine, spread, table

COMMANDS = {
    "bench --help": ("-P", "-m", "bench.cli", "--help"),
    "bench list": ("-P", "-m", "bench.cli", "list"),
    "python -c pass": ("-c", "pass"),
}
TARGETS = {"bench --help": 0.3, "bench list": 1.0}


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--turns", type=int, default=20)
    parser.add_argument("--quick", action="store_true", help="1 turn: to see that it works")
    arguments = parser.parse_args()
    cases = {name: _command(options) for name, options in COMMANDS.items()}
    for case in cases.values():
        case()  # files are in the system's cache from now on
    found = in_turns(cases, 1 if arguments.quick else arguments.turns)
    print(machine(), end="\n\n")
    print(
        table(
            ["command", "s", "target"],
            [[name, spread(times), _verdict(name, times)] for name, times in found.items()],
        )
    )


def _command(options: tuple[str, ...]) -> Callable[[], object]:
    command = [sys.executable, *options]
    return lambda: subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def _verdict(name: str, times: list[float]) -> str:
    if name not in TARGETS:
        return ""
    return f"{TARGETS[name]} s: {'met' if statistics.median(times) <= TARGETS[name] else 'missed'}"


if __name__ == "__main__":
    main()
