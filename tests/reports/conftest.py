"""Results made by hand: a table of scores with known numbers, and a small store with real pictures."""

import io
import json
from contextlib import contextmanager

import numpy as np
import pytest
import torch
from PIL import Image

from bench.contracts import Dataset, SampleSet
from bench.data import prepare
from bench.data import source as data_source
from bench.protocol import make_paper
from bench.results.run_folder import Results
from bench.scores import samples
from bench.scores.long_table import COLUMNS, SET_COLUMNS, frame
from bench.specs import DatasetSpec
from bench.store.local import Store

from ..manifests import make_manifest


def score_rows(
    method,
    values,
    *,
    dataset="lfw",
    role="colourizer",
    kind="iid",
    k=5,
    seed=0,
    run="run",
    parameters=None,
    images=None,
    ask=None,
):
    """Rows of the long table: values is {(metric, variant, region): values of the images}."""
    rows = []
    ask = ask or ("reconstruct" if kind == "reconstruction" else "present")
    for (metric, variant, region), numbers in values.items():
        for image, value in zip(images or [f"{i:03}.jpg" for i in range(len(numbers))], numbers):
            rows.append(
                {
                    "run": run,
                    "cell": f"{dataset}-{method}-{seed}",
                    "dataset": dataset,
                    "method": method,
                    "role": role,
                    "parameters": json.dumps(parameters or {}),
                    "seed": seed,
                    "image": image,
                    "ask": ask,
                    "metric": metric,
                    "variant": variant,
                    "metric_version": "1",
                    "direction": "down",
                    "unit": "",
                    "region": region,
                    "kind": kind,
                    "k": k,
                    "value": float(value),
                    "status": "done",
                    "reason": None,
                }
            )
    return rows


def failed_row(
    method, reason, *, dataset="lfw", role="colourizer", seed=0, parameters=None, status="failed"
):
    """The row of a cell without values."""
    row = dict.fromkeys(COLUMNS, "") | {"k": 0}
    row |= {
        "run": "run",
        "cell": f"{dataset}-{method}-{seed}",
        "dataset": dataset,
        "method": method,
        "role": role,
    }
    row |= {
        "parameters": json.dumps(parameters or {}),
        "seed": seed,
        "value": np.nan,
        "status": status,
    }
    return row | {"reason": reason}


def refused_row(method, metric, reason, *, ask="draws", status="refused", **more):
    """The row of a metric that was not computed."""
    return failed_row(method, reason, status=status, **more) | {"metric": metric, "ask": ask}


def draw_rows(method, values, **more):
    """Rows of independent draws: values is {(metric, variant): values of the images}, region `all`."""
    return score_rows(
        method, {(*column, "all"): v for column, v in values.items()}, ask="draws", k=10, **more
    )


def set_row(
    method,
    metric,
    variant,
    value,
    low,
    high,
    *,
    dataset="lfw",
    role="colourizer",
    seed=0,
    ask="draws",
    images=40,
):
    """A value of the whole test set."""
    row = dict.fromkeys(SET_COLUMNS, "") | {
        "dataset": dataset,
        "method": method,
        "role": role,
        "seed": seed,
        "ask": ask,
        "k": 10,
    }
    return row | {
        "metric": metric,
        "variant": variant,
        "value": value,
        "low": low,
        "high": high,
        "images": images,
    }


def make_results(folder, rows, datasets=("lfw",), cells=(), sets=(), **manifest):
    """A run's results without a store."""
    if not isinstance(datasets, dict):
        datasets = {name: {"train": {"photographs": 1234}} for name in datasets}
    made = make_manifest(cells, datasets, **{"preset": "tiny", **manifest})
    return Results(folder, made, frame(rows, COLUMNS), frame(sets, SET_COLUMNS))


class Quiet:
    """A progress that shows nothing."""

    @contextmanager
    def task(self, description, total):
        yield self

    def advance(self, steps=1, note=""):
        pass

    def say(self, line):
        pass


