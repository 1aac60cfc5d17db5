"""The squares of classes of blades as a plan, which is how the native library learns of classes."""

from cliffnet import _rust
from cliffnet._graphs import kept_constant
from cliffnet.algebra._layout import layout_of_key
from cliffnet.algebra._partition import Partition
from cliffnet.algebra._plan import plan_terms
from cliffnet.algebra._tables import inner_product_plan


@kept_constant
def class_squares_plan(key: str, classes: tuple[tuple[int, ...], ...]) -> int:
    """Return the plan of the squares of classes of full multivectors.

    It has two outputs a class: first the invariant squares ``<reverse(x_class) x_class>_0`` of all classes, then the sums
    of their squared coefficients.
    """
    owners = Partition(layout_of_key(key).algebra, classes).class_of_blades()
    inner = plan_terms(inner_product_plan(key, key))
    rows = [
        (owners[blade], blade, coefficient) for blade, coefficient in zip(inner.left, inner.coefficient, strict=True)
    ]
    rows += [(len(classes) + owner, blade, 1.0) for blade, owner in enumerate(owners)]
    out, blades, coefficients = (list(column) for column in zip(*rows, strict=True))
    columns = (out, blades, blades, [0] * len(rows), coefficients)
    return _rust.plan_from_terms((len(owners), len(owners), 2 * len(classes)), 0, columns)
