"""Moving multivectors between algebras."""

from collections.abc import Mapping

import torch
from torch import Tensor

from cliffnet._graphs import kept_object
from cliffnet.algebra import Algebra, Layout, layout_of_key, relabelling
from cliffnet.errors import AlgebraMismatchError, BladeError, DomainError, LayoutError, ShapeError
from cliffnet.functional._blade_recursion import blade_recursion
from cliffnet.functional._checks import check_algebra, check_multivector, check_together
from cliffnet.functional._constants import constant
from cliffnet.functional._domain import refuse
from cliffnet.functional._layouts import full_unless_given, move, multiply, place
from cliffnet.functional._outermorphism import combine_rows

_HALF = (torch.bfloat16, torch.float16)
_Generators = tuple[tuple[int, int], ...]


def embed(
    a: Tensor,
    source: Algebra,
    target: Algebra,
    mapping: Mapping[str, str] | None = None,
    *,
    layout: Layout | None = None,
    out_layout: Layout | None = None,
) -> Tensor:
    """Move multivectors into an algebra that contains theirs, by renaming generators.

    Parameters
    ----------
    a : Tensor
        Shape ``(..., source.num_blades)``, or the size of its layout.
    source, target : Algebra
        The algebra of ``a`` and that of the result, which has a generator of the same square for each of the source.
    mapping : mapping of str to str, optional
        Generators of the source to generators of the target, with a minus sign to negate them:
        ``{"e1": "e2", "e2": "-e1"}``. Generators left out keep their names.
    layout : Layout, optional
        Layout of ``a``; full multivectors if omitted.
    out_layout : Layout, optional
        Layout of the result. If omitted, full multivectors when ``layout`` is, else the images of its blades.

    Returns
    -------
    Tensor
        Shape ``(..., target.num_blades)``, or the size of the layout of the result.

    Raises
    ------
    BladeError
        If a generator has no image, or two have the same.
    AlgebraMismatchError
        If a generator and its image have different squares, or a layout is of another algebra.
    LayoutError
        If ``out_layout`` lacks the image of a blade.

    Notes
    -----
    A homomorphism: ``embed(a b) = embed(a) embed(b)``, exactly. :func:`restrict` undoes it; :func:`homomorphism`
    maps generators to any multivectors.

    Examples
    --------
    >>> import torch
    >>> from cliffnet import Algebra, functional as F
    >>> plane, space = Algebra(2), Algebra(3)
    >>> F.embed(torch.tensor([1.0, 2.0, 3.0, 4.0]), plane, space).tolist()
    [1.0, 2.0, 3.0, 0.0, 4.0, 0.0, 0.0, 0.0]
    """
    generators = _generators(source, target, mapping)
    given = full_unless_given(source, layout)
    check_multivector(a, source, layout=given)
    wanted = _out_layout(generators, given, target, layout is None, out_layout)
    entries = relabelling(given.key, wanted.key, generators)
    if len(entries) != given.size:
        raise LayoutError(
            f"{wanted!r} lacks images of {given!r}; choose a larger out_layout, or narrow the argument with "
            "F.change_layout(..., project=True)"
        )
    return place(a, entries, wanted.size)


def restrict(
    a: Tensor,
    source: Algebra,
    target: Algebra,
    mapping: Mapping[str, str] | None = None,
    *,
    project: bool = False,
    layout: Layout | None = None,
    out_layout: Layout | None = None,
) -> Tensor:
    """Move multivectors into an algebra that theirs contains: the inverse of :func:`embed`.

    Parameters
    ----------
    a : Tensor
        Shape ``(..., source.num_blades)``, or the size of its layout.
    source, target : Algebra
        The algebra of ``a`` and that of the result; each generator of the target is one of the source.
    mapping : mapping of str to str, optional
        Generators of the target to generators of the source: the mapping that embeds ``target`` in ``source``.
    project : bool
        Drop the blades that ``target`` lacks, instead of refusing.
    layout : Layout, optional
        Layout of ``a``; full multivectors if omitted.
    out_layout : Layout, optional
        Layout of the result; full multivectors of ``target`` if omitted.

    Returns
    -------
    Tensor
        Shape ``(..., target.num_blades)``, or the size of ``out_layout``.

    Raises
    ------
    LayoutError
        If the result lacks a blade of the layout of ``a`` and ``project`` is not set.
    BladeError, AlgebraMismatchError
        As in :func:`embed`.

    Examples
    --------
    >>> import torch
    >>> from cliffnet import Algebra, functional as F
    >>> plane, space = Algebra(2), Algebra(3)
    >>> F.restrict(torch.arange(8.0), space, plane, project=True).tolist()
    [0.0, 1.0, 2.0, 4.0]
    """
    generators = _generators(target, source, mapping)
    given = full_unless_given(source, layout)
    check_multivector(a, source, layout=given)
    wanted = full_unless_given(target, out_layout)
    entries = tuple((index, out, sign) for out, index, sign in relabelling(wanted.key, given.key, generators))
    if len(entries) != given.size and not project:
        raise LayoutError(
            f"{wanted!r} lacks blades of {given!r}; pass project=True to drop them, or the layout of a subalgebra"
        )
    return place(a, entries, wanted.size)


