"""The adversary suite: no cheat ranks above the true law, and draws that depend on one another are
refused."""

import numpy as np
import pytest

import bench
from bench.methods.cheat import CHEATS

SETS = ("law-palette", "law-coupled", "law-hue")
DEPENDENT = ("centroids", "repelled", "mirrored")
SAME_LAW = {("halves", "law-palette")}
"""Where objects lie in quarters of the picture, halves of two draws are a draw."""


def compare(folder, cheats, scenes):
    """Differences from the true law, by metric, cheat and set, and what failed."""
    result = bench.run(
        methods=("true-law", *(f"cheat[how={how}]" for how in cheats)),
        datasets=SETS,
        limit_test=scenes,
        limit_train=16,
        metrics=("fair-energy-score", "fair-variogram-score"),
        figures=("none",),
        store=folder / "store",
        out=folder / "run",
    )
    failed = {(c.method, c.dataset): c.reason for c in result.cells if c.status != "done"}
    done = result.scores.query("status == 'done' and ask == 'draws'")
    table = done.pivot_table(
        index=["metric", "dataset", "image"], columns="method", values="value", observed=True
    )
    return table.sub(table["true-law"], axis=0).drop(columns="true-law"), failed


def above(differences):
    """Mean and standard error."""
    return differences.mean(), differences.std(ddof=1) / np.sqrt(len(differences))


@pytest.fixture(scope="module")
def few(tmp_path_factory):
    return compare(tmp_path_factory.mktemp("few"), CHEATS, 24)


def test_draws_that_depend_on_one_another_are_refused(few):
    differences, failed = few
    expected = {(f"cheat[how={how}]", name) for how in DEPENDENT for name in SETS}
    assert set(failed) == expected
    assert all("draws must depend on their own seed only" in reason for reason in failed.values())
    assert len(differences.columns) == len(CHEATS) - len(DEPENDENT)


@pytest.mark.parametrize("how", [how for how in CHEATS if how not in DEPENDENT])
def test_no_cheat_beats_the_true_law(few, how):
    energy = few[0].loc["fair-energy-score", f"cheat[how={how}]"].dropna()
    for name in SETS:
        mean, error = above(energy[name])
        assert mean > -2.5 * error, name
    mean, error = above(energy)
    assert mean > -error


@pytest.mark.parametrize("how", ["speckle", "noise"])
def test_the_variogram_score_sees_what_the_energy_score_hardly_does(few, how):
    for metric, least in (("fair-variogram-score", 3.0), ("fair-energy-score", -1.0)):
        mean, error = above(few[0].loc[metric, f"cheat[how={how}]"].dropna())
        assert mean > least * error, metric


@pytest.mark.slow
def test_every_cheat_is_worse_than_the_true_law_on_all_sets(tmp_path):
    honest = [how for how in CHEATS if how not in DEPENDENT]
    differences, failed = compare(tmp_path, honest, None)
    assert not failed
    for how in honest:
        for name in SETS:
            mean, error = above(
                differences.loc[("fair-energy-score", name), f"cheat[how={how}]"].dropna()
            )
            assert mean > (-2 * error if (how, name) in SAME_LAW else 0), (how, name)
