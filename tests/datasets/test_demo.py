"""The embedded set: deterministic, colourful, and split by region."""

from __future__ import annotations

import hashlib
import io
import os
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from bench.colour import rgb_to_lab
from bench.datasets.demo import PHOTOGRAPHS, Demo, crops, pixels_of
from bench.errors import BenchError


@pytest.fixture(scope="module")
def photographs():
    return {photograph: pixels_of(photograph) for photograph in PHOTOGRAPHS}


@pytest.fixture(scope="module")
def images():
    demo = Demo()
    return dict(demo.read(demo.files()))


def test_ids_are_stable(images):
    ids = Demo().files()
    assert ids == sorted(images)
    train, test = Demo().split(ids)
    assert (len(train), len(test)) == (253, 48)
    assert sorted(train + test) == ids
    digest = hashlib.sha256("\n".join(ids).encode()).hexdigest()
    assert digest.startswith("b0af06b492136f36"), (
        "the ids changed: raise RECIPE, and then this digest"
    )


def test_bytes_are_alike_in_another_process(images):
    code = (
        "import hashlib; from bench.datasets.demo import Demo; d = Demo(); print(d.signature(), hashlib.sha256(\
        b''.join(data for _, data in sorted(d.read(d.files())))).hexdigest())"
    )
    environment = os.environ | {"PYTHONHASHSEED": "7"}
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment
    )
    here = hashlib.sha256(b"".join(data for _, data in sorted(images.items()))).hexdigest()
    assert run.stdout.split() == [Demo().signature(), here]


def test_crops_are_the_pixels_that_their_coordinates_say(photographs, images):
    for photograph, pixels in photographs.items():
        for crop in crops(photograph, pixels):
            with Image.open(io.BytesIO(images[crop.id])) as image:
                assert image.format == "PNG"
                assert image.size == (crop.side, crop.side)
                assert crop.side >= 96
                found = np.asarray(image)
            assert np.array_equal(found, pixels[crop.top :, crop.left :][: crop.side, : crop.side])


def test_no_pixel_is_in_both_parts(photographs):
    for photograph, pixels in photographs.items():
        used = {part: np.zeros(pixels.shape[:2], bool) for part in ("train", "test")}
        for crop in crops(photograph, pixels):
            used[crop.id.split("/")[0]][
                crop.top : crop.top + crop.side, crop.left : crop.left + crop.side
            ] = True
        assert used["train"].any()
        assert used["test"].any()
        train, test = (np.flatnonzero(used[part].any(axis=0)) for part in ("train", "test"))
        gap = max(test.min() - train.max(), train.min() - test.max())
        assert gap > 0.03 * pixels.shape[1]


def test_all_crops_have_colour_and_contrast(images):
    for name, data in images.items():
        lab = rgb_to_lab(np.asarray(Image.open(io.BytesIO(data))) / 255)
        assert np.hypot(lab[..., 1], lab[..., 2]).mean() > 5, name
        assert lab[..., 0].std() > 3, name


def test_every_prefix_of_a_part_mixes_photographs():
    train, test = Demo().split(Demo().files())
    for part in (train[:32], test[:16]):
        assert len({name.split("-")[0] for name in part}) == len(PHOTOGRAPHS)


def test_split_keeps_to_the_ids_it_is_given():
    given = ["test/coffee-0003", "train/flower-0000"]
    assert Demo().split(given) == (["train/flower-0000"], ["test/coffee-0003"])


def test_reads_only_what_is_wanted(images):
    wanted = sorted(images)[100]
    assert dict(Demo().read([wanted])) == {wanted: images[wanted]}
    with pytest.raises(BenchError, match="no crop 'train/nobody-0000'"):
        list(Demo().read(["train/nobody-0000"]))