def homomorphism(
    images: Tensor,
    a: Tensor,
    source: Algebra,
    target: Algebra,
    *,
    layout: Layout | None = None,
    out_layout: Layout | None = None,
) -> Tensor:
    """Map an algebra into another by the images of its generators: ``phi(a b) = phi(a) phi(b)``, ``phi(1) = 1``.

    Parameters
    ----------
    images : Tensor
        Shape ``(..., source.dim, target.num_blades)``: what each generator maps to. The images must anticommute and
        have the squares of the generators.
    a : Tensor
        Shape ``(..., source.num_blades)``, or the size of its layout; leading axes broadcast with those of ``images``.
    source, target : Algebra
        The algebra of ``a`` and that of the result.
    layout, out_layout : Layout, optional
        Layouts of ``a`` and of the result; full multivectors if omitted.

    Returns
    -------
    Tensor
        Shape ``(..., target.num_blades)``, or the size of ``out_layout``. NaN in compiled graphs and transforms, where
        nothing can be raised, if the images do not satisfy the relations of the generators.

    Raises
    ------
    DomainError
        If images do not anticommute or have other squares than the generators, beyond rounding.
    ShapeError, DTypeError, DeviceError, AlgebraMismatchError
        If the arguments do not fit the algebras or each other.

    Notes
    -----
    By the universal property of Clifford algebras the images determine the map. Isomorphisms between algebras and
    embeddings of one as the even part of another are of this form.

    Examples
    --------
    The quaternions are the even part of Cl(3):

    >>> import torch
    >>> from cliffnet import Algebra, functional as F
    >>> quaternions, space = Algebra.quaternions(), Algebra(3)
    >>> units = torch.zeros(2, 8)
    >>> units[0, space.index("e32")[0]] = units[1, space.index("e13")[0]] = 1.0
    >>> F.homomorphism(units, torch.tensor([1.0, 2.0, 3.0, 4.0]), quaternions, space).tolist()
    [1.0, 0.0, 0.0, 0.0, 4.0, 3.0, 2.0, 0.0]
    """
    given, wanted = full_unless_given(source, layout), full_unless_given(target, out_layout)
    check_multivector(images, target, "the images")
    check_multivector(a, source, layout=given)
    check_together(images, a, "the images and the multivector")
    if images.dim() < 2 or images.shape[-2] != source.dim:
        raise ShapeError(
            f"the images have shape {tuple(images.shape)}, expected (..., {source.dim}, {target.num_blades}): one "
            f"multivector of {target} for each generator of {source}"
        )
    vectors = images.float() if images.dtype in _HALF else images
    broken = _broken_relations(vectors, source, target)
    refuse(
        broken,
        lambda: DomainError(
            f"the images of the generators of {source} do not anticommute or do not square to {source.metric} in "
            f"{target}, so no homomorphism has them; check with F.anticommutator"
        ),
    )
    rows = _blade_images(vectors, given, target)
    rows = torch.where(broken.unsqueeze(-1).unsqueeze(-1), torch.nan, move(rows, target.full, wanted))
    return combine_rows(a.to(rows.dtype), rows).to(a.dtype)


