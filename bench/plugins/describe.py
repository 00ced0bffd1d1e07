"""What plugins say of themselves, as text: for `bench show`, and the pages of the documentation
made from it."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Mapping

from bench.plugins import local
from bench.specs import MetricSpec, Parameter, Spec

KINDS = {
    "iid": "independent draws",
    "modes": "modes",
    "centroids": "centroids",
    "point": "point estimates",
    "reconstruction": "reconstructions",
}
DIRECTIONS = {
    "up": "higher is better",
    "down": "lower is better",
    "target": "best at its target",
    "none": "neither high nor low is better by itself",
}
NEEDS = {"law": "a known law P(C | G)", "log_prob": "the method's density"}


def describe(spec: Spec) -> str:
    """A spec as lines of text: what it is, what it takes, where it comes from."""
    return metric(spec) if isinstance(spec, MetricSpec) else _plain(spec)


def metric(spec: MetricSpec) -> str:
    """A metric's section of `docs/metrics.md`, Markdown."""
    lines = [f"### `{spec.name}`", f"{spec.summary[0].upper()}{spec.summary[1:]}.", ""]
    facts = {
        "Formula": spec.formula,
        "Takes": _takes(spec),
        "Unit": spec.unit,
        "Direction": DIRECTIONS[spec.direction],
        "Reference": spec.citation,
        "How it can be gamed": spec.gaming,
        "Checked against": spec.checked,
    }
    lines += [f"* **{name}:** {text}" for name, text in facts.items() if text]
    if spec.variants:
        lines += [
            "* **Variants:**",
            *(f"  * `{name}`: {text}" for name, text in spec.variants.items()),
        ]
    if spec.parameters:
        lines += ["* **Parameters:**", *(f"  * {parameter(p)}" for p in spec.parameters)]
    if spec.optional:
        lines += ["* **Optional:** computed only when it is named with `--metrics`."]
    return "\n".join(lines)


MARK = "<!-- What follows is written by `python -m bench.plugins.describe docs/metrics.md`. -->"


def metrics_page(page: str, specs: Mapping[str, Spec]) -> str:
    """`docs/metrics.md` with every metric's section, written anew, after the mark."""
    introduction = page.partition(MARK)[0].rstrip()
    return (
        "\n\n".join([introduction, MARK, *(describe(specs[name]) for name in sorted(specs))]) + "\n"
    )


def parameter(p: Parameter) -> str:
    """A parameter on one line."""
    choices = f" ({', '.join(p.choices)})" if p.choices else ""
    return f"`{p.name}={p.default}` {p.type}{choices}: {p.help}"


def factory(spec: Spec) -> str:
    """Where a spec's factory is: `module:name`; of a local file, whose module's name says nothing
    to a reader, `file:name`. BenchError where it can't be imported."""
    module, _, name = spec.factory.partition(":")
    if not module.startswith(local.PREFIX):
        return spec.factory
    spec.load()
    return f"{inspect.getfile(sys.modules[module])}:{name}"


def documentation(spec: Spec) -> str:
    """The docstring of what a spec's factory makes."""
    return inspect.cleandoc(spec.load().__doc__ or "") or "none"  # its own, not a base class's


def _takes(spec: MetricSpec) -> str:
    kinds = " or ".join(text for kind, text in KINDS.items() if kind in spec.accepts)
    least = f", at least {spec.least}" if spec.least > 1 else ""
    needs = f"; needs {' and '.join(NEEDS[n] for n in sorted(spec.needs))}" if spec.needs else ""
    return kinds + least + needs


def _plain(spec: Spec) -> str:
    lines = [spec.summary]
    for label in ("citation", "licence", "role", "present_kind", "density"):
        if getattr(spec, label, ""):
            lines.append(f"{label.replace('_', ' ')}: {getattr(spec, label)}")
    return "\n".join(lines + [parameter(p).replace("`", "", 2) for p in spec.parameters])


if __name__ == "__main__":
    from pathlib import Path

    from bench.plugins.loader import registry
    from bench.store.files import write_text

    path = Path(sys.argv[1])
    write_text(path, metrics_page(path.read_text("utf-8"), registry().specs["metrics"]))
