"""The gate on huebench's own methods: tiny runs on the demo set against a committed baseline; docs/gate.md says how to remake it.

Four steps of training say nothing about colours, but a change of preparation, training, drawing or scoring moves them.
"""

import json
from pathlib import Path

import pytest

from bench import results

ZHANG, VAE = "zhang[batch=8,steps=4]", "vae[batch=8,d=4,dropout=0,grad=0.1,norm=squared,steps=4]"
MDN = f"mdn[batch=8,components=6,features={ZHANG},loss=exact,sigma2=0.5,start=random,steps=4,vae={VAE}]"
"""Few codes, components that start anywhere and the smooth loss: what k-means and the nearest component make of codes of four
steps is decided by their last bits."""
METRICS = ("error-of-best", "fair-energy-score", "fair-variogram-score", "variance", "spread-skill", "frechet-ab")
LOSSES = Path(__file__).parent / "baselines" / "losses.json"


def test_tiny_runs_are_what_they_were(bench_gate, tmp_path, pytestconfig):
    """A store of its own: what an older version of the code has stored must not be taken for this one's."""
    gate = bench_gate((ZHANG, MDN), dataset="demo", preset="tiny", limit_train=32, limit_test=16, metrics=METRICS,
                      store=tmp_path / "store", baseline="baselines/tiny.json", margins="baselines/gate.toml")  # fmt: skip
    found = {fit["method"]: fit["notes"]["best_held_out_loss"] for fit in results.read(gate.run).manifest["fits"]}
    if pytestconfig.getoption("--bench-write-baseline"):
        LOSSES.write_text(json.dumps(found, indent=1) + "\n")
    assert found == pytest.approx(json.loads(LOSSES.read_text()), rel=1e-3)
    assert {str(r.quantity): r.after for r in gate.rows if not abs(r.after - r.before) <= r.margin.value} == {}
