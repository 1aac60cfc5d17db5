"""Curves, areas and rejections against their definitions, pair by pair."""

import math

import pytest
import torch

from cliffnet.data import seeded_generator
from cliffnet.training._scores import area_under_curve, background_rejection, receiver_curve


def test_area_is_the_share_of_ordered_pairs():
    generator = seeded_generator("scores")
    scores = torch.randint(0, 12, (80,), generator=generator).double()  # with many ties
    positive = torch.rand(80, generator=generator) < 0.4
    difference = scores[positive].unsqueeze(1) - scores[~positive]
    expected = ((difference > 0).double() + 0.5 * (difference == 0).double()).mean().item()
    assert area_under_curve(scores, positive) == pytest.approx(expected, rel=1e-12)


def test_perfect_and_useless_scores():
    positive = torch.tensor([True] * 4 + [False] * 6)
    assert area_under_curve(positive.float(), positive) == 1
    assert area_under_curve(-positive.float(), positive) == 0
    assert area_under_curve(torch.zeros(10), positive) == 0.5
    assert background_rejection(torch.zeros(10), positive, 0.3) == 1
    assert math.isnan(background_rejection(positive.float(), positive, 0.3))
    assert math.isnan(area_under_curve(torch.zeros(3), torch.ones(3, dtype=torch.bool)))


def test_rejection_is_taken_at_the_cut_that_keeps_enough_signal():
    scores = torch.tensor([9.0, 8.0, 7.0, 6.0, 5.0, 4.0, 3.0, 2.0])
    positive = torch.tensor([True, False, True, False, True, False, True, False])
    assert background_rejection(scores, positive, 0.5) == 4
    assert background_rejection(scores, positive, 0.75) == 2
    false, true = receiver_curve(scores, positive)
    assert true.tolist() == [0, 0.25, 0.25, 0.5, 0.5, 0.75, 0.75, 1, 1]
    assert false.tolist() == [0, 0, 0.25, 0.25, 0.5, 0.5, 0.75, 0.75, 1]
