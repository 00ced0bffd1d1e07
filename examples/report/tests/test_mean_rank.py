import pandas as pd
from huebench_mean_rank import mean_ranks

from bench.testing import parametrize_with_checks


@parametrize_with_checks(["mean-rank"])
def test_conformance(check):
    check()


def table(*rows, role="colourizer"):
    columns = ["method", "metric", "direction", "value"]
    constant = {
        "dataset": "d",
        "variant": "v",
        "ask": "draws",
        "region": "all",
        "status": "done",
        "role": role,
    }
    return pd.DataFrame(rows, columns=columns).assign(**constant)


def test_down_and_up_are_both_read_right_and_ties_share_a_rank():
    scores = table(
        ("x", "error", "down", 1.0),
        ("y", "error", "down", 2.0),
        ("x", "psnr", "up", 20.0),
        ("y", "psnr", "up", 30.0),
        ("x", "loss", "down", 5.0),
        ("y", "loss", "down", 5.0),
        ("x", "hue", "none", 0.0),
        ("y", "hue", "none", 9.0),
    )
    found = mean_ranks(scores)
    assert found.columns.tolist() == ["dataset", "method", "rank", "metrics"]
    assert found.to_numpy().tolist() == [["d", "x", 1.5, 3], ["d", "y", 1.5, 3]]


def test_controls_and_metrics_without_all_values_are_left_out():
    scores = pd.concat(
        [
            table(
                ("x", "error", "down", 3.0),
                ("y", "error", "down", 2.0),
                ("x", "odd", "down", float("nan")),
                ("y", "odd", "down", 1.0),
            ),
            table(("truth", "error", "down", 0.0), role="control"),
        ]
    )
    assert mean_ranks(scores).set_index("method")[["rank", "metrics"]].T.to_dict("list") == {
        "y": [1, 1],
        "x": [2, 1],
    }
