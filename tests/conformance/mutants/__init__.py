"""A healthy plugin of every kind, and broken ones: each breaks one rule of the conformance kit.
Loaded as a local plugin.

`MUTANTS` says which check has to catch which.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from bench.hookspecs import hookimpl
from bench.specs import (
    DatasetSpec,
    ExecutorSpec,
    MethodSpec,
    MetricSpec,
    Parameter,
    ProtocolSpec,
    ReportSpec,
    Spec,
)


class Lenient(MethodSpec):
    """Takes what nobody declared."""

    def resolve(self, given: Mapping[str, Any]) -> dict[str, Any]:
        return super().resolve(
            {
                name: value
                for name, value in given.items()
                if name in {p.name for p in self.parameters}
            }
        )


@dataclass(frozen=True)
class Mutant:
    """The check that catches it, and what its spec has otherwise than the healthy one."""

    check: str
    changes: Mapping[str, Any] = field(default_factory=dict)


SPREAD = Parameter(
    "spread", "float", 1.0, "deviations of the training photographs' mean colours", minimum=0
)
FLAVOUR = Parameter("flavour", "str", "plain", "nothing depends on it", ("plain", "bitter"))
METHOD = MethodSpec(
    name="healthy",
    summary="one tint for the whole photograph",
    factory=".methods:Healthy",
    parameters=(SPREAD, FLAVOUR),
    present_kind="iid",
    capabilities=frozenset({"sample", "mean"}),
    licence="Apache-2.0",
    citation="own work",
    test_parameters={"spread": 0.5},
)
METRIC = MetricSpec(
    name="healthy-error",
    summary="mean error",
    factory=".metrics:HealthyError",
    unit="ab",
    direction="down",
    accepts=frozenset({"iid", "modes", "centroids", "point", "reconstruction"}),
    variants={"error": "mean absolute error"},
    headline="error",
    formula="mean of |x - y|",
    gaming="a dull mean beats a sampler",
    citation="own work",
)
DATASET = DatasetSpec(
    name="healthy-set",
    summary="drawn",
    factory=".others:Healthy",
    licence="Apache-2.0",
    known_law=True,
)
REPORT = ReportSpec(name="healthy-report", summary="writes nothing", factory=".others:report")
PROTOCOL = ProtocolSpec(name="healthy-protocol", summary="k = 3", factory=".others:protocol")
EXECUTOR = ExecutorSpec(
    name="healthy-executor", summary="one after the other", factory=".others:executor"
)

MODES = {"present_kind": "modes"}
MUTANTS: dict[str, dict[str, Mutant]] = {
    "method": {
        "NoSuchClass": Mutant("loads"),
        "NotAMethod": Mutant("loads"),
        "Unfinished": Mutant("loads"),
        "no-summary": Mutant("describes-itself", {"summary": ""}),
        "Capital-Name": Mutant("describes-itself"),
        "no-help": Mutant("describes-itself", {"parameters": (replace(SPREAD, help=" "), FLAVOUR)}),
        "no-licence": Mutant("names-its-source", {"licence": ""}),
        "no-citation": Mutant("names-its-source", {"citation": ""}),
        "odd-name": Mutant(
            "parameters-round-trip", {"parameters": (SPREAD, replace(FLAVOUR, name="fla[vour"))}
        ),
        "odd-type": Mutant(
            "parameters-round-trip", {"parameters": (replace(SPREAD, default="much"), FLAVOUR)}
        ),
        "lenient": Mutant("parameters-round-trip"),
        "ReadsInConstructor": Mutant("constructor-only-stores"),
        "BuildsInConstructor": Mutant("constructor-only-stores"),
        "RollsInConstructor": Mutant("constructor-only-stores"),
        "ForgetsParameter": Mutant("constructor-only-stores"),
        "LacksParameter": Mutant("constructor-only-stores"),
        "JudgesInConstructor": Mutant("constructor-only-stores"),
        "SaysFalse": Mutant("incompatible-gives-a-reason"),
        "RaisesInFit": Mutant("fits"),
        "NeverEnds": Mutant("fits"),
        "Dies": Mutant("fits"),
        "OddNotes": Mutant("fits"),
        "WantsMany": Mutant("fits"),
        "RaisesInPredict": Mutant("answers"),
        "Doubles": Mutant("shapes"),
        "Small": Mutant("shapes"),
        "OneTooMany": Mutant("shapes"),
        "Infinite": Mutant("finite-and-in-range"),
        "Scaled": Mutant("finite-and-in-range"),
        "HeavyWeights": Mutant("weights-sum-to-one", MODES),
        "ChangesGrey": Mutant("inputs-untouched"),
        "SeedsTorch": Mutant("random-state-untouched"),
        "RollsNumpy": Mutant("random-state-untouched"),
        "SetsThreads": Mutant("settings-untouched"),
        "SetsThreadsLater": Mutant("settings-untouched"),
        "Forgetful": Mutant("same-seed-same-samples"),
        "SeedBlind": Mutant("other-seed-other-samples"),
        "ByPlace": Mutant("order-changes-nothing"),
        "ByBatch": Mutant("batch-size-changes-nothing"),
        "NoPrefix": Mutant("first-five-of-ten"),
        "Repelled": Mutant("draws-depend-on-their-own-seed"),
        "Mirrored": Mutant("draws-are-independent"),
        "Clustered": Mutant("draws-are-independent"),
        "Widening": Mutant("draws-are-independent"),
        "SameSize": Mutant("draws-are-independent"),
        "DrawsAsModes": Mutant("kind-is-true", MODES),
        "WrongName": Mutant("kind-is-true"),
        "SeveralPoints": Mutant("kind-is-true", {"present_kind": "point"}),
        "FewDrawn": Mutant("kind-is-true", {"present_kind": "centroids"}),
        "no-features": Mutant(
            "capabilities-are-true", {"capabilities": frozenset({"sample", "mean", "features"})}
        ),
        "hidden-mean": Mutant("capabilities-are-true", {"capabilities": frozenset({"sample"})}),
        "dreams": Mutant(
            "capabilities-are-true", {"capabilities": frozenset({"sample", "mean", "dream"})}
        ),
        "AtRandom": Mutant("one-seed-one-fit"),
        "Pickles": Mutant("saves-safetensors-and-json"),
        "Renamed": Mutant("saves-safetensors-and-json"),
        "ForgetsToLoad": Mutant("loads-what-it-saved"),
        "KeptInMemory": Mutant("works-in-a-fresh-process"),
        "LeavesDaemon": Mutant("leaves-no-process"),
    },
    "metric": {
        "no-gaming": Mutant("documents-itself", {"gaming": ""}),
        "NeedsFile": Mutant("can-be-made"),
        "NoSingles": Mutant("accepts-what-it-declares"),
        "strange-kind": Mutant(
            "accepts-what-it-declares", {"accepts": frozenset({"iid", "draws"})}
        ),
        "Undeclared": Mutant("columns-as-declared"),
        "no-headline": Mutant("columns-as-declared", {"headline": "mean"}),
        "not-given": Mutant("columns-as-declared", {"variants": {"error": "", "square": ""}}),
        "Sometimes": Mutant(
            "same-columns-in-every-batch",
            {"variants": {"error": "", "several": "of large batches"}},
        ),
        "NeedsTwo": Mutant("finite"),
        "InPlace": Mutant("inputs-untouched"),
        "SeedsNumpy": Mutant("states-untouched"),
        "Noisy": Mutant("same-again"),
        "SpoilsShared": Mutant("shared-work-untouched"),
        "wrong-way": Mutant("direction-is-right", {"direction": "up"}),
        "FirstOnly": Mutant("order-of-samples-changes-nothing"),
        "OfTheBatch": Mutant("batch-size-changes-nothing"),
        "NoCards": Mutant("missing-values"),
        "SkipsNan": Mutant("missing-values"),
        "Half": Mutant("agrees-with-reference"),
    },
    "dataset": {
        "Unsorted": Mutant("lists-its-photographs"),
        "NewSignature": Mutant("lists-its-photographs"),
        "SkipsOne": Mutant("reads-what-it-lists"),
        "Overlapping": Mutant("splits-without-overlap"),
        "Shares": Mutant("photographs-in-units"),
        "OtherLaw": Mutant("law-fits-its-photographs"),
    },
    "report": {"alone": Mutant("can-be-called", {"factory": ".others:alone"})},
    "protocol": {"no-protocol": Mutant("makes-a-protocol", {"factory": ".others:no_protocol"})},
    "executor": {
        "no-executor": Mutant("does-every-task-once", {"factory": ".others:no_protocol"}),
        "GivesTheSame": Mutant("does-every-task-once"),
    },
}
HEALTHY: dict[str, Spec] = {
    "method": METHOD,
    "metric": METRIC,
    "dataset": DATASET,
    "report": REPORT,
    "protocol": PROTOCOL,
    "executor": EXECUTOR,
}
MODULES = {"method": ".methods", "metric": ".metrics"}


def name_of(kind: str, key: str) -> str:
    """The mutant's name: of `ByBatch`, a method, `mutant-bybatch`."""
    return key if key == "Capital-Name" else f"mutant-{key.lower()}"


def specs(kind: str) -> list[Spec]:
    """The healthy one and its mutants. Keys in capitals are classes."""
    made = [HEALTHY[kind]]
    for key, mutant in MUTANTS[kind].items():
        own = (
            {"factory": f"{MODULES.get(kind, '.others')}:{key}"}
            if key[0].isupper() and "-" not in key
            else {}
        )
        made.append(replace(_base(kind, key), name=name_of(kind, key), **own, **mutant.changes))
    return made


def _base(kind: str, key: str) -> Spec:
    base = HEALTHY[kind]
    return (
        Lenient(**{name: getattr(base, name) for name in base.__dataclass_fields__})
        if key == "lenient"
        else base
    )


@hookimpl
def bench_register_methods():
    return specs("method")


@hookimpl
def bench_register_metrics():
    return specs("metric")


@hookimpl
def bench_register_datasets():
    return specs("dataset")


@hookimpl
def bench_register_reports():
    return specs("report")


@hookimpl
def bench_register_protocols():
    return specs("protocol")


@hookimpl
def bench_register_executors():
    return specs("executor")
