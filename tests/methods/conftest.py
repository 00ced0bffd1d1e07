"""Forty small photographs with plenty of colour, prepared as a run would, and methods fitted on
them for a few steps."""

import io

import numpy as np
import pytest
from PIL import Image
from torch.nn import functional

from bench import keys
from bench.contracts import Dataset, FitContext, colour_weights
from bench.contracts.execution import Quiet
from bench.data.prepare import prepare
from bench.data.source import make_source
from bench.methods import cvae, mdn, vae, zhang
from bench.protocol import make_paper
from bench.specs import DatasetSpec
from bench.store.local import Store

SPECS = {s.name: s for m in (zhang, vae, mdn, cvae) for s in m.bench_register_methods()}
PARTS = {"mdn": ("features", "vae"), "cvae": ("features",)}
OPTIONS = {"cvae": {"draws": 12}, "mdn": {"components": 6}}


class Photographs(Dataset):
    """Smooth patches of random, saturated colours."""

    def signature(self):
        return "40 smooth photographs"

    def files(self):
        return [f"{i:02}.png" for i in range(40)]

    def read(self, wanted):
        for name in sorted(wanted):
            rng = np.random.default_rng(int(name[:2]))
            small = Image.fromarray(rng.integers(0, 256, (5, 5, 3)).astype(np.uint8))
            stream = io.BytesIO()
            small.resize((80, 80), Image.Resampling.BICUBIC).save(stream, "PNG")
            yield name, stream.getvalue()


class Squares:
    """Features that differ at once between photographs, as a few steps of zhang's do not:
    lightness, 16 x 16."""

    feature_shape = (4, 8, 8)

    def features(self, grey):
        return functional.pixel_unshuffle(functional.adaptive_avg_pool2d(grey - 50, 16), 2)


class House:
    """Prepared photographs, and a way to make and fit methods on them."""

    def __init__(self, folder):
        self.folder, self.stores = folder, 0
        self.protocol = make_paper(antialias=False)
        store = Store(folder / "store")
        source = make_source(
            DatasetSpec(name="patches", summary="", factory="x:Y"),
            "patches",
            Photographs(),
            self.protocol,
            store,
            Quiet(),
        )
        self.train, self.test = (
            prepare(source, p, None, self.protocol, store, Quiet()) for p in ("train", "test")
        )
        self.colours = colour_weights.fit("channel64", self.train.ab, self.protocol.weight_floor)
        self.fitted = {}

    def context(self, parts=None, seed=5):
        self.stores += 1
        store, parts = Store(self.folder / f"store{self.stores}"), parts or {}
        part_keys = {
            name: keys.key("test", part=name, made=type(part).__name__)
            for name, part in parts.items()
        }
        return FitContext(
            seed, "cpu", self.protocol, self.colours, parts, store, Quiet(), part_keys=part_keys
        )

    def make(self, method, **options):
        """A method, not yet fitted, with declared defaults but tiny."""
        values = {p.name: p.default for p in SPECS[method].parameters}
        chosen = {"preset": "tiny", "steps": 8, **OPTIONS.get(method, {}), **options}
        return SPECS[method].load()(**values | {k: v for k, v in chosen.items() if k in values})

    def parts(self, name):
        return {
            part: Squares() if part == "features" else self.fit(part)
            for part in PARTS.get(name, ())
        }

    def fit(self, name):
        """A method fitted for eight steps; made once."""
        if name not in self.fitted:
            self.fitted[name] = self.fit_again(name)
        return self.fitted[name]

    def fit_again(self, name, context=None, **options):
        method = self.make(name, **options)
        method.fit(self.train, context or self.context(self.parts(name)))
        return method


@pytest.fixture(scope="session")
def house(tmp_path_factory):
    return House(tmp_path_factory.mktemp("house"))
