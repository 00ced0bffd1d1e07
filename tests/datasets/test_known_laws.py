"""The drawn sets: deterministic, inside sRGB, readable from the grey picture, and truths that
follow the law and nothing else."""

import hashlib
import json
import os
import subprocess
import sys
from collections import defaultdict
from importlib import import_module

import numpy as np
import pytest
import torch
from scipy import stats

from bench import keys
from bench.contracts.datasets import LEVELS
from bench.contracts.execution import Quiet
from bench.data.prepare import prepare
from bench.data.source import make_source
from bench.datasets.drawn import DARK, LIGHT, SHAPES, TEXTURES
from bench.datasets.law_coupled import LawCoupled
from bench.datasets.law_hue import CHROMA, LawHue, hues
from bench.datasets.law_palette import PALETTES, PROBABILITIES, LawPalette
from bench.errors import BenchError
from bench.pictures import images
from bench.protocol import make_paper
from bench.store.local import Store

PAPER = make_paper(antialias=False)
SETS = {"law_palette": LawPalette, "law_coupled": LawCoupled, "law_hue": LawHue}
CLASSES = [(texture, shape) for texture in TEXTURES for shape in SHAPES]
HEAVY = "torch numpy PIL lmdb skimage sklearn scipy"


@pytest.fixture(scope="module")
def described():
    """Descriptions of half of the scenes of each set."""
    return {
        name: [json.loads(data) for _, data in of().read(of().files()[::2])]
        for name, of in SETS.items()
    }


def developed(dataset, ids):
    return [dataset.develop(data, PAPER, None) for _, data in dataset.read(ids)]


def worn(scene):
    """For each choice but the backdrop's: (class, true ab, objects that wear it)."""
    things = defaultdict(list)
    for thing in scene["scene"]["things"]:
        things[thing["choice"]].append(thing)
    return [
        ((t[0]["texture"], t[0]["shape"]), scene["colours"][c], t)
        for c, t in sorted(things.items())
    ]


def colour_number(kind, ab):
    """Which colour of the class's palette ab is."""
    return int(np.flatnonzero((np.array(PALETTES[kind[0]]) == ab).all(-1)).item())


@pytest.mark.parametrize("module", SETS)
def test_the_spec_is_complete_and_registering_it_is_light(module):
    code = (
        f"import sys; from bench.datasets import {module} as m; list(m.bench_register_datasets()); \
        print(*set(sys.modules) & set('{HEAVY}'.split()))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == ""
    (spec,) = import_module(f"bench.datasets.{module}").bench_register_datasets()
    assert (spec.name, spec.known_law) == (module.replace("_", "-"), True)
    assert spec.load() is SETS[module]
    assert vars(spec.load()(path=None, home=None)) == {"path": None, "home": None}


@pytest.mark.parametrize("of", SETS.values())
def test_the_parts_are_2000_and_500_scenes_in_no_order_and_share_none(of):
    ids = of().files()
    train, test = of().split(ids)
    assert (len(train), len(test)) == (2000, 500)
    assert sorted(train + test) == ids == sorted(set(ids))
    for part in (train, test):
        assert abs(stats.spearmanr(range(len(part)), part)[0]) < 0.1
    assert of().split(["scene-02400", "scene-00003"]) == (["scene-00003"], ["scene-02400"])


@pytest.mark.parametrize("of", SETS.values())
def test_unknown_scenes_are_refused(of):
    for name in ("scene-02500", "scene-1", "scene-00001x", "00001"):
        with pytest.raises(BenchError, match=f"dataset {of.name} has no scene '{name}'"):
            list(of().read([name]))
        with pytest.raises(BenchError, match="has no scene"):
            of().law([name])


def test_scenes_are_alike_in_another_process_on_another_processor():
    """As OpenBLAS takes it: it sums in another order there."""
    code = """
from hashlib import sha256
from bench.datasets import law_coupled, law_hue, law_palette
for dataset in (law_palette.LawPalette(), law_coupled.LawCoupled(), law_hue.LawHue()):
    read = list(dataset.read(dataset.files()[::100]))
    photos = [(data, dataset.develop(data, None, None)) for _, data in read]
    print(dataset.signature(), *(sha256(data + p.grey.tobytes() + p.ab.tobytes()).hexdigest() for data, p in photos))
"""
    environment = os.environ | {"PYTHONHASHSEED": "7", "OPENBLAS_CORETYPE": "Sandybridge"}
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment
    )
    for line, of in zip(run.stdout.splitlines(), SETS.values(), strict=True):
        read = list(of().read(of().files()[::100]))
        photos = [of().develop(data, PAPER, None) for _, data in read]
        digests = [
            hashlib.sha256(data + p.grey.tobytes() + p.ab.tobytes()).hexdigest()
            for (_, data), p in zip(read, photos)
        ]
        assert line.split() == [of().signature(), *digests]


