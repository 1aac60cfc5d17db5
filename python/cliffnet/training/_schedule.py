"""Learning rates over the steps of a run."""

import math


def exponential(step: int, steps: int, lr: float, decay: float) -> float:
    """Return ``lr * decay ** (step / steps)``.

    Parameters
    ----------
    step : int
        Index of the step, from 0.
    steps : int
        Steps of the run.
    lr : float
        Learning rate at the start.
    decay : float
        What is left of it at the end.

    Returns
    -------
    float
    """
    return float(lr * decay ** (step / steps))


def warmup_cosine(
    step: int, steps: int, lr: float, final: float = 0.0, warmup: int | None = None, decay: int | None = None
) -> float:
    r"""Return the learning rate of the CGENN and CSMPN recipes: a warm-up, a plateau, a decay.

    With :math:`t` counted from the start of each part,
    :math:`\eta + (lr - \eta) (1 - \cos(\pi t / W)) / 2` for :math:`W` steps, then :math:`lr`, and for the last
    :math:`D` steps :math:`\eta + (lr - \eta) (1 + \cos(\pi t / D)) / 2`.

    Parameters
    ----------
    step : int
        Index of the step, from 0.
    steps : int
        Steps of the run.
    lr : float
        Learning rate of the plateau.
    final : float
        :math:`\eta`, from which the warm-up starts and which the decay would reach at the step after the last: 1e-7 in
        CGENN, 0 in CSMPN.
    warmup, decay : int, optional
        :math:`W` and :math:`D`; a sixty-fourth and a quarter of the steps by default.

    Returns
    -------
    float

    Examples
    --------
    >>> [round(warmup_cosine(step, 128, 1.0), 6) for step in (0, 1, 2, 96, 112)]
    [0.0, 0.5, 1.0, 1.0, 0.5]
    """
    warmup = steps // 64 if warmup is None else warmup
    decay = steps // 4 if decay is None else decay
    if step < warmup:
        share = 0.5 - 0.5 * math.cos(math.pi * step / warmup)
    elif step < steps - decay:
        return lr
    else:
        share = 0.5 + 0.5 * math.cos(math.pi * (step - steps + decay) / decay) if decay else 1.0
    return final + (lr - final) * share
