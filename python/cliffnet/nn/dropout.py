"""Dropout that keeps equivariance."""

from torch import Tensor, nn

from cliffnet import functional as F
from cliffnet.algebra import Algebra, Partition
from cliffnet.nn.config import check_dropout


class GradeDropout(nn.Module):
    """Drop whole grades of multivector channels, and single scalars.

    Each grade of each channel of each item is zeroed with probability p, independently; what is kept is scaled
    by 1 / (1 - p). Scalars get ordinary dropout. Nothing happens in evaluation mode.

    Parameters
    ----------
    probability : float
        Probability p of dropping a grade.
    algebra : Algebra
        Algebra of the multivectors.

    Notes
    -----
    Pin-equivariant for a given draw, since the group keeps grades apart.
    """

    def __init__(self, probability: float, *, algebra: Algebra) -> None:
        super().__init__()
        self.probability = check_dropout(probability) or 0.0
        self.algebra = algebra
        self._grades = Partition.by_grade(algebra)

    def forward(self, multivectors: Tensor, scalars: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """Drop grades of (..., C, B) multivectors and entries of (..., S) scalars."""
        if not self.training or self.probability == 0.0:
            return multivectors, scalars
        keep = 1.0 - self.probability
        kept = multivectors.new_empty((self.algebra.dim + 1, *multivectors.shape[:-1])).bernoulli_(keep).div_(keep)
        outputs = F.gate(multivectors, kept.movedim(0, -1), partition=self._grades)
        if scalars is not None:
            scalars = nn.functional.dropout(scalars, self.probability)
        return outputs, scalars

    def extra_repr(self) -> str:
        """Describe the layer for ``repr``."""
        return f"{self.probability}, algebra={self.algebra}"
