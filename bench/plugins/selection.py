"""Which plugins are loaded: local files that someone asks for, and off switches; from the command
line, `bench.toml` and the environment, together."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bench.errors import BenchError

PATHS, DISABLE = "BENCH_PLUGINS", "BENCH_DISABLE_PLUGINS"
NO_AUTOLOAD, STRICT = "BENCH_NO_PLUGIN_AUTOLOAD", "BENCH_STRICT_PLUGINS"


@dataclass(frozen=True)
class Switches:
    """paths: local plugins, files or folders. disable: names of plugins or distributions that are
    not loaded. autoload: load installed plugins of third parties. strict: a plugin that does not
    load is an error."""

    paths: tuple[Path, ...] = ()
    disable: frozenset[str] = frozenset()
    autoload: bool = True
    strict: bool = False

    def __or__(self, other: Switches) -> Switches:
        """Both together: what either asks for."""
        paths = tuple(dict.fromkeys(self.paths + other.paths))
        return Switches(
            paths,
            self.disable | other.disable,
            self.autoload and other.autoload,
            self.strict or other.strict,
        )

    def variables(self) -> dict[str, str]:
        """The environment variables that say the same to a child process."""
        return {
            PATHS: os.pathsep.join(map(str, self.paths)),
            DISABLE: ",".join(sorted(self.disable)),
            NO_AUTOLOAD: "" if self.autoload else "1",
            STRICT: "1" if self.strict else "",
        }


def from_environment(environment: Mapping[str, str] = os.environ) -> Switches:
    """What the variables say: `BENCH_PLUGINS` (paths, separated as in PATH),
    `BENCH_DISABLE_PLUGINS` (names, with commas), `BENCH_NO_PLUGIN_AUTOLOAD` and
    `BENCH_STRICT_PLUGINS` (1 or 0)."""
    paths = [given for given in environment.get(PATHS, "").split(os.pathsep) if given]
    names = [name.strip() for name in environment.get(DISABLE, "").split(",")]
    return Switches(
        tuple(locate(given) for given in paths),
        frozenset(filter(None, names)),
        not _flag(environment, NO_AUTOLOAD),
        _flag(environment, STRICT),
    )


def locate(given: str | Path) -> Path:
    """The absolute path of a local plugin; relative ones count from the working folder."""
    if os.pathsep in str(given):
        raise BenchError(
            f"plugin {given}: a path with '{os.pathsep}' can't be handed to other processes: "
            "rename it"
        )
    path = Path(given).expanduser()
    if not path.exists():
        raise BenchError(
            f"plugin {given} is not there: give the path of a Python file or of a plugin's folder"
        )
    return path.resolve()


def _flag(environment: Mapping[str, str], name: str) -> bool:
    value = environment.get(name, "").strip().lower()
    if value not in ("", "0", "1", "false", "true", "no", "yes"):
        raise BenchError(f"{name}={value} is neither 1 nor 0")
    return value in ("1", "true", "yes")
