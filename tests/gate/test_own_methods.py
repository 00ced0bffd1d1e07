"""The gate on huebench's own methods: tiny runs on the demo set against a committed baseline;
docs/gate.md says how to remake it.

Four steps of training say nothing about colours, but a change of preparation, training, drawing or
scoring moves them.
"""

import json
from pathlib import Path

import pytest
import torch

from bench.methods.nets.presets import PRESETS
from bench.methods.nets.zhang import ZhangNet, shrink
from bench.results import run_folder

ZHANG, VAE = "zhang[batch=8,steps=4]", "vae[batch=8,d=4,dropout=0,grad=0.1,norm=squared,steps=4]"
MDN = f"mdn[batch=8,components=6,features={ZHANG},loss=exact,sigma2=0.5,start=random,steps=4,vae={VAE}]"
"""Few codes, components that start anywhere and the smooth loss: what k-means and the nearest
component make of codes of four steps is decided by their last bits."""
METRICS = (
    "error-of-best",
    "fair-energy-score",
    "fair-variogram-score",
    "variance",
    "spread-skill",
    "frechet-ab",
)
LEARNT = Path(__file__).parent / "baselines" / "learnt.json"
ROUNDING = {"vae last_train_loss": 0.005, "mdn last_train_loss": 0.1}
"""Shares by which another processor may move what `learnt` tells, 0.001 where none is given."""


def learnt(gate):
    """Losses; the last ones tell of every step."""
    return {
        f"{fit.method} {note}": fit.notes[note]
        for fit in run_folder.read(gate.run).manifest.fits
        for note in ("best_held_out_loss", "last_train_loss")
    }


def test_tiny_runs_are_what_they_were(bench_gate, tmp_path, pytestconfig):
    """A store of its own: what an older version of the code has stored must not be taken for this
    one's."""
    gate = bench_gate(
        (ZHANG, MDN),
        dataset="demo",
        preset="tiny",
        limit_train=32,
        limit_test=16,
        metrics=METRICS,
        store=tmp_path / "store",
        baseline="baselines/tiny.json",
        margins="baselines/gate.toml",
    )
    found = learnt(gate)
    if pytestconfig.getoption("--bench-write-baseline"):
        LEARNT.write_text(json.dumps(found, indent=1) + "\n")
    known = json.loads(LEARNT.read_text())
    assert found == {
        name: pytest.approx(value, rel=ROUNDING.get(name, 0.001)) for name, value in known.items()
    }
    assert {
        str(r.quantity): r.after for r in gate.rows if not abs(r.after - r.before) <= r.margin.value
    } == {}


def test_a_network_sees_photographs_as_it_did():
    """Its first block before the first step: in four of them norms hide from the scores how
    lightness is scaled and shrunk."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network, seen = ZhangNet(PRESETS["tiny"]).eval(), []
    network.model1.register_forward_hook(lambda *given: seen.append(float(given[-1].mean())))
    stripes = torch.tensor([100.0, 20, 0, 40]).repeat(64).expand(1, 1, 256, 256)
    with torch.inference_mode():
        network(shrink(stripes, 56))
    assert seen == [pytest.approx(0.055728037, rel=1e-4)]
