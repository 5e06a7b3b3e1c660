"""Intervals against cases whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest

from zoo.evaluation.statistics import Estimate, difference, draws, estimates, means, of_sets


def test_every_draw_has_as_many_photographs_as_there_are_and_the_seed_says_which() -> None:
    drawn = draws(17, 50, seed=3)
    assert drawn.shape == (50, 17)
    assert (drawn.sum(1) == 17).all()
    assert np.array_equal(drawn, draws(17, 50, seed=3))
    assert not np.array_equal(drawn, draws(17, 50, seed=4))


def test_an_interval_holds_the_truth_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    held = 0
    for seed in range(300):
        values = rng.gamma(2.0, 3.0, (60, 1))  # skewed, as errors are; its mean is 6
        (estimate,) = estimates(values.mean(0), means(values, draws(60, 400, seed)))
        assert estimate.low is not None
        assert estimate.high is not None
        held += estimate.low <= 6 <= estimate.high
    assert 0.90 <= held / 300 <= 0.97  # percentile intervals of so few are a little too narrow


def test_its_width_is_that_of_the_textbook() -> None:
    values = np.random.default_rng(1).normal(5, 2, (500, 1))
    (estimate,) = estimates(values.mean(0), means(values, draws(500, 2000, 0)))
    error = values.std(ddof=1) / 500**0.5
    assert estimate.low == pytest.approx(estimate.value - 1.96 * error, abs=0.02)
    assert estimate.high == pytest.approx(estimate.value + 1.96 * error, abs=0.02)


def test_a_paired_difference_sees_what_single_intervals_hide() -> None:
    rng = np.random.default_rng(2)
    hard = rng.normal(20, 8, 80)  # what is hard about a photograph is so for both
    values = np.stack([hard, hard - 0.5 + rng.normal(0, 0.5, 80)], 1)
    resampled = means(values, draws(80, 2000, 0))
    one, other = estimates(values.mean(0), resampled)
    assert one.low is not None
    assert other.high is not None
    assert other.high > one.low  # they overlap
    better = difference(values.mean(0), resampled, 1, 0)
    assert better.value == pytest.approx(-0.5, abs=0.2)
    assert better.differs
    assert difference(values.mean(0), resampled, 0, 1).value == -better.value
    assert not difference(values.mean(0), resampled, 0, 0).differs


def test_two_that_are_alike_rarely_differ() -> None:
    rng = np.random.default_rng(3)
    found = 0
    for seed in range(200):
        values = rng.normal(0, 1, (50, 2))
        found += difference(values.mean(0), means(values, draws(50, 400, seed)), 1, 0).differs
    assert found / 200 <= 0.1


def test_numbers_of_sets_are_drawn_by_the_same_draws() -> None:
    values = np.random.default_rng(4).normal(0, 1, (30, 2))
    drawn = draws(30, 100, 0)
    again = of_sets(lambda chosen: values[chosen].mean(0).tolist(), drawn)
    assert np.allclose(again, means(values, drawn))


def test_where_nothing_is_drawn_there_is_no_interval() -> None:
    assert estimates(np.array([3.0]), None) == [Estimate(3.0)]
    assert not Estimate(3.0).differs
    unknown = estimates(np.array([np.nan]), np.full((10, 1), np.nan))[0]
    assert (unknown.low, unknown.high) == (None, None)


def test_a_number_that_draws_do_not_reach_has_no_interval() -> None:
    values = np.arange(40.0)[:, None]
    drawn = draws(40, 300, 0)
    different = of_sets(lambda chosen: [float(len(set(values[chosen, 0])))], drawn)
    (estimate,) = estimates(np.array([40.0]), different)
    assert estimate == Estimate(40.0)
    (same,) = estimates(np.array([0.1]), means(np.full((40, 1), 0.1), drawn))
    assert (same.low, same.high) == (pytest.approx(0.1), pytest.approx(0.1))
