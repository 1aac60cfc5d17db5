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
    return _plan(partition.algebra.full_key, partition.key)


def class_inner_products_plan(partition: Partition) -> int:
    """Return the plan of the invariant inner products of the classes of a partition."""
    return _inner_products(partition.algebra.full_key, partition.key)


@kept_constant
def whole_square_plan(layout: str) -> int:
    """Return the plan of the squares of a single class, of the algebra of a full layout."""
    return _plan(layout, ",".join(map(str, range(len(metric_and_blades(layout)[0]) + 1))))


@kept_constant
def magnitude_plan(layout: str) -> int:
    """Return a plan of squares whose absolute values sum to the squared magnitude.

    Grade by grade, since a grade may have a negative square; in one class where no generator squares to less than 0.
    """
    metric = metric_and_blades(layout)[0]
    if min(metric, default=0.0) >= 0.0:
        return whole_square_plan(layout)
    return _plan(layout, "|".join(map(str, range(len(metric) + 1))))


def _owners(layout: str, classes: list[list[int]]) -> list[int]:
    """Return the class of each blade."""
    class_of_grade = {grade: index for index, grades in enumerate(classes) for grade in grades}
    return [class_of_grade[mask.bit_count()] for mask in metric_and_blades(layout)[1][0]]


@kept_constant
def _inner_products(layout: str, key: str) -> int:
    classes = [list(map(int, grades.split(","))) for grades in key.split("|")]
    owners = _owners(layout, classes)
    terms = plan_terms(inner_product_plan(layout, layout))
    out = [owners[blade] for blade in terms.left]
    columns = (out, terms.left, terms.right, [0] * len(out), terms.coefficient)
    return _rust.plan_from_terms((len(owners), len(owners), len(classes)), 0, columns)


@kept_constant
def _plan(layout: str, key: str) -> int:
    classes = [list(map(int, grades.split(","))) for grades in key.split("|")]
    owners = _owners(layout, classes)
    measured = plan_terms(inner_product_plan(layout, layout))
    count = len(owners)
    both = [*measured.left, *range(count)]
    out = [*(owners[blade] for blade in measured.left), *(len(classes) + owner for owner in owners)]
    columns = (out, both, both, [0] * len(both), [*measured.coefficient, *([1.0] * count)])
    return _rust.plan_from_terms((count, count, 2 * len(classes)), 0, columns)
