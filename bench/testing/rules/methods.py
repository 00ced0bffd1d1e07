"""The rules for methods."""

from __future__ import annotations

from bench.testing.results import Rule
from bench.testing.rules import draw_rules as draws
from bench.testing.rules import method_rules as methods

REPEATS = ("same-seed-same-samples",)

RULES: tuple[Rule, ...] = (
    Rule(methods.constructor_only_stores, ("loads", "parameters-round-trip")),
    Rule(methods.incompatible_gives_a_reason, ("constructor-only-stores",)),
    Rule(methods.fits, ("loads", "parameters-round-trip", "incompatible-gives-a-reason")),
    Rule(draws.answers, ("fits",)),
    Rule(draws.shapes, ("answers",)),
    Rule(draws.finite_and_in_range, ("answers",)),
    Rule(draws.weights_sum_to_one, ("answers",)),
    Rule(draws.inputs_untouched, ("answers",)),
    Rule(methods.random_state_untouched, ("answers",)),
    Rule(methods.settings_untouched, ("answers",)),
    Rule(
        draws.same_seed_same_samples, ("answers", "finite-and-in-range", "random-state-untouched")
    ),
    Rule(draws.other_seed_other_samples, REPEATS),
    Rule(draws.order_changes_nothing, REPEATS),
    Rule(draws.batch_size_changes_nothing, ("order-changes-nothing",)),
    Rule(draws.first_five_of_ten, (*REPEATS, "shapes")),
    Rule(draws.draws_depend_on_their_own_seed, (*REPEATS, "shapes", "other-seed-other-samples")),
    Rule(
        draws.draws_are_independent,
        (
            "draws-depend-on-their-own-seed",
            "order-changes-nothing",
            "batch-size-changes-nothing",
            "shapes",
        ),
    ),
    Rule(draws.kind_is_true, (*REPEATS, "shapes")),
    Rule(methods.capabilities_are_true, ("answers",)),
    Rule(methods.one_seed_one_fit, REPEATS),
    Rule(methods.saves_safetensors_and_json, ("answers",)),
    Rule(methods.loads_what_it_saved, (*REPEATS, "saves-safetensors-and-json")),
    Rule(methods.works_in_a_fresh_process, ("loads-what-it-saved", "one-seed-one-fit")),
    Rule(methods.leaves_no_process, ("fits",)),
)