def _generators(source: Algebra, target: Algebra, mapping: Mapping[str, str] | None) -> _Generators:
    """Return the generator of the target, and its sign, for each generator of the source."""
    check_algebra(source)
    check_algebra(target)
    renamed = _names(mapping)
    result = []
    for i, name in enumerate(source.generator_names):
        image = renamed.pop(name, name)
        mask, sign = target.blade_mask(image.removeprefix("-"))
        if mask.bit_count() != 1:
            raise BladeError(f"{name} is mapped to {image!r}, expected a generator such as 'e1' or '-e1'")
        place = mask.bit_length() - 1
        if target.metric[place] != source.metric[i]:
            raise AlgebraMismatchError(
                f"{name} squares to {source.metric[i]:g} in {source}, but its image {image} to "
                f"{target.metric[place]:g} in {target}; give a mapping to generators of the same squares"
            )
        result.append((place, -sign if image.startswith("-") else sign))
    if renamed:
        raise BladeError(f"{source} has no generators {', '.join(renamed)}; it has {', '.join(source.generator_names)}")
    if len({place for place, _ in result}) != len(result):
        raise BladeError(f"two generators of {source} are mapped to one of {target}; their images must differ")
    return tuple(result)


def embedded_layout(layout: Layout, target: Algebra, mapping: Mapping[str, str] | None) -> Layout:
    """Return the images of the blades of a layout, in the order and with the signs of the target."""
    return _images(_generators(layout.algebra, target, mapping), layout, target)


def _names(mapping: Mapping[str, str] | None) -> dict[str, str]:
    if mapping is None:
        return {}
    if not isinstance(mapping, Mapping) or not all(
        isinstance(name, str) for names in mapping.items() for name in names
    ):
        raise BladeError(f"the mapping is {mapping!r}, expected names of generators such as {{'e1': 'e2'}}")
    return dict(mapping)


def _out_layout(
    generators: _Generators, given: Layout, target: Algebra, dense: bool, out_layout: Layout | None
) -> Layout:
    if out_layout is not None or dense:
        return full_unless_given(target, out_layout)
    return _images(generators, given, target)


def _images(generators: _Generators, given: Layout, target: Algebra) -> Layout:
    return _images_of(given.key, target.vectors.key, generators)


# in a kept function, which graphs run: they cannot follow how a layout gets its key
@kept_object
def _images_of(source: str, vectors: str, generators: _Generators) -> Layout:
    """Return the blades that those of a layout are renamed to, in the order of the algebra of some vectors."""
    return layout_of_key(vectors).algebra.layout_of_masks(
        sum(1 << place for i, (place, _) in enumerate(generators) if mask >> i & 1)
        for mask in layout_of_key(source).blade_masks
    )


def _broken_relations(images: Tensor, source: Algebra, target: Algebra) -> Tensor:
    """Tell where images of generators do not anticommute or have the wrong squares; false for NaN."""
    full = target.full
    products = multiply("anticommutator", images.unsqueeze(-2), images.unsqueeze(-3), full, full, full)
    one = constant(tuple(float(mask == 0) for mask in full.blade_masks), images.dtype, images.device)
    squares = torch.diag(constant(source.metric, images.dtype, images.device))
    sizes = images.abs().sum(-1)
    bound = 32 * torch.finfo(images.dtype).eps * (sizes.unsqueeze(-1) * sizes.unsqueeze(-2))
    errors = (products - squares.unsqueeze(-1) * one).abs().amax(-1)
    return (errors > bound).flatten(-2).any(-1)


def _blade_images(vectors: Tensor, given: Layout, target: Algebra) -> Tensor:
    """Return the images of the blades of a layout as rows."""
    full = target.full
    one = constant(tuple(float(mask == 0) for mask in full.blade_masks), vectors.dtype, vectors.device)
    images = one.expand(*vectors.shape[:-2], 1, full.size)
    pieces: list[Tensor] = []
    order: list[int] = []
    signs: list[float] = []
    for grade, step in enumerate(blade_recursion(given.key)):
        if grade > 0:
            first = vectors.index_select(-2, constant(step.first, torch.int64, vectors.device))
            if grade == 1:
                images = first
            else:
                below = images.index_select(-2, constant(step.rest, torch.int64, vectors.device))
                images = multiply("geometric_product", first, below, full, full, full)
        pieces.append(images.index_select(-2, constant(step.rows, torch.int64, vectors.device)))
        order.extend(step.places)
        signs.extend(step.signs)
    places = tuple(order.index(place) for place in range(given.size))
    rows = torch.cat(pieces, -2) * constant(tuple(signs), vectors.dtype, vectors.device).unsqueeze(-1)
    return rows.index_select(-2, constant(places, torch.int64, vectors.device))
