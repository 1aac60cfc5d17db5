"""Plans of the squares of classes of blades."""

from cliffnet import _rust
from cliffnet._graphs import kept_constant
from cliffnet.algebra._partition import Partition
from cliffnet.algebra._plan import plan_terms
from cliffnet.algebra._tables import inner_product_plan, metric_and_blades


def class_squares_plan(partition: Partition) -> int:
    """Return the plan of the squares of the classes of a partition.

    Its outputs are the invariant square ``<reverse(x_k) x_k>_0`` of each class k, then the sum of the squared
    coefficients of each class; kernels of layers read from it which blade belongs to which class, and what it counts.
    """
    return _plan(partition.algebra.full_key, partition.classes)


@kept_constant
def _plan(layout: str, classes: tuple[tuple[int, ...], ...]) -> int:
    blades = metric_and_blades(layout)[1][0]
    owners = [next(index for index, grades in enumerate(classes) if mask.bit_count() in grades) for mask in blades]
    measured = plan_terms(inner_product_plan(layout, layout))
    count = len(blades)
    both = [*measured.left, *range(count)]
    out = [*(owners[blade] for blade in measured.left), *(len(classes) + owner for owner in owners)]
    columns = (out, both, both, [0] * len(both), [*measured.coefficient, *([1.0] * count)])
    return _rust.plan_from_terms((count, count, 2 * len(classes)), 0, columns)