class Photographs(Dataset):
    """Photographs held in memory as PNG bytes."""

    def __init__(self, count, side=80):
        self.bytes = {f"{i:02}.png": self._photograph(i, side) for i in range(count)}

    @staticmethod
    def _photograph(seed, side):
        down, right = np.mgrid[:side, :side] / side
        waves = [np.sin(6 * right + seed + c) * np.cos(5 * down + 2 * c + seed) for c in range(3)]
        pixels = np.stack([128 + 100 * w for w in waves], -1).astype(np.uint8)
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, "PNG")
        return buffer.getvalue()

    def signature(self):
        return f"memory-{len(self.bytes)}"

    def files(self):
        return sorted(self.bytes)

    def read(self, wanted):
        yield from ((name, data) for name, data in self.bytes.items() if name in wanted)

    def split(self, ids):
        return list(ids[:2]), list(ids[2:])


def pictured_results(folder, methods, name="lfw", photographs=None, failed=()):
    """A run with a store: methods is {label: (role, kind, k)}; samples are the truth, turned in
    hue."""
    store, protocol = Store(folder / "store"), make_paper(antialias=False)
    dataset = photographs or Photographs(14)
    source = data_source.make_source(
        DatasetSpec(name=name, summary="", factory=""), name, dataset, protocol, store, Quiet()
    )
    parts = {
        part: prepare.prepare(source, part, None, protocol, store, Quiet())
        for part in ("train", "test")
    }
    rows, cells = [], []
    for position, (label, (role, kind, k)) in enumerate(methods.items()):
        shards = []
        for ids in samples.shards(parts["test"].ids):
            index = [parts["test"].ids.index(i) for i in ids]
            ab = turned(parts["test"].truth(index), k, 0.3 * (position + 1))
            key = f"{position:02}{len(shards):062}"
            store.get(
                "samples",
                key,
                lambda f, ab=ab, kind=kind: samples.write(
                    f, SampleSet(ab, kind, n_drawn=ab.shape[1])
                ),
            )
            shards.append(key)
        cells.append(
            {
                "dataset": name,
                "method": label,
                "status": "done",
                "asks": [{"ask": "present", "shards": shards}],
            }
        )
        loss = label.partition("loss=")[2].strip("]")
        values = {("variance", "ab", "all"): np.ones(len(parts["test"]))}
        rows += score_rows(
            label,
            values,
            dataset=name,
            role=role,
            kind=kind,
            k=k,
            images=parts["test"].ids,
            parameters={"loss": loss} if loss else {},
        )
    rows += [failed_row(label, "no memory", dataset=name) for label in failed]
    described = {part: {"key": p.key, **p.summary} for part, p in parts.items()}
    return make_results(folder / "run", rows, {name: described}, cells, store=str(store.folder))


def turned(truth, k, angle):
    """k colour fields `(B, k, 2, h, w)`: the truth with its hue turned by multiples of `angle`."""
    angles = angle * torch.arange(k)
    a, b = truth[:, None, 0], truth[:, None, 1]
    cos, sin = torch.cos(angles)[None, :, None, None], torch.sin(angles)[None, :, None, None]
    return torch.stack([a * cos - b * sin, a * sin + b * cos], 2)


@pytest.fixture
def make():
    """The builders above, under one name."""
    import types

    return types.SimpleNamespace(
        rows=score_rows,
        draws=draw_rows,
        failed=failed_row,
        refused=refused_row,
        set=set_row,
        results=make_results,
        pictured=pictured_results,
        photographs=Photographs,
    )


@pytest.fixture
def table():
    """`table(text, title)`: column titles, and method -> {column title: cell} of the first table
    after a title."""

    def found(text, title=""):
        lines = text[text.index(title) :].splitlines()
        start = next(i for i, line in enumerate(lines) if line.startswith("| "))
        end = next(
            (i for i in range(start, len(lines)) if not lines[i].startswith("|")), len(lines)
        )
        header, _, *body = [
            [cell.strip() for cell in line[1:-1].split(" | ")] for line in lines[start:end]
        ]
        key = header.index("Method")
        return header, {row[key]: dict(zip(header, row)) for row in body}

    return found


@pytest.fixture
def drawn(request, monkeypatch):
    """Figures by name, as they would be saved, of the report that the test module calls REPORT."""
    figures = {}

    def keep(figure, out, name):
        figures[name] = figure
        return []

    monkeypatch.setattr(request.module.REPORT, "save_figure", keep)
    return figures
