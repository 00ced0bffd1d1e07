from huebench_square10 import make

from bench.protocol import make_square
from bench.testing import parametrize_with_checks


@parametrize_with_checks(["square10"])
def test_conformance(check):
    check()


def test_photographs_are_prepared_as_by_square_and_results_never_mixed():
    mine = make(k=5, draws=10, test_size=1000, split_seed=0)
    square = make_square(
        k=5,
        draws=10,
        test_size=1000,
        split_seed=0,
        antialias=True,
        weights="channel64",
        weight_floor=1e-5,
    )
    assert mine.preparation == square.preparation
    assert mine.digest != square.digest
