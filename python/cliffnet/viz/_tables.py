"""Figures of an algebra's products and of the coefficients of multivectors."""

from typing import TYPE_CHECKING, Any

import torch

from cliffnet import functional as F
from cliffnet.algebra import Algebra, Layout
from cliffnet.errors import ConfigError, LayoutError
from cliffnet.viz._canonical import dense
from cliffnet.viz._matplotlib import COLORS, INK, pyplot

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MAX_BLADES = 64
_NAMED_BLADES = 16
_PRODUCTS = (
    "geometric_product", "outer_product", "regressive_product", "left_contraction", "right_contraction",
    "fat_inner_product", "hestenes_inner_product", "scalar_product", "commutator", "anticommutator",
)  # fmt: skip


def cayley_table(algebra: Algebra, *, product: str = "geometric_product", ax: "Axes | None" = None) -> "Axes":
    """Draw the multiplication table of an algebra: the row's blade times the column's.

    Blue cells are positive, red ones negative, darker ones of higher grade; white cells are zero. Up to 16 blades the
    cells name the product.

    Parameters
    ----------
    algebra : Algebra
        At most 64 blades.
    product : str
        Name of a product of :mod:`cliffnet.functional`.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure without it.

    Returns
    -------
    matplotlib.axes.Axes
        Its figure is ``ax.figure``; nothing is shown or saved.

    Raises
    ------
    MissingDependencyError
        If matplotlib is not installed.
    LayoutError
        If the algebra has too many blades to read.
    ConfigError
        If there is no such product.
    """
    if algebra.num_blades > MAX_BLADES:
        raise LayoutError(f"{algebra} has {algebra.num_blades} blades; a table of at most {MAX_BLADES} can be read")
    if product not in _PRODUCTS:
        raise ConfigError(f"there is no product {product!r}; expected one of {', '.join(_PRODUCTS)}")
    plt = pyplot()
    size = algebra.num_blades
    named = size <= _NAMED_BLADES
    if ax is None:
        inches = 2.0 + (0.42 * size if named else 0.15 * size)
        _, ax = plt.subplots(figsize=(inches, inches), layout="constrained")
    blades = torch.eye(size, dtype=torch.float64)
    table = getattr(F, product)(blades[:, None], blades[None], algebra)
    value, index = table.abs().max(-1)
    sign = table.gather(-1, index.unsqueeze(-1)).squeeze(-1).sign()
    shade = sign * (1.0 + torch.tensor(algebra.grades)[index])
    top = algebra.dim + 1.6
    ax.imshow(shade.tolist(), cmap="RdBu", vmin=-top, vmax=top)
    _label_blades(ax, algebra, rows=True)
    ax.set_title(f"{algebra}: {product.replace('_', ' ')}", pad=12, color=INK)
    ax.set_xticks([i - 0.5 for i in range(1, size)], minor=True)
    ax.set_yticks([i - 0.5 for i in range(1, size)], minor=True)
    ax.grid(which="minor", color="white", linewidth=1.0 if named else 0.3)
    ax.tick_params(which="both", length=0)
    for edge in ax.spines.values():
        edge.set_visible(False)
    if named:
        _name_cells(ax, algebra, table, index, value, shade.abs() / top)
    return ax


def _name_cells(ax: Any, algebra: Algebra, table: Any, index: Any, value: Any, depth: Any) -> None:
    longest = max(map(len, algebra.blade_names)) + 1
    for row in range(algebra.num_blades):
        for column in range(algebra.num_blades):
            found = int(index[row, column])
            scale = float(table[row, column, found])
            if not value[row, column]:
                text = "0"
            else:
                number = "" if abs(scale) == 1.0 else f"{abs(scale):g} "
                text = ("−" if scale < 0 else "") + number + algebra.blade_names[found]
            color = "#bbbbbb" if text == "0" else "white" if depth[row, column] > 0.6 else INK
            ax.text(column, row, text, ha="center", va="center", color=color, fontsize=9 if longest < 6 else 7)


def _label_blades(ax: Any, algebra: Algebra, *, rows: bool = False) -> None:
    places, crowded = range(algebra.num_blades), algebra.num_blades > _NAMED_BLADES
    size = 9 if not crowded else 7 if algebra.num_blades <= 32 else 5
    ax.set_xticks(places, algebra.blade_names, rotation=90 if crowded else 0, fontsize=size)
    if rows:
        ax.set_yticks(places, algebra.blade_names, fontsize=size)
        ax.xaxis.tick_top()


def coefficients(
    x: Any, algebra: Algebra | None = None, layout: Layout | None = None, *, ax: "Axes | None" = None
) -> "Axes":
    """Draw the coefficients of multivectors as bars coloured by grade.

    Parameters
    ----------
    x : Multivector or Tensor
        Shape ``(..., layout.size)``. Of a batch, bars are means, and lines reach one standard deviation either way.
    algebra : Algebra, optional
        The algebra of a tensor.
    layout : Layout, optional
        The layout of a tensor; the bars are the blades it holds.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure without it.

    Returns
    -------
    matplotlib.axes.Axes
        Its figure is ``ax.figure``; nothing is shown or saved.

    Raises
    ------
    MissingDependencyError
        If matplotlib is not installed.
    AlgebraMismatchError
        If a tensor comes without its algebra.
    ShapeError
        If it does not fit its layout.
    """
    layout = getattr(x, "layout", layout) if not isinstance(x, torch.Tensor) else layout
    values, algebra = dense(x, algebra, layout)
    shown = layout if layout is not None else algebra.full
    values = F.change_layout(values, algebra.full, shown, project=True).reshape(-1, shown.size)
    plt = pyplot()
    if ax is None:
        _, ax = plt.subplots(figsize=(max(4.0, 1.5 + 0.4 * shown.size), 3.2), layout="constrained")
    mean = values.mean(0)
    spread = values.std(0, correction=0).tolist() if values.shape[0] > 1 else None
    for grade in sorted(set(shown.grades)):
        places = [place for place, own in enumerate(shown.grades) if own == grade]
        ax.bar(
            places,
            mean[places].tolist(),
            yerr=None if spread is None else [spread[place] for place in places],
            color=COLORS[grade % len(COLORS)],
            error_kw={"ecolor": INK, "elinewidth": 1.0, "capsize": 2.5},
            label=f"grade {grade}",
        )
    crowded = shown.size > _NAMED_BLADES
    ax.set_xticks(range(shown.size), shown.blade_names, rotation=90 if crowded else 0)
    ax.set_xlim(-0.7, shown.size - 0.3)
    ax.axhline(0.0, color=INK, linewidth=0.8)
    ax.set_ylabel("coefficient" if spread is None else f"mean ± deviation of {values.shape[0]}")
    for edge in ("top", "right"):
        ax.spines[edge].set_visible(False)
    if len(set(shown.grades)) > 1:
        ax.legend(frameon=False, ncols=len(set(shown.grades)), loc="lower left", bbox_to_anchor=(0.0, 1.0), fontsize=8)
    return ax
