"""The gate on huebench's own methods: tiny runs on the demo set against a committed baseline; docs/gate.md says how to remake it.

Four steps of training say nothing about colours, but a change of preparation, training, drawing or scoring moves them.
"""

METHODS = ("zhang[batch=8,steps=4]", "mdn[batch=8,features=zhang[batch=8,steps=4],steps=4,vae=vae[batch=8,steps=4]]")
METRICS = ("error-of-best", "fair-energy-score", "fair-variogram-score", "variance", "spread-skill", "frechet-ab")


def test_tiny_runs_are_as_good_as_they_were(bench_gate, tmp_path):
    """A store of its own: what an older version of the code has stored must not be taken for this one's."""
    bench_gate(METHODS, dataset="demo", preset="tiny", limit_train=32, limit_test=16, metrics=METRICS, store=tmp_path / "store",
               baseline="baselines/tiny.json", margins="baselines/gate.toml")  # fmt: skip
