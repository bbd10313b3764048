"""The moving average: TensorBoard's, written out plainly, is what the fast one must equal."""

import math

import numpy as np
import pytest

from tuimon.viewer.draw.smooth import Smoother


def plain(values, weight):
    """The definition, one value at a time."""
    average, count, out = 0.0, 0, []
    for value in values:
        if not math.isfinite(value):
            out.append(value)
            continue
        average = weight * average + (1 - weight) * value
        count += 1
        out.append(average / (1 - weight**count))
    return np.array(out, np.float32)


@pytest.mark.parametrize("weight", [0.0, 0.6, 0.9, 0.99])
@pytest.mark.parametrize("length", [0, 1, 63, 64, 65, 1000])
def test_it_equals_the_plain_average(weight, length):
    """At all lengths around the block size; NaN and infinity are passed through."""
    values = np.random.default_rng(length).standard_normal(length).astype(np.float32)
    values[5:7] = [np.nan, np.inf][: len(values[5:7])]
    np.testing.assert_allclose(Smoother(weight).extend(values), plain(values, weight), rtol=1e-5, atol=1e-6)


def test_points_that_arrive_in_pieces_give_the_same_curve():
    """For any piece sizes: one, zero or many points."""
    values = np.random.default_rng(0).standard_normal(300).astype(np.float32)
    smoother = Smoother(0.9)
    for end in (0, 1, 2, 2, 70, 71, 200, 300):
        kept = smoother.extend(values[:end])
    np.testing.assert_allclose(kept, Smoother(0.9).extend(values), rtol=1e-5, atol=1e-6)


def test_the_first_value_is_itself():
    """The average is debiased, not pulled towards zero."""
    assert Smoother(0.99).extend(np.array([5.0]))[0] == pytest.approx(5.0)


def test_a_weight_of_one_is_refused():
    """The average would never move."""
    with pytest.raises(ValueError, match="smoothing"):
        Smoother(1.0)
