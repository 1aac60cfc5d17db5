"""How well scores separate two classes."""

import math

import torch
from torch import Tensor


def receiver_curve(scores: Tensor, positive: Tensor) -> tuple[Tensor, Tensor]:
    """Return the share of negatives and of positives at or above each distinct score, from none to all.

    Parameters
    ----------
    scores : Tensor
        Shape ``(samples,)``, higher for positives.
    positive : Tensor
        Shape ``(samples,)``, bool.

    Returns
    -------
    false_positives, true_positives : Tensor
        Shares, float64, each from 0 to 1; NaN where there is nothing of a class.
    """
    order = scores.argsort(descending=True)
    ranked, right = scores[order], positive[order].double()
    last = torch.ones_like(ranked, dtype=torch.bool)
    last[:-1] = ranked[1:] != ranked[:-1]  # equal scores are one step of the curve
    zero = right.new_zeros(1)
    found = [torch.cat([zero, part.cumsum(0)[last]]) for part in (1 - right, right)]
    return found[0] / found[0][-1], found[1] / found[1][-1]


def area_under_curve(scores: Tensor, positive: Tensor) -> float:
    """Return the chance that a positive has a higher score than a negative, ties counting half.

    Examples
    --------
    >>> area_under_curve(torch.tensor([0.1, 0.4, 0.4, 0.9]), torch.tensor([False, False, True, True]))
    0.875
    """
    false, true = receiver_curve(scores, positive)
    return torch.trapezoid(true, false).item()


def background_rejection(scores: Tensor, positive: Tensor, efficiency: float) -> float:
    """Return how many negatives there are for each one that passes, at the cut that keeps this share of positives.

    NaN if none passes, or there is nothing of a class.

    Examples
    --------
    >>> background_rejection(torch.tensor([0.1, 0.3, 0.4, 0.2, 0.9]), torch.tensor([0, 0, 1, 0, 1]) > 0, 0.5)
    nan
    """
    false, true = receiver_curve(scores, positive)
    passing = false[true >= efficiency]
    share = passing[0].item() if len(passing) else math.nan
    return 1 / share if share > 0 else math.nan
