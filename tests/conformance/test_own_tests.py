"""What `bench.testing` offers to a method's own tests; that a killed fit goes on is shown with
`bench new method --network` (`tests/examples/test_train_guide.py`)."""

import doctest

import pytest

from bench.errors import BenchError
from bench.methods.controls_model import Grey
from bench.testing import fit_and_kill, own_tests, toy_photographs


def test_the_same_folder_has_the_same_photographs(tmp_path):
    (one, context), (other, _) = toy_photographs(tmp_path), toy_photographs(tmp_path, seed=4)
    assert (one.train.key, one.test.key) == (other.train.key, other.test.key)
    assert not set(one.train.ids) & set(one.test.ids)
    assert context.work.parent == tmp_path


def test_the_example_holds():
    assert doctest.testmod(own_tests) == (0, 4)


def test_a_fit_that_is_not_killed_is_an_error(tmp_path):
    with pytest.raises(BenchError, match="at step 3: it ended with status 0"):
        fit_and_kill(Grey, tmp_path, step=3)
