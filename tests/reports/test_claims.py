"""Draws whose independence is claimed, not checked, are marked wherever fair scores and ranks are
shown."""

import numpy as np
import pytest

from bench.methods.precomputed import bench_register_methods
from bench.output import Output
from bench.reports import overview, ranking, score_differences, score_tables
from bench.reports.cautions import cautions
from bench.reports.scores import gather
from bench.results.compare import compare

from ..manifests import make_manifest

FAIR = {
    ("fair-energy-score", "field"): 0.3,
    ("fair-variogram-score", "grid"): 0.2,
    ("colourfulness", "mean-of-n"): 20,
}
SENTENCE = "that their draws are independent is claimed by whoever made them, not checked"


def cell(method, claims):
    asks = [
        {"ask": "present", "shards": [], "refused": ""},
        {"ask": "draws", "shards": [], "refused": ""},
    ]
    return {
        "dataset": "lfw",
        "method": method,
        "status": "done",
        "seed": 0,
        "claims_draws": claims,
        "asks": asks,
    }


@pytest.fixture
def results(make, tmp_path):
    rng = np.random.default_rng(0)
    rows = []
    for method in ("files[kind=iid]", "mdn"):
        scores = {column: level + 0.1 * rng.normal(size=30) for column, level in FAIR.items()}
        rows += make.draws(method, scores) + make.rows(
            method, {("error-of-best", "sum", "all"): rng.random(30)}
        )
    notes = {"files[kind=iid]": {"caution": "two files are one"}, "mdn": {"loss": 0.1}}
    same = {
        "method": "m",
        "version": "1",
        "parameters": {},
        "dataset": "lfw",
        "seed": 0,
        "requires": {},
    }
    fits = [
        same | {"key": "ab" * 32, "label": label, "notes": some} for label, some in notes.items()
    ]
    return make.results(
        tmp_path / "run", rows, cells=[cell("files[kind=iid]", True), cell("mdn", False)], fits=fits
    )


@pytest.mark.parametrize(
    ("report", "files"),
    [
        (
            ranking,
            ("ranking.md", "ranking.csv", "ranking.html", "ranking.tex", "ranking-differences.csv"),
        ),
        (overview, ("overview.md", "overview.csv")),
        (score_tables, ("realism.md", "realism.csv")),
    ],
)
def test_tables_of_draws_mark_the_one_that_claims(report, files, results, tmp_path):
    report.write([results], Output(tmp_path))
    for name in files:
        text = (tmp_path / "tables" / name).read_text()
        assert "files[kind=iid] (claimed)" in text.replace("{[}", "[").replace("{]}", "]"), name
        assert "mdn (claimed)" not in text
        assert name.endswith(".csv") or SENTENCE in text, name


def test_what_is_presented_carries_no_mark(results):
    assert [e.label for e in gather([results], None, ["colourizer"])["lfw"]] == [
        "files[kind=iid]",
        "mdn",
    ]
    assert [e.label for e in gather([results], None, ["colourizer"], draws=True)["lfw"]] == [
        "files[kind=iid] (claimed)",
        "mdn",
    ]


def test_the_figure_of_differences_says_so(results):
    entries = gather([results], None, ["colourizer"], draws=True)["lfw"]
    forest = score_differences._forest("lfw", entries)
    assert SENTENCE in forest.remarks("fair energy score").replace("\n", " ")
    without = score_differences._forest("lfw", entries[1:])
    assert "claimed" not in without.remarks("fair energy score")


def test_cautions_name_claims_and_what_a_fit_says_of_itself(results):
    texts = [caution.text for caution in cautions([results])]
    assert (
        f"files[kind=iid]: {SENTENCE}; fair scores and ranks hold only as far as it is true"
        in texts
    )
    assert "files[kind=iid] on lfw: two files are one" in texts
    assert not any(text.startswith("mdn") for text in texts)


def test_cautions_tell_what_a_data_set_says_of_itself_and_where_there_are_too_few_photographs(
    results,
):
    assert not any(caution.text.startswith("lfw:") for caution in cautions([results]))
    few = {"lfw": {"plugin": "demo", "test": {"photographs": 5}}}
    results.manifest = make_manifest(datasets=few)
    texts = [caution.text for caution in cautions([results])]
    assert texts[0].startswith(
        "lfw: crops of six photographs, which training and test crops share: this shows how things "
        "work"
    )
    assert texts[1] == "lfw: 5 test photographs: too few to show anything"


def test_a_comparison_of_runs_says_so(results):
    remarks = compare(results, results).remarks
    assert [r for r in remarks if "claimed" in r] == [
        f"files[kind=iid] in {name}: {SENTENCE}" for name in "AB"
    ]


def test_the_mark_follows_from_the_spec():
    (spec,) = bench_register_methods()
    assert spec.claims_draws
    assert spec.role == "colourizer"
