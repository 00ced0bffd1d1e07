"""The rules that every data set keeps, and what this one claims."""

import numpy as np
from huebench_mondrian.data import DARKEST, PATCHES, TEST, TRAIN, Mondrian, draw

from bench.pictures import images
from bench.testing import parametrize_with_checks


@parametrize_with_checks(["mondrian"])
def test_conformance(check):
    check()


def test_source_bytes_are_the_pictures():
    found = dict(Mondrian().read({"test-03"}))
    assert np.array_equal(images.decode(found["test-03"]).levels, draw(3))


def test_parts_are_disjoint_and_complete():
    train, test = Mondrian().split(Mondrian().files())
    assert (len(train), len(test), len({*train, *test})) == (TRAIN, TEST, TRAIN + TEST)


def test_pictures_differ_and_are_lit_unevenly():
    assert len({draw(number).tobytes() for number in range(TRAIN + TEST)}) == TRAIN + TEST
    picture = draw(1)
    assert picture.min() >= 60 * DARKEST // 100
    assert len(np.unique(picture.reshape(-1, 3), axis=0)) > PATCHES
