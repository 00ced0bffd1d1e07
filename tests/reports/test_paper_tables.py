"""Tables 1 and 2."""

import numpy as np
import pandas as pd
import pytest

from bench.output import Output
from bench.reports.paper_tables import write


def codec(make, loss, shift=0.0, n=40, *, method=None, **more):
    rng = np.random.default_rng(3)
    error = rng.gamma(6, 0.01, n) * (1 + shift) + rng.normal(0, 0.001, n)
    values = {
        ("absolute-error", prefix + variant, region): error
        * factor
        * weight
        * (1.1 if region == "grid" else 1)
        for prefix, weight in (("", 1), ("weighted-", 90))
        for variant, factor in (("sum", 1), ("mean", 0.5))
        for region in ("all", "grid")
    }
    more = {"parameters": {"loss": loss, "d": 64}, **more}
    return make.rows(
        method or f"vae[loss={loss}]", values, role="codec", kind="reconstruction", k=1, **more
    )


@pytest.fixture
def three(make, tmp_path):
    rows = [*codec(make, "l2"), *codec(make, "mah", 0.2), *codec(make, "full", -0.1, method="vae")]
    return make.results(tmp_path / "run", rows)


def test_numbers_agree_with_an_independent_computation(three, tmp_path):
    write([three], Output(tmp_path))
    ours = pd.read_csv(tmp_path / "tables/paper-table-2.csv").set_index(
        ["convention", "loss", "region"]
    )
    scores = three.scores[three.scores.variant == "weighted-mean"]
    for (method, region), rows in scores.groupby(["method", "region"]):
        loss = {"vae": "full"}.get(method, method[9:-1])
        line = ours.loc["mean", loss, region]
        assert line.error_mean == pytest.approx(rows.value.mean())
        resampled = np.random.default_rng(9).choice(rows.value, (4000, len(rows))).mean(axis=1)
        assert [line.error_low, line.error_high] == pytest.approx(
            np.quantile(resampled, [0.025, 0.975]), rel=0.02
        )


def test_differences_are_paired_and_relative_to_l2(three, tmp_path):
    write([three], Output(tmp_path))
    found = pd.read_csv(tmp_path / "tables/paper-table-1-differences.csv").set_index(
        ["convention", "loss", "region"]
    )
    wide = three.scores[(three.scores.variant == "sum") & (three.scores.region == "all")]
    wide = wide.pivot_table(index="image", columns="method", values="value")
    change = wide["vae[loss=mah]"] - wide["vae[loss=l2]"]
    line = found.loc["sum", "mah", "all"]
    assert line.difference_mean == pytest.approx(change.mean())
    assert line.percent_mean == pytest.approx(100 * change.mean() / wide["vae[loss=l2]"].mean())
    assert line.improve == pytest.approx((change < 0).mean())
    assert line.difference_low < line.difference_mean < line.difference_high
    assert set(found.reset_index().loss) == {"mah", "full"}


def test_the_page_shows_the_differences_of_the_convention_sum(three, tmp_path):
    write([three], Output(tmp_path))
    for number, metric in ((1, "sum"), (2, "weighted-sum")):
        text = (tmp_path / f"tables/paper-table-{number}.md").read_text()
        shown = text.split(f"**Table {number}, differences from L2")[1].split("as published")[0]
        lines = [
            [cell.strip() for cell in line[1:-1].split("|")]
            for line in shown.splitlines()
            if line.startswith("| lfw")
        ]
        assert [line[:4] for line in lines] == [
            ["lfw", "vae", loss, pixels]
            for loss in ("Mah", "Mah + Colour + Grad")
            for pixels in ("All", "Grid")
        ]
        scores = three.scores[(three.scores.variant == metric) & (three.scores.region == "all")]
        mean = scores.groupby("method").value.mean()
        change = mean["vae[loss=mah]"] - mean["vae[loss=l2]"]
        assert float(lines[0][4].split(" [")[0]) == pytest.approx(change, rel=2e-3)
        assert lines[0][5].startswith(f"{100 * change / mean['vae[loss=l2]']:+.1f} [")
        assert [line[6:] for line in lines] == [["0%", "higher", "40"]] * 2 + [
            ["100%", "lower", "40"]
        ] * 2


