"""What a multivector holds: coefficients by name, grades, batch axes."""

import pytest
import torch

from cliffnet import Algebra, Multivector
from cliffnet.errors import AlgebraMismatchError, BladeError, DTypeError, GradeError, LayoutError, ShapeError

PGA = Algebra(3, 0, 1)


def test_facts():
    x = PGA.randn(2, 3, layout=PGA.even, dtype=torch.float64)
    assert x.algebra is PGA
    assert x.layout is PGA.even
    assert x.shape == (2, 3)
    assert x.ndim == x.dim() == 2
    assert x.dtype == torch.float64
    assert x.device == torch.device("cpu")
    assert x.tensor.shape == (2, 3, 8)
    assert len(x) == 2
    assert [row.shape for row in x] == [(3,), (3,)]


def test_coefficients_have_the_sign_of_the_name():
    x = PGA.randn(4)
    position, _ = PGA.index("e13")
    assert torch.equal(x.e13, x.tensor[:, position])
    assert torch.equal(x.e31, -x.e13)
    assert torch.equal(x["e31"], x.e31)
    assert torch.equal(x["1"], x.e)
    assert torch.equal(x(2).e31, x.e31)
    assert torch.equal(x(2).e1, torch.zeros(4))
    signed = Algebra.from_name("3DPGA")
    assert torch.equal(signed.randn(3).e13 + 0, -signed.randn(3).e31 * 0) is False
    y = signed.layout("e31")
    assert (signed.multivector(torch.tensor([2.0]), y)).e13 == -2.0


def test_coefficients_of_blades_that_do_not_exist():
    x = PGA.randn(2)
    with pytest.raises(BladeError, match="e4"):
        x["e4"]
    with pytest.raises(AttributeError, match="e4"):
        _ = x.e4
    with pytest.raises(AttributeError, match=r"mv\.map"):
        _ = x.relu
    assert not hasattr(x, "expm1")


def test_immutable():
    x = PGA.randn(2)
    for attribute in ("tensor", "layout", "e12", "other"):
        with pytest.raises(AttributeError):
            setattr(x, attribute, 1.0)
    with pytest.raises(TypeError, match=r"immutable; add what changes, mv \+ \(value - mv\['e2'\]\)"):
        x["e2"] = 1.0
    with pytest.raises(TypeError, match=r"immutable; .*torch\.where"):
        x[0] = PGA.e1
    # as the message says
    changed = x + (1.0 - x["e2"]) * PGA.blade("e2")
    assert torch.allclose(changed.e2, torch.ones(2))
    assert torch.equal(changed.e13, x.e13)


def test_grades():
    x = PGA.randn(3)
    assert x(0, 2).layout.grades == (0,) + (2,) * 6
    assert (x.grade(0, 2, 4) + x.grade(1, 3) == x).all()
    assert x(2)(1).layout.size == 0
    assert x(2)(1).tensor.shape == (3, 0)
    with pytest.raises(GradeError, match="grade 5"):
        x(5)


def test_indexing_is_of_the_batch():
    x = PGA.randn(4, 3, 2, layout=PGA.vectors)
    keep = torch.tensor([True, False, True, True])
    picked = torch.tensor([0, 2])
    for index in (
        0,
        -1,
        slice(1, 3),
        None,
        keep,
        picked,
        (0, 1),
        (..., 0),
        (0, ..., 1),
        (None, 2),
        (slice(None), picked),
    ):
        by_hand = x.tensor.unbind(-1)
        assert torch.equal(x[index].tensor, torch.stack([blade[index] for blade in by_hand], -1)), index
    assert x[..., 0].shape == (4, 3)
    assert x[0, 0, 0].shape == ()
    with pytest.raises(IndexError):
        x[0, 0, 0, 0]
    with pytest.raises(TypeError, match="iterated"):
        list(x[0, 0, 0])
    with pytest.raises(TypeError, match="no length"):
        len(x[0, 0, 0])


def test_layouts_change():
    x = PGA.randn(2, layout=PGA.bivectors)
    assert x.dense().layout is PGA.full
    assert (x.dense() == x).all()
    assert x.change_layout(PGA.even).layout is PGA.even
    with pytest.raises(LayoutError):
        x.change_layout(PGA.vectors)
    assert x.change_layout(PGA.layout("e31"), project=True).tensor.equal(x.e31.unsqueeze(-1))


def test_conversions():
    x = PGA.randn(2, 3)
    assert x.to(torch.float64).dtype == x.double().dtype == torch.float64
    assert x.double().float().dtype == torch.float32
    assert x.to("cpu").layout is x.cpu().layout is x.layout
    assert x.to("meta").device.type == "meta"
    assert x.reshape(6).shape == (6,)
    assert x.reshape(3, -1).shape == (3, 2)
    assert x[:1].expand(5, 3).shape == x[:1].expand((5, 3)).shape == (5, 3)
    assert x.reshape((3, 2)).shape == x.reshape(torch.Size([3, 2])).shape == (3, 2)
    assert [x.unsqueeze(dim).shape for dim in (0, 2, -1)] == [(1, 2, 3), (2, 3, 1), (2, 3, 1)]
    assert x.unsqueeze(1).squeeze(1).shape == x.squeeze(0).shape == (2, 3)
    assert x.size() == (2, 3)
    assert x.size(-1) == 3
    assert (x.half().dtype, x.bfloat16().dtype) == (torch.float16, torch.bfloat16)
    with pytest.raises(IndexError, match="2 batch axes"):
        x.squeeze(2)
    assert x.numpy().shape == (2, 3, 16)
    assert x.contiguous().layout is x.layout
    assert x.map(lambda t: t.transpose(0, 1)).shape == (3, 2)
    with pytest.raises(ShapeError):
        x.map(lambda t: t[..., :3])


def test_gradients():
    x = PGA.vector([0.0, 1.0, 2.0, 3.0]).requires_grad_()
    assert x.requires_grad
    assert x.grad is None
    (x * x).e.sum().backward()
    assert (x.grad == PGA.vector([0.0, 2.0, 4.0, 6.0])).all()
    assert not x.detach().requires_grad
    assert x.clone().requires_grad


def test_refused_parts():
    with pytest.raises(AlgebraMismatchError, match="Layout"):
        Multivector(torch.ones(16), PGA)
    with pytest.raises(ShapeError, match="16"):
        Multivector(torch.ones(8), PGA.full)
    with pytest.raises(DTypeError, match="int64"):
        Multivector(torch.ones(16, dtype=torch.int64), PGA.full)
    with pytest.raises(DTypeError, match="list"):
        Multivector([1.0], PGA.scalars)
    with pytest.raises(TypeError):
        PGA.randn(2).numpy()[0] * PGA.randn(2)
