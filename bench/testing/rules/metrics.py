"""The rules for metrics."""

from __future__ import annotations

from bench.testing.results import Rule
from bench.testing.rules import metric_rules as metrics
from bench.testing.rules.spec_rules import documents_itself

SCORES = ("accepts-what-it-declares",)
REPEATS = ("same-again",)

RULES: tuple[Rule, ...] = (
    Rule(documents_itself),
    Rule(metrics.can_be_made, ("loads", "parameters-round-trip")),
    Rule(metrics.accepts_what_it_declares, ("can-be-made",)),
    Rule(metrics.columns_as_declared, (*SCORES, "documents-itself")),
    Rule(metrics.same_columns_in_every_batch, SCORES),
    Rule(metrics.finite, SCORES),
    Rule(metrics.inputs_untouched, SCORES),
    Rule(metrics.states_untouched, SCORES),
    Rule(metrics.same_again, (*SCORES, "inputs-untouched", "states-untouched")),
    Rule(metrics.shared_work_untouched, REPEATS),
    Rule(metrics.direction_is_right, (*REPEATS, "columns-as-declared", "finite")),
    Rule(metrics.order_of_samples_changes_nothing, REPEATS),
    Rule(
        metrics.batch_size_changes_nothing,
        (*REPEATS, "same-columns-in-every-batch", "columns-as-declared"),
    ),
    Rule(metrics.missing_values, ("batch-size-changes-nothing",)),
    Rule(
        metrics.agrees_with_reference,
        ("finite", "order-of-samples-changes-nothing", "batch-size-changes-nothing"),
    ),
)
