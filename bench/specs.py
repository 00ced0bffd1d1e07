"""Light, typed descriptions of plugins. Nothing here imports torch, and no plugin's registration
may.

A plugin's hook returns specs; a spec names a factory, `"module:Class"`, that is imported only when
it is used.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from operator import attrgetter
from pathlib import Path
from typing import Any, Literal, cast

from bench import keys
from bench.errors import BenchError, reason, said, unknown

ParameterType = Literal["int", "float", "bool", "str", "path", "method"]
Direction = Literal["up", "down", "target", "none"]
Kind = Literal["iid", "modes", "centroids", "point", "reconstruction"]
PRESENTED: tuple[Kind, ...] = ("iid", "modes", "centroids", "point")
"""Kinds that a method may present without sight of the truth."""
IID = frozenset({"iid"})
"""What a metric accepts that is fair to independent draws alone."""
Sight = Literal["truth", "law", "identity"]
Need = Literal["law", "log_prob"]
Role = Literal["colourizer", "codec", "control"]

CLAIMED = "that their draws are independent is claimed by whoever made them, not checked"
"""What is said of methods with `MethodSpec.claims_draws` wherever fair scores are shown."""

_TRUE, _FALSE = {"true", "yes", "on", "1"}, {"false", "no", "off", "0"}


@dataclass(frozen=True)
class Parameter:
    """One declared parameter of a plugin.

    A parameter of type `"method"` holds a method string and makes that method a *requirement*: the
    harness fits it first, once, and hands the fitted part over (`FitContext.parts`). `allow` lists
    words that are accepted beside values of the type (for example `"auto"`). `required`: there is
    no default, and leaving it out is an error.
    """

    name: str
    type: ParameterType
    default: Any
    help: str
    choices: tuple[str, ...] = ()
    allow: tuple[str, ...] = ()
    minimum: float | None = None
    maximum: float | None = None
    required: bool = False

    def convert(self, value: Any, owner: str) -> Any:
        """`value` (text or already typed) as this parameter's type; BenchError when it does not
        fit."""
        if isinstance(value, str) and value in self.allow:
            return value
        if value is None and self.default is None:
            return self._left_out(owner)
        converted = self._typed(value, owner)
        if self.choices and converted not in self.choices:
            raise BenchError(
                f"{owner}: {self.name}={value} is not one of {', '.join(self.choices)}"
            )
        self._check_range(converted, owner)
        return converted

    def identity(self, value: Any, owner: str = "") -> Any:
        """What of a value goes into keys. A path stands for its content: of a file, or of all files
        below a folder, with their names. `owner` begins an error."""
        if self.type != "path" or value is None:
            return value
        path = Path(value).expanduser()
        try:
            return keys.folder_digest(path) if path.is_dir() else keys.file_digest(path)
        except OSError as error:
            raise BenchError(
                f"{owner}{error.filename or value} can't be read: {error.strerror}"
            ) from error

    def _left_out(self, owner: str) -> None:
        if self.required:
            choices = f" ({', '.join(self.choices)})" if self.choices else ""
            raise BenchError(f"{owner} needs {self.name}=...{choices}: {self.help}")

    def _typed(self, value: Any, owner: str) -> Any:
        text = (
            str(value) if self.type == "path" else str(value).strip()
        )  # a name may begin or end with a space
        try:
            if self.type == "bool":
                return {**dict.fromkeys(_TRUE, True), **dict.fromkeys(_FALSE, False)}[text.lower()]
            if self.type == "int":
                return int(text)
            if self.type == "float":
                return float(text)
        except (ValueError, KeyError):
            words = f" or {' or '.join(self.allow)}" if self.allow else ""
            raise BenchError(
                f"{owner}: parameter {self.name} takes {self.type}{words}, not '{str(value)[:80]}'"
            ) from None
        return text

    def _check_range(self, value: Any, owner: str) -> None:
        if self.type not in ("int", "float"):
            return
        if not abs(value) < float("inf"):
            raise BenchError(f"{owner}: {self.name}={value} is not a finite number")
        if self.minimum is not None and value < self.minimum:
            raise BenchError(f"{owner}: {self.name}={value} is below {self.minimum:g}")
        if self.maximum is not None and value > self.maximum:
            raise BenchError(f"{owner}: {self.name}={value} is above {self.maximum:g}")


@dataclass(frozen=True, kw_only=True)
class Weights:
    """A file of weights that others trained and publish, for `bench weights`.

    file: its name in the folder of weights. urls: where it is, tried in order. sha256: what its
    digest begins with, as its owners publish it; empty: they don't. gigabytes: about how large it
    is; more than twice as much is not fetched (0: than 20 GB). inspect: `"module:function"`, called
    with a path; gives what there is to say of the file, or raises BenchError. use: how a run takes
    it, with `{path}` in it.
    """

    name: str
    summary: str
    file: str
    urls: tuple[str, ...]
    inspect: str
    use: str
    sha256: str = ""
    gigabytes: float = 0.0
    licence: str = ""

    def look(self, path: Path) -> dict[str, str]:
        """What there is to say of a file. BenchError where it is not what it should be."""
        inspect: Callable[[Path], dict[str, str]] = imported(self.inspect, self.name)
        return inspect(path)


@dataclass(frozen=True, kw_only=True)
class Spec:
    """What every plugin object declares: a name, one line about it, where its code is, and its
    parameters.

    `version` is the declared version of the *behaviour*: raise it when results change, and stored
    results of the older one are no longer reused. `weights`: published files that it can take.
    """

    name: str
    summary: str
    factory: str
    version: str = "1"
    parameters: tuple[Parameter, ...] = ()
    licence: str = ""
    citation: str = ""
    weights: tuple[Weights, ...] = ()

    def resolve(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """All parameters, defaults filled in and `given` converted; BenchError for an unknown or
        ill-typed one."""
        known = {p.name: p for p in self.parameters}
        for name in given:
            if name not in known:
                raise unknown(f"parameter of {self.name}", name, known)
        return {n: p.convert(given.get(n, p.default), self.name) for n, p in known.items()}

    def load(self) -> Any:
        """Import and return the factory. BenchError where there is none."""
        return imported(self.factory, self.name)


def imported(place: str, owner: str) -> Any:
    """What is at `"module:name"`. BenchError where there is nothing."""
    module, _, attribute = place.partition(":")
    try:
        return attrgetter(attribute)(importlib.import_module(module))
    except (Exception, SystemExit) as error:
        known = isinstance(error, ImportError | AttributeError | ValueError)
        why = said(error) if known else reason(error)
        raise BenchError(f"the code of {owner}, {place}, can't be imported: {why}") from error


@dataclass(frozen=True, kw_only=True)
class MethodSpec(Spec):
    """A colourization method (`bench.contracts.Method`).

    `role` keeps colourizers, codecs (they see the truth and reconstruct it) and controls apart in
    tables; `present_kind` is the kind of sample set that `present(k)` returns; `capabilities` lists
    what it offers beside that: sample, mean, mode, log_prob, features, encode, decode. `density`
    names the space of `log_prob`: densities compare only within one. `sees` is for controls that
    are shown the `truth` or the `law`, and for methods that must know the `identity` of a
    photograph (`Method.reveal`).

    A present_kind of `"stated"` is what whoever runs the method states by its parameter `kind`;
    only `iid` has draws.
    """

    role: Role = "colourizer"
    present_kind: Kind | Literal["stated"] = "iid"
    capabilities: frozenset[str] = frozenset()
    density: str = ""
    sees: frozenset[Sight] = frozenset()
    test_parameters: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        oracle = self.sees - {"identity"}
        if oracle and self.role != "control":
            raise ValueError(
                f"{self.name} sees the {' and the '.join(sorted(oracle))}: its role must be control"
            )
        if self.present_kind == "stated" and not any(
            p.name == "kind" and p.choices for p in self.parameters
        ):
            raise ValueError(
                f"{self.name}: a stated present_kind needs a parameter kind with choices"
            )
        if ("log_prob" in self.capabilities) != bool(self.density):
            raise ValueError(
                f"{self.name}: capability log_prob and the name of its space, density, go together"
            )

    @property
    def claims_draws(self) -> bool:
        """Whether the independence of its draws is claimed, not checked: who knows the photograph
        can look draws up in a list that was spread beforehand, whatever the seeds."""
        return "identity" in self.sees and "sample" in self.capabilities

    def kind(self, parameters: Mapping[str, Any]) -> Kind:
        """What `present` gives with these parameters."""
        return (
            cast(Kind, parameters["kind"]) if self.present_kind == "stated" else self.present_kind
        )

    def no_draws(self, parameters: Mapping[str, Any]) -> str:
        """Why there are no independent draws with these parameters, or nothing."""
        if "sample" not in self.capabilities:
            return f"{self.name} can't draw independent samples"
        stated = self.kind(parameters) if self.present_kind == "stated" else "iid"
        return (
            ""
            if stated == "iid"
            else f"{self.name} states kind={stated}: independent draws are kind=iid"
        )


@dataclass(frozen=True, kw_only=True)
class Download:
    """The file that a data set is distributed as.

    file: its name in the data home. urls: where it is, tried in order; none where its owners ask
    for an account, and then `steps` says how to get it. digest: `md5:...` or `sha256:...` of the
    whole file, as its owners or a well-known library publish it; empty: nobody does. gigabytes:
    about how large it is; more than twice as much is not fetched (0: than 20 GB). folder: the
    folder that it unpacks to, which is then what the data home holds; empty: it is read as it is.
    instead: another set, to be named where no URL answers.
    """

    file: str
    urls: tuple[str, ...] = ()
    digest: str = ""
    gigabytes: float = 0.0
    folder: str = ""
    steps: str = ""
    instead: str = ""


@dataclass(frozen=True, kw_only=True)
class DatasetSpec(Spec):
    """A source of photographs (`bench.contracts.Dataset`).

    `authors_crop`: side of the centre crop, in source pixels, that protocol `paper` applies (None:
    the whole photograph). `keep_grey`: protocol `paper` keeps grey-only photographs, as the paper's
    counts show. `reference_statistics`: published figures that `bench data stats` prints beside the
    measured ones. `known_law`: the set is drawn, and `Dataset.law` gives P(C | G). `photographs`:
    how many the complete set has. `download`: what `bench data fetch` fetches. `caution`: what a
    reader of its results has to know, shown before all tables.
    """

    authors_crop: int | None = None
    keep_grey: bool = False
    reference_statistics: Mapping[str, float] = field(default_factory=dict)
    known_law: bool = False
    photographs: int | None = None
    download: Download | None = None
    caution: str = ""


@dataclass(frozen=True, kw_only=True)
class MetricSpec(Spec):
    """A metric (`bench.contracts.Metric`): its unit, its direction and the sample kinds that it
    accepts.

    `needs`: what else it can't do without: the known `law`, the method's `log_prob`. `least`:
    fewest samples. `optional`: computed only when it is named. `headline`: the variant that the
    table at the end of a run shows. `main`: the one that stands for the metric in a table of all
    metrics, if it is another; a value of the whole set, for example. `variants`: what its columns
    are. For `docs/metrics.md`: `formula`, `gaming` (how it can be gamed) and `checked` (the
    independent implementation that tests compare it with).
    """

    unit: str
    direction: Direction
    accepts: frozenset[str]
    needs: frozenset[Need] = frozenset()
    least: int = 1
    optional: bool = False
    headline: str = ""
    main: str = ""
    variants: Mapping[str, str] = field(default_factory=dict)
    formula: str = ""
    gaming: str = ""
    checked: str = ""


@dataclass(frozen=True, kw_only=True)
class ReportSpec(Spec):
    """A report kind: its factory is a function `(results, out) -> list of written paths`, `out` a
    `bench.output.Output`.

    figures: names of the figures that it can draw (it asks `out.draws` which are wanted), and what
    each shows. order: reports are written and shown by it; from 100 on they show what the others
    have written. compares: of two runs; its factory takes `(comparison, out)`, a
    `bench.results.compare.Comparison`, and `bench compare` calls it, not `bench report`.
    """

    figures: Mapping[str, str] = field(default_factory=dict)
    order: int = 50
    compares: bool = False


@dataclass(frozen=True, kw_only=True)
class ProtocolSpec(Spec):
    """A named protocol: its factory makes a `bench.protocol.Protocol` from the parameters."""


@dataclass(frozen=True, kw_only=True)
class ExecutorSpec(Spec):
    """A way to execute a run (`bench.contracts.Executor`).

    limits: it ends a step that takes longer than the request's `timeout`, or more than its
    `memory`. nodes: it can have one fit trained on several machines.
    """

    limits: bool = False
    nodes: bool = False
