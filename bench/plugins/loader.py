"""The safe plugin loader: sorted order, each plugin in isolation, duplicate names refused, hooks
checked."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from functools import cache
from importlib.metadata import Distribution, EntryPoint, entry_points
from importlib.util import resolve_name
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pluggy

from bench import hookspecs
from bench.errors import BenchError, DuplicateName, unknown
from bench.plugins import lists, local
from bench.plugins.decorated import registered
from bench.plugins.selection import Switches, from_environment
from bench.specs import (
    DatasetSpec,
    ExecutorSpec,
    MethodSpec,
    MetricSpec,
    ProtocolSpec,
    ReportSpec,
    Spec,
)

HOME = "huebench"
"""The distribution of the built-ins: it is loaded also where others are not."""
KINDS: dict[str, type[Spec]] = {
    "methods": MethodSpec,
    "datasets": DatasetSpec,
    "metrics": MetricSpec,
    "reports": ReportSpec,
    "protocols": ProtocolSpec,
    "executors": ExecutorSpec,
}


@dataclass(frozen=True)
class Plugin:
    """One plugin: where it comes from and, if it was not loaded, why.

    origin: `installed`, `editable` (an installation of a folder that may change) or the path of a
    local file. content: stands for the code of a plugin that may change without its version; empty
    for installed ones. off: who turned it off.
    """

    name: str
    value: str
    distribution: str
    version: str
    error: str | None = None
    origin: str = "installed"
    content: str = ""
    off: str = ""

    @property
    def identity(self) -> str:
        """What a stored result depends on beside declared versions: code that changes is known by
        its content."""
        return f"{self.distribution}@{self.content}" if self.content else self.distribution

    def __str__(self) -> str:
        return (
            f"{self.distribution} {self.version}"
            if self.version != "-"
            else f"{self.distribution} {self.origin}"
        )


@dataclass(frozen=True)
class Candidate:
    """A plugin that is not loaded yet. Finding it ran none of its code."""

    plugin: Plugin
    load: Callable[[], object]


@dataclass
class Registry:
    """All plugins and the specs that they registered."""

    manager: pluggy.PluginManager
    plugins: list[Plugin] = field(default_factory=list)
    specs: dict[str, dict[str, Spec]] = field(default_factory=lambda: {kind: {} for kind in KINDS})
    owners: dict[tuple[str, str], Plugin] = field(default_factory=dict)

    def get(self, kind: str, name: str) -> Any:
        """The spec `name` of `kind`. BenchError: unknown (with the nearest name), or its plugin did
        not load."""
        if name in self.specs[kind]:
            return self.specs[kind][name]
        raise self.missing(kind.removesuffix("s"), name, self.specs[kind])

    def missing(self, what: str, name: str, known: Iterable[str]) -> BenchError:
        """Why there is no `name`: the plugin of that name did not load or is off, or nobody
        registered it."""
        for plugin in self.plugins:
            if plugin.name == name and plugin.error:
                return _broken(plugin)
            if plugin.name == name and plugin.off:
                return BenchError(f"plugin '{name}' of {plugin} is turned off by {plugin.off}")
        error = unknown(what, name, known)
        broken = ", ".join(plugin.name for plugin in self.plugins if plugin.error)
        return (
            BenchError(f"{error}; plugins that did not load: {broken} (`bench plugins doctor`)")
            if broken
            else error
        )

    def owner(self, kind: str, name: str) -> Plugin:
        """The plugin that registered `name`."""
        return self.owners[kind, name]

    def registered(self, plugin: Plugin) -> list[str]:
        """What a plugin registered: `method mdn`, ..."""
        return [
            f"{kind.removesuffix('s')} {name}"
            for (kind, name), owner in self.owners.items()
            if owner is plugin
        ]

    def add(self, plugin: Plugin, module: object) -> None:
        """Register one imported plugin; nothing of it stays if it is refused."""
        before = {kind: dict(specs) for kind, specs in self.specs.items()}
        _check_hook_names(module)
        lists.refuse_unread(module)
        self.manager.register(module, name=plugin.name)
        try:
            self.manager.check_pending()
            for kind in KINDS:
                self._collect(kind, plugin, module)
        except (Exception, SystemExit):
            self.manager.unregister(module)
            self.specs = before
            self.owners = {key: owner for key, owner in self.owners.items() if owner is not plugin}
            raise

    def _collect(self, kind: str, plugin: Plugin, module: object) -> None:
        for spec in registered(module, kind, KINDS[kind]):
            if not isinstance(spec, KINDS[kind]):
                raise TypeError(
                    f"bench_register_{kind} returned {type(spec).__name__}, not "
                    f"{KINDS[kind].__name__}"
                )
            if self.owners.get((kind, spec.name)) is plugin:
                raise ValueError(f"it registers {kind.removesuffix('s')} '{spec.name}' twice")
            if spec.name in self.specs[kind]:
                what = f"{kind.removesuffix('s')} '{spec.name}' is registered by both"
                raise DuplicateName(f"{what} {self.owners[kind, spec.name]} and {plugin}: {_MEND}")
            self.specs[kind][spec.name] = _absolute(spec, module)
            self.owners[kind, spec.name] = plugin


_MEND = "leave one --plugin out, uninstall one, or turn an installed one off with --no-plugin"


def _absolute(spec: Spec, module: object) -> Spec:
    """A factory, and what looks into weights, may be named from where it is registered: `":Class"`
    in the module itself, `".model:Class"` in its package."""

    def absolute(named: str) -> str:
        if not named.startswith((".", ":")):
            return named
        name = getattr(module, "__name__", type(module).__module__)
        place, _, attribute = named.partition(":")
        package = name if hasattr(module, "__path__") else name.rpartition(".")[0]
        if place and not package:
            raise ValueError(
                f"{spec.name}: {named} is relative, and {name} is in no package: name a class in "
                "it, ':Class'"
            )
        return f"{resolve_name(place, package) if place else name}:{attribute}"

    weights = tuple(replace(each, inspect=absolute(each.inspect)) for each in spec.weights)
    return replace(spec, factory=absolute(spec.factory), weights=weights)


def _check_hook_names(module: object) -> None:
    """Refuse a misspelt registration hook, marked as one or not; pluggy alone would pass over an
    unmarked one."""
    for name in dir(module):
        if name.startswith("bench_register_") and name.removeprefix("bench_register_") not in KINDS:
            raise unknown("hook", name, [f"bench_register_{kind}" for kind in KINDS])


def candidates(switches: Switches) -> list[Candidate]:
    """Installed and local plugins, sorted, those that are off included. No plugin's code is run.

    BenchError for a local one that is not there, and for an unknown name among those to turn off.
    """
    entries = entry_points(group=hookspecs.GROUP)
    found = [candidate for entry in entries for candidate in _installed(entry, switches)]
    known = {name for c in found for name in (c.plugin.name, c.plugin.distribution)}
    for name in sorted(switches.disable - known):
        raise unknown("plugin to turn off", name, known)
    return found + [_local(one) for path in switches.paths for one in local.find(path)]


def load(found: Iterable[Candidate | EntryPoint], tolerant: bool = False) -> Registry:
    """A registry of the given plugins. A broken one is recorded, never raised; a duplicate name is
    raised, unless `tolerant`: then it is recorded, too."""
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    registry = Registry(manager)
    seen: dict[str, Plugin] = {}
    given = [
        candidate
        for one in found
        for candidate in ([one] if isinstance(one, Candidate) else _installed(one, Switches()))
    ]
    for candidate in sorted(
        given, key=lambda c: (c.plugin.name, c.plugin.distribution, c.plugin.value)
    ):
        plugin = candidate.plugin
        first = seen.get(plugin.name) if not plugin.off else None
        if first == plugin:  # the same distribution found twice on the path
            continue
        try:
            if first:
                raise DuplicateName(
                    f"two plugins are named '{plugin.name}': {first} and {plugin}: {_MEND}"
                )
            registry.plugins.append(plugin if plugin.off else _load_one(registry, candidate))
        except DuplicateName as error:
            if not tolerant:
                raise
            registry.plugins.append(replace(plugin, error=str(error)))
        if not plugin.off:
            seen.setdefault(plugin.name, plugin)
    return registry


def _installed(entry: EntryPoint, switches: Switches) -> list[Candidate]:
    """The plugins of an entry point: one, or those that its package lists."""
    name, version = (entry.dist.name, entry.dist.version) if entry.dist else ("unknown", "?")
    late = "" if switches.autoload or name == HOME else "--no-plugin-autoload"
    root = _editable(entry.dist) if entry.dist and name != HOME and not late else None
    origin, content = ("editable", local.content(root)) if root else ("installed", "")
    found = []
    for one in _expanded(entry):
        off = "--no-plugin" if {one.name, name} & switches.disable else late
        plugin = Plugin(one.name, one.value, name, version, None, origin, content, off)
        found.append(Candidate(plugin, one.load))
    return found


def _expanded(entry: EntryPoint) -> list[EntryPoint]:
    init = None if ":" in entry.value else lists.init_of(entry.value)
    return [
        EntryPoint(lists.plugin_name(name), f"{entry.value}.{name}", entry.group)
        for name in (lists.listed(init) if init else ())
    ] or [entry]


def _editable(distribution: Distribution) -> Path | None:
    """The folder of an editable installation, as PEP 610 says."""
    from urllib.request import url2pathname  # takes as long as all of this module

    try:
        said = json.loads(distribution.read_text("direct_url.json") or "{}")
        if not said.get("dir_info", {}).get("editable"):
            return None
        folder = Path(url2pathname(urlsplit(said["url"]).path))
    except (ValueError, KeyError, AttributeError):  # damaged: then it is taken as any other
        return None
    return folder if folder.is_dir() else None


def _local(one: local.LocalPlugin) -> Candidate:
    origin = str(one.root)
    return Candidate(
        Plugin(one.name, str(one.module), one.distribution, one.version, None, origin, one.content),
        one.load,
    )


def _load_one(registry: Registry, candidate: Candidate) -> Plugin:
    try:
        registry.add(candidate.plugin, candidate.load())
    except DuplicateName:
        raise
    except (Exception, SystemExit) as error:  # noqa: BLE001 - a third party's import can raise anything; it is recorded and shown
        return replace(candidate.plugin, error=_why(error))
    return candidate.plugin


def _why(error: BaseException) -> str:
    """One line; pluggy says what is wrong with a hook in the lines after the first."""
    whole = isinstance(error, pluggy.PluginValidationError)
    text = f"{type(error).__name__}: {error}"
    return (
        "; ".join(line.strip() for line in text.splitlines() if line.strip())
        if whole
        else text.splitlines()[0]
    )


def _broken(plugin: Plugin) -> BenchError:
    return BenchError(
        f"plugin '{plugin.name}' of {plugin} ({plugin.value}) did not load: {plugin.error}"
    )


_chosen: Switches | None = None


def switches() -> Switches:
    """What this process loads: what `use` was given, else what the environment says."""
    return from_environment() if _chosen is None else _chosen


def use(chosen: Switches | None) -> None:
    """Choose what this process loads; None: what the environment says. Plugins are loaded when they
    are first needed."""
    global _chosen
    _chosen = chosen
    registry.cache_clear()


@cache
def registry() -> Registry:
    """The registry of this process: installed entry points of the group `huebench`, and the local
    plugins asked for.

    BenchError for duplicate names and, where `strict` is chosen, for a plugin that did not load.
    """
    chosen = switches()
    made = load(candidates(chosen))
    for plugin in made.plugins:
        if plugin.error and chosen.strict:
            raise _broken(plugin)
    return made
