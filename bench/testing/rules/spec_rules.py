"""Rules for specs of every kind."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any

from bench.errors import BenchError
from bench.plugins import notation
from bench.plugins.loader import Plugin, registry
from bench.specs import MethodSpec, MetricSpec, Parameter, Spec
from bench.testing.results import Broken, NotApplicable, Rule, one_line
from bench.testing.session import Session, kind_of

NAME = re.compile(r"[a-z0-9]+(?:[-_.][a-z0-9]+)*")
SECONDS = 60.0
"""That registration may take."""


@dataclass
class SpecSubject:
    """A spec, and parameters that were given by hand."""

    spec: Spec
    session: Session
    given: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """As it is written in a method string."""
        return notation.write(self.spec.name, self.given)

    @property
    def kind(self) -> str:
        """`method`, `dataset`, ..."""
        return kind_of(self.spec).removesuffix("s")

    def surroundings(self) -> AbstractContextManager[None]:
        """Nothing special, unless the kind needs something."""
        return nullcontext()

    @property
    def owner(self) -> Plugin | None:
        """Who registered it, if anybody did."""
        known = registry()
        kind = kind_of(self.spec)
        return (
            known.owner(kind, self.spec.name)
            if known.specs[kind].get(self.spec.name) == self.spec
            else None
        )


def registers_light(subject: SpecSubject) -> str | None:
    """Importing the registering module and calling its hooks, in a fresh process, imports no torch,
    nor pandas, scikit-learn, ...

    `bench list` has to import every plugin's module, and must not take seconds.
    """
    owner = subject.owner
    if owner is None:
        raise NotApplicable(
            "nobody has registered it: check it by its name, or load its file with --plugin"
        )
    root = "" if owner.origin in ("installed", "editable") else owner.origin
    job = {"name": owner.name, "value": owner.value, "root": root, "plugins": []}
    _, found = subject.session.cold.run("register", job, SECONDS)
    if found is None:
        raise Broken(
            f"registration takes more than {SECONDS:g} s",
            "do no work where the module is imported, nor in its hooks",
        )
    if "error" in found:
        raise Broken(
            f"in a fresh process: {found['error']}",
            f"import {owner.value} by itself, and mend what it needs",
        )
    if found["heavy"]:
        raise Broken(
            f"{owner.value} imports {', '.join(found['heavy'])}",
            "move the class to a module of its own, and name it as the spec's factory: it is "
            "imported on use",
        )
    return None


def loads(subject: SpecSubject) -> str | None:
    """The factory can be imported and is what its kind needs: a subclass of the contract's class,
    or something to call."""
    from bench.contracts import Dataset, Method, Metric

    wanted: type | None = {"method": Method, "metric": Metric, "dataset": Dataset}.get(subject.kind)
    try:
        factory = subject.spec.load()
    except BenchError as error:
        raise Broken(one_line(error), "name an importable `module:Class` as the factory") from error
    if wanted and not (isinstance(factory, type) and issubclass(factory, wanted)):
        raise Broken(
            f"{subject.spec.factory} is {factory!r}",
            f"make it a subclass of bench.contracts.{wanted.__name__}",
        )
    left = sorted(getattr(factory, "__abstractmethods__", ()))
    if left:
        raise Broken(f"{subject.spec.factory} leaves {', '.join(left)} undefined", "define them")
    if not callable(factory):
        raise Broken(
            f"{subject.spec.factory} can't be called", "name a class or a function as the factory"
        )
    return None


def describes_itself(subject: SpecSubject) -> str | None:
    """The spec has a name that method strings can hold, a summary of one line, a version, and help
    for every parameter."""
    spec = subject.spec
    if not NAME.fullmatch(spec.name):
        raise Broken(
            f"the name is {spec.name!r}", "use lower-case words and digits, joined by hyphens"
        )
    for label, text in (("summary", spec.summary), ("version", spec.version)):
        if not text.strip() or "\n" in text:
            raise Broken(f"the {label} is {text!r}", f"set {label} to one line of text")
    for parameter in spec.parameters:
        if not parameter.help.strip():
            raise Broken(
                f"parameter {parameter.name} has no help",
                "say in one line what it is, its unit and what its words mean",
            )
    return None


def names_its_source(subject: SpecSubject) -> str | None:
    """Licence and citation are given: methods and data sets have a licence of their own (else the
    distribution's counts), methods and metrics a citation."""
    spec = subject.spec
    if not spec.licence.strip() and (
        subject.kind in ("method", "dataset") or not _licence_of(subject.owner)
    ):
        raise Broken(
            "the spec has no licence",
            "set `licence` to an SPDX name, such as Apache-2.0, or say in words who may use it",
        )
    if not spec.citation.strip() and subject.kind in ("method", "metric"):
        raise Broken(
            "the spec has no citation",
            "set `citation` to the paper, or to 'own work' where there is none",
        )
    return None


def parameters_round_trip(subject: SpecSubject) -> str | None:
    """Parameters survive being written as `name[key=value]` and read again; unknown ones are
    refused."""
    spec = subject.spec
    names = [p.name for p in spec.parameters]
    if twice := next((name for name in names if names.count(name) > 1), ""):
        raise Broken(
            f"parameter {twice} is declared twice", "give each parameter a name of its own"
        )
    _resolved(spec, typical(spec))
    values = _resolved(spec, typical(spec) | dict(tested(spec)) | dict(subject.given))
    written = notation.write(
        spec.name, {name: value for name, value in values.items() if value not in (None, "")}
    )
    try:
        again = spec.resolve(dict(notation.parse(written).given))
    except BenchError as error:
        raise Broken(
            f"{written} is read as: {one_line(error)}",
            "choose names of letters, digits and underscores",
        ) from error
    if again != values:
        name = next(n for n in values if again[n] != values[n])
        raise Broken(
            f"{name}={values[name]!r} is read from {written} as {again[name]!r}",
            "let the default have the declared type",
        )
    _refuses_unknown(spec)
    return None


def _refuses_unknown(spec: Spec) -> None:
    try:
        spec.resolve({"no-such-parameter": "1", **typical(spec)})
    except BenchError:
        return
    raise Broken(
        "no-such-parameter=1 is accepted",
        "don't override Spec.resolve: it refuses what is not declared",
    )


RULES: tuple[Rule, ...] = tuple(
    Rule(check)
    for check in (registers_light, loads, describes_itself, names_its_source, parameters_round_trip)
)


def tested(spec: Spec) -> Mapping[str, Any]:
    """The tiny parameters that a method declares for tests."""
    return spec.test_parameters if isinstance(spec, MethodSpec) else {}


def typical(spec: Spec) -> dict[str, Any]:
    """A value for each parameter that has no default."""
    return {p.name: next(others(p)) for p in spec.parameters if p.required}


def others(parameter: Parameter) -> Iterator[Any]:
    """Valid values of a parameter that are not its default."""
    for value in _candidates(parameter):
        try:
            if parameter.convert(value, "") != parameter.default:
                yield parameter.convert(value, "")
        except BenchError:
            continue


def _candidates(parameter: Parameter) -> Iterator[Any]:
    yield from parameter.choices
    if parameter.type == "bool":
        yield from (True, False)
    elif parameter.type in ("int", "float"):
        default = parameter.default
        start = (
            default
            if isinstance(default, int | float) and not isinstance(default, bool)
            else parameter.minimum or 1
        )
        yield from (
            start + 1,
            start * 2,
            start / 2,
            start - 1,
            parameter.minimum or 0,
            parameter.maximum or 1,
        )
    elif not parameter.choices:
        yield (
            f"{parameter.default or 'another'}-one"
            if parameter.type != "method"
            else f"{parameter.default}[x=1]"
        )
    yield from parameter.allow


def _resolved(spec: Spec, given: Mapping[str, Any]) -> dict[str, Any]:
    try:
        return spec.resolve(given)
    except BenchError as error:
        mend = "let defaults and test_parameters fit the declared types and ranges"
        raise Broken(one_line(error), mend) from error


def _licence_of(owner: Plugin | None) -> str:
    """What the distribution's metadata say; something where there is no distribution."""
    from importlib.metadata import PackageNotFoundError, metadata

    if owner is None:
        return "not registered"
    try:
        found = metadata(owner.distribution)
    except PackageNotFoundError:
        return "not installed"
    return next((str(found[key]) for key in ("License-Expression", "License") if key in found), "")


def documents_itself(subject: SpecSubject) -> str | None:
    """A metric's spec says what its columns are (`variants`), how they are computed (`formula`) and
    how it can be gamed."""
    spec = subject.spec
    assert isinstance(spec, MetricSpec)
    for name in ("variants", "formula", "gaming"):
        if not getattr(spec, name):
            raise Broken(
                f"the spec has no {name}",
                f"set `{name}`: readers of a table need it, and `bench show` prints it",
            )
    return None