def test_scenes_stay_what_they_are(described):
    digests = {name: keys.key("scenes", all=scenes)[:12] for name, scenes in described.items()}
    known = {
        "law_palette": "d6e0435a7106",
        "law_coupled": "306e96b09829",
        "law_hue": "3018ec3a7805",
    }
    assert digests == known, (
        "the scenes or their laws changed: raise RECIPE, and then these digests"
    )


@pytest.mark.parametrize("of", SETS.values())
def test_lightness_is_the_same_whatever_the_colours(of):
    for _, data in of().read(of().files()[:12]):
        scene = json.loads(data)
        here = of().develop(data, PAPER, None)
        repainted = json.dumps(scene | {"colours": [[-b, a] for a, b in scene["colours"]]}).encode()
        there = of().develop(repainted, PAPER, None)
        assert np.array_equal(here.grey, there.grey)
        assert np.array_equal(np.stack([-here.ab[1], here.ab[0]]), there.ab)


@pytest.mark.parametrize("of", SETS.values())
def test_a_block_of_lightness_and_its_colour_are_of_one_region(of):
    ids = of().files()[:40]
    for photo, scene in zip(developed(of(), ids), of().law(ids).scenes):
        assert (photo.grey.shape, photo.ab.shape, photo.is_grey) == ((256, 256), (2, 64, 64), False)
        assert photo.grey.dtype == photo.ab.dtype == np.float32
        inside = (photo.grey >= 48) & (photo.grey <= 78)  # no backdrop is as light as any object
        blocks = inside.reshape(64, 4, 64, 4).transpose(0, 2, 1, 3).reshape(64, 64, 16)
        assert np.array_equal(blocks.all(-1), scene.regions > 0)
        assert np.array_equal(blocks.any(-1), scene.regions > 0)
        assert len(np.unique(photo.ab.reshape(2, -1), axis=1).T) <= len(scene.choices)


def test_all_colours_are_inside_srgb_for_the_lightness_they_are_used_with():
    angles = np.radians(np.arange(360))
    of_objects = [
        *(ab for colours in PALETTES.values() for ab in colours),
        *CHROMA * np.stack([np.cos(angles), np.sin(angles)], 1),
    ]
    for ab in of_objects:
        assert_inside_srgb(np.arange(48, 78.1, 0.5), ab)
    lightness = [p.grey for p in developed(LawPalette(), LawPalette().files()[:300])]
    low, high = min(map(np.min, lightness)), max(map(np.max, lightness))
    assert 16 < low < 20
    assert 92 < high < 96
    assert_inside_srgb(np.arange(16, 40.1, 0.5), DARK)
    assert_inside_srgb(np.arange(78, 96, 0.5), LIGHT)


def assert_inside_srgb(lightness, ab):
    from skimage.color import colorconv

    lab = np.stack(np.broadcast_arrays(lightness, *map(float, ab)), axis=-1)
    linear = colorconv.lab2xyz(lab) @ colorconv.rgb_from_xyz.T
    assert linear.min() >= -1e-9, ab
    assert linear.max() <= 1 + 1e-9, ab


@pytest.mark.parametrize("name", ["law_palette", "law_coupled"])
def test_palette_truths_follow_their_class(name, described):
    counts = {kind: np.zeros(len(p)) for kind, p in PROBABILITIES.items()}
    for scene in described[name]:
        for kind, ab, _ in worn(scene):
            counts[kind][colour_number(kind, ab)] += 1
    values = [
        stats.chisquare(count, count.sum() * np.array(PROBABILITIES[kind])).pvalue
        for kind, count in counts.items()
    ]
    assert min(count.sum() for count in counts.values()) > 100
    assert min(values) > 0.05 / len(values) / 10
    assert stats.kstest(values, "uniform").pvalue > 0.001


def test_hue_truths_follow_their_class(described):
    places = defaultdict(list)
    for scene in described["law_hue"]:
        for kind, ab, _ in worn(scene):
            assert np.hypot(*ab) == pytest.approx(CHROMA, abs=1e-3)
            places[kind].append(np.arctan2(ab[1], ab[0]))
    quantiles = []
    for kind in CLASSES:
        grid = np.linspace(-np.pi, np.pi, 2001)
        density = np.exp(hues(kind).log_prob(torch.from_numpy(grid)).numpy())
        share = np.concatenate([[0], np.cumsum((density[1:] + density[:-1]) / 2)]) * (
            grid[1] - grid[0]
        )
        assert share[-1] == pytest.approx(1, abs=1e-6)
        quantile = np.interp(places[kind], grid, share)
        assert len(quantile) > 150
        assert stats.kstest(quantile, "uniform").pvalue > 0.0005, kind
        turns = np.abs(np.exp(2j * np.pi * quantile).mean()) ** 2 * len(
            quantile
        )  # Rayleigh: about Exp(1)
        assert np.exp(-turns) > 0.0005, kind
        quantiles += [*quantile]
    assert stats.kstest(quantiles, "uniform").pvalue > 0.001


