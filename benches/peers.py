"""General operations beside clifford, kingdon and clifra, where they are installed and offer them.

Geometric product, inverse of a general element and exponential of a bivector: the latency of one element, and the time
for many. clifford holds one multivector an object, so many are a loop over objects there; kingdon takes arrays of
coefficients; clifra takes tensors. Everything is in double precision, which clifford is written for. Results are
compared before anything is timed.
"""

import importlib.util
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from benches.report import Row
from benches.timing import Call, interleaved
from cliffnet import Algebra
from cliffnet import functional as F

NAME = "peers"
_SIGNATURES = ((3, 0, 1), (4, 1, 0))

Values = dict[str, Tensor]
Calls = dict[str, Call]
# what a peer offers for some values: calls by operation, and their results as tensors in our order of blades
Offer = tuple[Calls, dict[str, Callable[[], Tensor]]]


def _ours(algebra: Algebra, values: Values) -> Offer:
    a, b, bivector = values["a"], values["b"], values["bivector"]
    compact = F.change_layout(bivector, algebra.full, algebra.bivectors, project=True)
    calls: dict[str, Callable[[], Tensor]] = {
        "product": lambda: F.geometric_product(a, b, algebra),
        "inverse": lambda: F.inverse(a, algebra),
        "exp": lambda: F.exp(compact, algebra, layout=algebra.bivectors),
    }
    full = {**calls, "exp": lambda: F.exp(bivector, algebra)}
    return dict(calls), full


def _clifford(algebra: Algebra, values: Values) -> Offer:
    import clifford

    layout, _ = clifford.Cl(*algebra.signature)

    def elements(tensor: Tensor) -> list[Any]:
        return [clifford.MultiVector(layout, row) for row in tensor.reshape(-1, tensor.shape[-1]).numpy()]

    a, b, bivector = (elements(values[name]) for name in ("a", "b", "bivector"))
    calls: dict[str, Callable[[], list[Any]]] = {
        "product": lambda: [x * y for x, y in zip(a, b, strict=True)],
        "inverse": lambda: [x.hitzer_inverse() for x in a],
        "exp": lambda: [x.exp() for x in bivector],
    }

    def values_of(call: Callable[[], list[Any]]) -> Callable[[], Tensor]:
        return lambda: torch.stack([torch.from_numpy(element.value) for element in call()])

    return dict(calls), {name: values_of(call) for name, call in calls.items()}


def _kingdon(algebra: Algebra, values: Values) -> Offer:
    import kingdon

    peer = kingdon.Algebra(*algebra.signature)

    def element(tensor: Tensor) -> Any:
        flat = tensor.reshape(-1, tensor.shape[-1]).numpy()
        return peer.multivector(values=list(flat[0]) if len(flat) == 1 else flat.T.copy())

    a, b = element(values["a"]), element(values["b"])
    calls: dict[str, Call] = {"product": lambda: a * b}
    if algebra.dim < 5:
        # in five dimensions generating the code of an inverse takes minutes
        calls["inverse"] = lambda: a.inv()

    def values_of(call: Callable[[], Any]) -> Callable[[], Tensor]:
        def result() -> Tensor:
            element = call()
            columns = dict(zip(element.keys(), element.values(), strict=True))
            first = torch.as_tensor(next(iter(columns.values())), dtype=torch.float64)
            zero = torch.zeros_like(first)
            rows = [torch.as_tensor(columns.get(mask, zero), dtype=torch.float64) for mask in algebra.blade_masks]
            return torch.stack(rows, -1).reshape(-1, algebra.num_blades)

        return result

    return calls, {name: values_of(call) for name, call in calls.items()}