def test_the_layout_is_the_papers(three, tmp_path):
    first, second = (path for path in write([three], Output(tmp_path)) if path.suffix == ".md")
    text = first.read_text()
    header = "| Data set | Codec | L2, All | L2, Grid | Mah, All | Mah, Grid | Mah + Colour + Grad, All |"
    assert text.count(header) == 2  # one a convention
    assert "Protocol `paper`" in text
    assert "lfw: 30 test and 1,234 training photographs" in text
    assert "divided by 128" in text
    assert "preset tiny" in text
    assert "lower is better" in text
    assert "weighted" in second.read_text()


def test_published_values_stand_apart_and_only_for_known_sets(make, three, tmp_path):
    text = write([three], Output(tmp_path))[0].read_text()
    ours, published = text.split("as published, not measured here")
    assert "| lfw | .079 | .095 | .077 | .079 | .067 | .069 |" in published
    assert ".079 |" not in ours
    assert "church" not in published
    other = make.results(tmp_path / "other", codec(make, "l2", dataset="mine"), ("mine",))
    assert "as published" not in write([other], Output(tmp_path / "b"))[0].read_text()


def test_another_configuration_has_its_own_row_and_its_own_l2(make, tmp_path):
    d16 = {"loss": "l2", "d": 16}
    rows = [*codec(make, "l2"), *codec(make, "l2", 0.5, method="vae[d=16,loss=l2]", parameters=d16)]
    rows += codec(make, "mah", 0.5, method="vae[d=16,loss=mah]", parameters=d16 | {"loss": "mah"})
    write([make.results(tmp_path / "run", rows)], Output(tmp_path))
    found = pd.read_csv(tmp_path / "tables/paper-table-1-differences.csv")
    assert set(found.codec) == {"vae[d=16]"}
    assert "| lfw | vae[d=16] |" in (tmp_path / "tables/paper-table-1.md").read_text()


def test_a_codec_without_a_loss_is_shown(make, tmp_path):
    rows = codec(make, "l2", method="pca[d=8]", parameters={"d": 8})
    text = write([make.results(tmp_path / "run", rows)], Output(tmp_path))[0].read_text()
    assert "| lfw | pca[d=8] |" in text
    assert "Other codec, All" in text


def test_a_failed_codec_is_shown_with_its_reason(make, three, tmp_path):
    failed = make.failed(
        "vae[loss=mah]",
        "out of\nmemory | at 3",
        dataset="church",
        role="codec",
        parameters={"loss": "mah", "d": 64},
    )
    rows = [*three.scores.to_dict("records"), failed]
    text = write([make.results(tmp_path / "run", rows, ("lfw", "church"))], Output(tmp_path))[
        0
    ].read_text()
    assert "| church | vae | – | – | failed (1) | failed (1) | – | – |" in text
    assert "(1) vae[loss=mah] on church, seed 0: failed: out of memory \\| at 3" in text
    values = pd.read_csv(tmp_path / "tables/paper-table-1.csv")
    assert set(values[values.dataset == "church"].status) == {"failed"}


def test_results_without_codecs_give_no_file(make, tmp_path):
    rows = make.rows("mdn", {("variance", "ab", "all"): np.ones(4)})
    assert write([make.results(tmp_path / "run", rows)], Output(tmp_path)) == []
    assert not (tmp_path / "tables").exists()


def test_unweighted_scores_alone_give_table_1_alone(make, three, tmp_path):
    rows = [r for r in three.scores.to_dict("records") if not r["variant"].startswith("weighted")]
    names = {p.name for p in write([make.results(tmp_path / "run", rows)], Output(tmp_path))}
    assert "paper-table-1.md" in names
    assert "paper-table-2.md" not in names


def test_the_best_loss_and_those_not_told_from_it_are_bold(make, tmp_path, three):
    write([three], Output(tmp_path))
    rows = [
        line
        for line in (tmp_path / "tables/paper-table-1.md").read_text().splitlines()
        if line.startswith("| lfw | vae")
    ]
    cells = [cell.strip() for cell in rows[0].split("|")[3:-1]]
    assert [cell.startswith("**") for cell in cells] == [
        False,
        False,
        False,
        False,
        True,
        True,
    ]  # full has the least error
    tied = make.results(tmp_path / "tied", [*codec(make, "l2"), *codec(make, "mah", 0.0)])
    write([tied], Output(tmp_path))
    rows = [
        line
        for line in (tmp_path / "tables/paper-table-1.md").read_text().splitlines()
        if line.startswith("| lfw | vae")
    ]
    assert rows[0].count("**") == 8
    alone = make.results(tmp_path / "alone", codec(make, "l2"))
    write([alone], Output(tmp_path))
    assert "**0" not in (tmp_path / "tables/paper-table-1.md").read_text()