@pytest.mark.parametrize("name", SETS)
def test_truths_depend_on_nothing_but_the_class(name, described):
    """Neither on what else is seen, nor on the scene's other truths."""
    surprise, seen, pairs = [], [], []
    for scene in described[name]:
        left = [excess(kind, ab) for kind, ab, _ in worn(scene)]
        pairs += [left[:2]] if len(left) > 1 else []
        for value, (_, _, things) in zip(left, worn(scene)):
            surprise.append(value)
            backdrop = [scene["scene"][field] for field in ("lightness", "slope", "angle", "grain")]
            own = [
                things[0][field]
                for field in ("top", "left", "side", "lightness", "contrast", "period", "angle")
            ]
            seen.append([*backdrop, *own, len(scene["colours"])])
    correlations = np.corrcoef(np.array(seen), np.array(surprise), rowvar=False)[-1, :-1]
    assert np.abs(correlations).max() * len(surprise) ** 0.5 < 3.7
    assert abs(np.corrcoef(np.array(pairs), rowvar=False)[0, 1]) * len(pairs) ** 0.5 < 3.7


def excess(kind, ab):
    """How far a truth is from its mean under the law, in one coordinate."""
    if any(np.allclose(ab, c) for c in PALETTES[kind[0]]):
        return colour_number(kind, ab) - np.average(
            range(len(PROBABILITIES[kind])), weights=PROBABILITIES[kind]
        )
    law = hues(kind)
    means = np.sin(np.array(law.centres) - law.centres[0]) * np.exp(
        -(np.array(law.spreads) ** 2) / 2
    )
    return np.sin(np.arctan2(ab[1], ab[0]) - law.centres[0]) - np.average(
        means, weights=law.weights
    )


def test_partners_are_distant_and_alike_in_class_and_colour(described):
    sizes = set()
    for scene in described["law_coupled"]:
        groups = worn(scene)
        sizes.add(tuple(len(things) for _, _, things in groups))
        assert len({kind[0] for kind, _, _ in groups}) == len(groups)
        for kind, _, things in groups:
            assert {(t["texture"], t["shape"]) for t in things} == {kind}
            if len(things) == 2:
                assert all(gap(*things, axis) >= 10 for axis in ("top", "left"))
    assert sizes == {(2,), (2, 1), (2, 2)}


def gap(one, other, axis):
    first, second = sorted((one, other), key=lambda t: t[axis])
    return second[axis] - first[axis] - first["side"]


def test_a_classifier_reads_texture_and_shape_from_grey_at_64_pixels():
    from sklearn.ensemble import ExtraTreesClassifier

    train, test = LawPalette().split(LawPalette().files())
    (seen, kinds), (unseen, hidden) = patches(train[:150]), patches(test[:50])
    forest = ExtraTreesClassifier(100, random_state=0).fit(seen, kinds)
    assert forest.score(unseen, hidden) > 0.93


def patches(ids):
    """Of every object: its patch at 8x8 and the sorted spectrum of its middle, from grey at 64
    pixels; and its class."""
    features, kinds = [], []
    for _, data in LawPalette().read(ids):
        grey = images.resize(
            LawPalette().develop(data, PAPER, None).grey[..., None], 64, antialias=False
        )
        for thing in json.loads(data)["scene"]["things"]:
            patch = grey[
                thing["top"] : thing["top"] + thing["side"],
                thing["left"] : thing["left"] + thing["side"],
            ]
            middle = patch[5:14, 5:14, 0]
            spectrum = np.sort(np.abs(np.fft.fft2(middle - middle.mean(), (16, 16))).ravel())[::-4]
            silhouette = np.abs(images.resize(patch, 8, antialias=True).ravel() - np.median(middle))
            features.append(np.concatenate([spectrum, silhouette]))
            kinds.append(f"{thing['texture']} {thing['shape']}")
    return np.array(features), np.array(kinds)


def test_the_harness_prepares_them(tmp_path):
    dataset, store = LawHue(), Store(tmp_path)
    (spec,) = import_module("bench.datasets.law_hue").bench_register_datasets()
    source = make_source(spec, dataset.name, dataset, PAPER, store, Quiet())
    found = prepare(source, "test", 8, PAPER, store, Quiet())
    assert (found.ids, found.excluded) == (tuple(dataset.split(dataset.files())[1][:8]), {})
    photos = [developed(dataset, [name])[0] for name in found.ids]
    assert np.array_equal(found.truth(slice(None)).numpy(), np.stack([p.ab for p in photos]))
    assert (
        np.abs(found.grey(slice(None))[:, 0].numpy() - np.stack([p.grey for p in photos])).max()
        < 1 / LEVELS
    )


@pytest.mark.parametrize("of", SETS.values())
def test_truths_are_possible_under_their_law(of):
    ids = of().files()[:30]
    truth = torch.from_numpy(np.stack([p.ab for p in developed(of(), ids)]))
    assert torch.isfinite(of().law(ids).log_prob(truth[:, None])).all()