def _clifra(algebra: Algebra, values: Values) -> Offer:
    import clifra

    p, q, r = algebra.signature
    peer = clifra.make_algebra(p, q, r, device="cpu", dtype=torch.float64)

    def peer_mask(mask: int) -> int:
        # null generators come last there
        return mask >> r | (mask & (1 << r) - 1) << (p + q)

    order = sorted(range(algebra.num_blades), key=lambda index: peer_mask(algebra.blade_masks[index]))
    planes = torch.tensor([index for index in order if algebra.grades[index] == 2])
    even = torch.tensor([index for index in order if algebra.grades[index] % 2 == 0])
    # the sign by which a null generator passes the others
    signs = torch.tensor([_passing_sign(mask, r) for mask in algebra.blade_masks], dtype=torch.float64)
    a, b, bivector = (values[name] * signs for name in ("a", "b", "bivector"))
    a, b, bivector = a[..., order], b[..., order], bivector[..., planes]
    exp_layouts = {"input_layout": peer.layout((2,)), "output_layout": peer.layout(tuple(range(0, algebra.dim + 1, 2)))}
    calls: dict[str, Callable[[], Tensor]] = {
        "product": lambda: peer.geometric_product(a, b),
        "exp": lambda: peer.bivector_exp(bivector, **exp_layouts),
    }

    def placed(call: Callable[[], Tensor], positions: Tensor) -> Callable[[], Tensor]:
        def result() -> Tensor:
            found = call()
            return found.new_zeros(*found.shape[:-1], algebra.num_blades).index_copy(-1, positions, found) * signs

        return result

    positions = {"product": torch.tensor(order), "exp": even}
    return dict(calls), {name: placed(call, positions[name]) for name, call in calls.items()}


def _passing_sign(mask: int, null: int) -> float:
    """Return the sign of a blade with its null generators moved behind the others."""
    behind = (mask & (1 << null) - 1).bit_count()
    return -1.0 if behind * (mask >> null).bit_count() % 2 else 1.0


_PEERS: dict[str, Callable[[Algebra, Values], Offer]] = {"clifford": _clifford, "kingdon": _kingdon, "clifra": _clifra}


def _draw(algebra: Algebra, size: int) -> Values:
    generator = torch.Generator().manual_seed(0)
    a, b, c = (torch.randn(size, algebra.num_blades, generator=generator, dtype=torch.float64) for _ in range(3))
    # away from singular elements, where inverses lose digits on all sides
    a[:, 0] += 4.0
    return {"a": a, "b": b, "bivector": 0.3 * F.grade_project(c, 2, algebra)}


def rows(*, size: int = 65_536, loop_size: int = 2_048, rounds: int = 7, sample_seconds: float = 0.02) -> list[Row]:
    """Measure one element, and ``size`` of them; clifford loops over ``loop_size`` objects, scaled up."""
    measured: list[Row] = []
    for signature in _SIGNATURES:
        algebra = Algebra(*signature)
        for count in (1, size):
            ours, expected = _ours(algebra, _draw(algebra, count))
            for name, make in _PEERS.items():
                title = f"{algebra}, {count} element{'s' if count > 1 else ''}"
                if importlib.util.find_spec(name) is None:
                    measured.append(Row(NAME, f"{title}, beside {name}", "", note=f"{name} is not installed"))
                    continue
                taken = min(count, loop_size) if name == "clifford" else count
                calls, results = make(algebra, {key: value[:taken] for key, value in _draw(algebra, count).items()})
                for operation, call in calls.items():
                    torch.testing.assert_close(
                        results[operation](), expected[operation]()[:taken], rtol=1e-8, atol=1e-8
                    )
                    # a peer may keep what its first call compiles, so both sides are warm
                    times = interleaved(
                        {"ours": ours[operation], name: call}, rounds=rounds, sample_seconds=sample_seconds
                    )
                    unit, factor = ("us", 1e6) if count == 1 else ("ms", 1e3)
                    scale = factor * count / taken
                    measured.append(
                        Row(
                            NAME,
                            f"{operation}, {title}",
                            unit,
                            times["ours"].scaled(factor),
                            name,
                            times[name].median * scale,
                        )
                    )
    return measured
