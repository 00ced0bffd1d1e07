"""The safe plugin loader: sorted order, each plugin in isolation, duplicate names refused, hooks checked."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any, TypeVar

import pluggy

from bench import hookspecs
from bench.errors import BenchError, DuplicateName, unknown
from bench.specs import DatasetSpec, ExecutorSpec, MethodSpec, MetricSpec, ProtocolSpec, ReportSpec, Spec

S = TypeVar("S", bound=Spec)
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
    """One entry point: where it comes from and, if it did not load, why."""

    name: str
    value: str
    distribution: str
    version: str
    error: str | None = None


@dataclass
class Registry:
    """All plugins and the specs that they registered."""

    manager: pluggy.PluginManager
    plugins: list[Plugin] = field(default_factory=list)
    specs: dict[str, dict[str, Spec]] = field(default_factory=lambda: {kind: {} for kind in KINDS})
    owners: dict[tuple[str, str], Plugin] = field(default_factory=dict)

    def get(self, kind: str, name: str) -> Any:
        """The spec `name` of `kind`. BenchError: unknown (with the nearest name), or its plugin did not load."""
        if name in self.specs[kind]:
            return self.specs[kind][name]
        for plugin in self.plugins:
            if plugin.error and plugin.name == name:
                origin = f"{plugin.distribution} {plugin.version}"
                raise BenchError(f"plugin '{name}' of {origin} ({plugin.value}) did not load: {plugin.error}")
        raise unknown(kind.removesuffix("s"), name, self.specs[kind])

    def owner(self, kind: str, name: str) -> Plugin:
        """The plugin that registered `name`."""
        return self.owners[kind, name]

    def add(self, plugin: Plugin, module: object) -> None:
        """Register one imported plugin; nothing of it stays if it is refused."""
        before = {kind: dict(specs) for kind, specs in self.specs.items()}
        _check_hook_names(module)
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
        hook = getattr(module, f"bench_register_{kind}", None)
        for spec in hook() if hook is not None else ():
            if not isinstance(spec, KINDS[kind]):
                raise TypeError(f"bench_register_{kind} returned {type(spec).__name__}, not {KINDS[kind].__name__}")
            if spec.name in self.specs[kind]:
                other = self.owners[kind, spec.name]
                raise DuplicateName(
                    f"{kind.removesuffix('s')} '{spec.name}' is registered by both {other.distribution} {other.version} "
                    f"and {plugin.distribution} {plugin.version}: uninstall one"
                )
            self.specs[kind][spec.name] = spec
            self.owners[kind, spec.name] = plugin


def _check_hook_names(module: object) -> None:
    """Refuse a misspelt registration hook, marked as one or not; pluggy alone would pass over an unmarked one."""
    for name in dir(module):
        if name.startswith("bench_register_") and name.removeprefix("bench_register_") not in KINDS:
            raise unknown("hook", name, [f"bench_register_{kind}" for kind in KINDS])


def load(found: Iterable[EntryPoint]) -> Registry:
    """A registry of the given entry points. A broken plugin is recorded, never raised; a duplicate name is raised."""
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    registry = Registry(manager)
    seen: dict[str, Plugin] = {}
    for entry in sorted(found, key=lambda e: (e.name, e.dist.name if e.dist else "", e.value)):
        plugin = _describe(entry)
        if entry.name in seen:
            first = seen[entry.name]
            if first == plugin:  # the same distribution found twice on the path
                continue
            raise DuplicateName(
                f"two plugins are named '{entry.name}': {first.distribution} {first.version} and "
                f"{plugin.distribution} {plugin.version}: uninstall one"
            )
        seen[entry.name] = plugin
        registry.plugins.append(_load_one(registry, entry, plugin))
    return registry


def _describe(entry: EntryPoint) -> Plugin:
    distribution, version = (entry.dist.name, entry.dist.version) if entry.dist else ("unknown", "?")
    return Plugin(entry.name, entry.value, distribution, version)


def _load_one(registry: Registry, entry: EntryPoint, plugin: Plugin) -> Plugin:
    try:
        registry.add(plugin, entry.load())
    except DuplicateName:
        raise
    except (Exception, SystemExit) as error:  # noqa: BLE001 - a third party's import can raise anything; it is recorded and shown
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        return Plugin(plugin.name, plugin.value, plugin.distribution, plugin.version, reason)
    return plugin


@cache
def registry() -> Registry:
    """The registry of this process: every installed entry point of the group `huebench`."""
    return load(entry_points(group=hookspecs.GROUP))
