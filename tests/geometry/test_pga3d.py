import math

import pytest
import torch

from cliffnet import Algebra
from cliffnet import functional as F
from cliffnet.errors import ConfigError, DTypeError, ShapeError
from cliffnet.geometry import cga, pga3d

pytestmark = pytest.mark.usefixtures("double_precision")

ALGEBRA = pga3d.ALGEBRA


def _unit(*shape):
    x = torch.randn(*shape)
    return x / x.norm(dim=-1, keepdim=True)


def _rotate(quaternion, x):
    v, w = quaternion[..., :3], quaternion[..., 3:]
    v, x = torch.broadcast_tensors(v, x)
    return x + 2 * torch.linalg.cross(v, torch.linalg.cross(v, x) + w * x)


def test_round_trips():
    three, quaternion, ray = torch.randn(4, 2, 3), _unit(4, 2, 4), torch.randn(4, 2, 6)
    one, normal = torch.randn(4, 2, 1), _unit(4, 2, 3)
    pairs = [
        (pga3d.extract_point(pga3d.embed_point(three)), three),
        (pga3d.extract_point(-2 * pga3d.embed_point(three)), three),
        (pga3d.extract_translation(pga3d.embed_translation(three)), three),
        (pga3d.extract_translation(2 * pga3d.embed_translation(three), divide_by_embedding_dim=True), three),
        (pga3d.extract_rotation(pga3d.embed_rotation(quaternion)), quaternion),
        (pga3d.extract_rotation(3 * pga3d.embed_rotation(quaternion), normalize=True), quaternion),
        (pga3d.extract_ray(pga3d.embed_ray(ray)), ray),
        (pga3d.extract_scalar(pga3d.embed_scalar(one)), one),
        (pga3d.extract_pseudoscalar(pga3d.embed_pseudoscalar(one)), one),
        (pga3d.extract_plane_normal(pga3d.embed_plane(normal, three)), normal),
        (pga3d.extract_reflection_normal(pga3d.embed_reflection(normal, three)), normal),
    ]
    for got, expected in pairs:
        assert torch.allclose(got, expected)
    unit, foot = pga3d.extract_plane(2 * pga3d.embed_plane(normal, three))
    assert torch.allclose(unit, normal)
    assert torch.allclose((foot * normal).sum(-1), (three * normal).sum(-1))
    assert torch.allclose(pga3d.point_regularizer(3 * pga3d.embed_point(three)), torch.full((4, 2, 1), 2.0))


def test_versors_move_points_as_they_should():
    x, shift, quaternion, normal = torch.randn(5, 3), torch.randn(5, 3), _unit(5, 4), _unit(5, 3)
    point = pga3d.embed_point(x)
    moved = F.sandwich(pga3d.embed_translation(shift), point, ALGEBRA)
    assert torch.allclose(moved, pga3d.embed_point(x + shift))
    turned = F.sandwich(pga3d.embed_rotation(quaternion), point, ALGEBRA)
    assert torch.allclose(turned, pga3d.embed_point(_rotate(quaternion, x)))
    mirrored = F.sandwich(pga3d.embed_reflection(normal, shift), point, ALGEBRA)
    image = x - 2 * ((x - shift) * normal).sum(-1, keepdim=True) * normal
    assert torch.allclose(mirrored, -pga3d.embed_point(image))


def test_incidence():
    first, second, normal = torch.randn(5, 3), torch.randn(5, 3), _unit(5, 3)
    line = F.projective_join(pga3d.embed_point(first), pga3d.embed_point(second), ALGEBRA)
    direction = second - first
    assert torch.allclose(pga3d.extract_ray(line), torch.cat([direction, torch.linalg.cross(first, direction)], -1))
    plane = pga3d.embed_plane(normal, first)
    assert torch.allclose(F.outer_product(plane, pga3d.embed_point(first), ALGEBRA), torch.zeros(5, 16), atol=1e-14)
    # Any support point of the plane gives the same plane.
    inside = direction - (direction * normal).sum(-1, keepdim=True) * normal
    assert torch.allclose(pga3d.embed_plane(normal, first + inside), plane)


def test_small_weights_keep_their_sign_unless_asked_not_to():
    mv = torch.zeros(16)
    mv[13], mv[14] = -1.0, -1e-6
    assert pga3d.extract_point(mv).tolist() == pytest.approx([-1000.0, 0.0, 0.0])
    assert pga3d.extract_point(mv, keep_sign=False).tolist() == pytest.approx([1000.0, 0.0, 0.0])
    assert pga3d.extract_point(mv, divide_by_embedding_dim=False).tolist() == pytest.approx([1.0, 0.0, 0.0])
    assert pga3d.extract_point(mv, threshold=1e-7).tolist() == pytest.approx([-1e6, 0.0, 0.0])
    with pytest.raises(ConfigError, match="threshold"):
        pga3d.extract_point(mv, threshold=-1.0)


@pytest.mark.parametrize("explicit", [True, False])
def test_objects(explicit):
    position, quaternion = torch.randn(5, 1, 3), _unit(5, 1, 4)
    mv = pga3d.embed_object(position, quaternion, explicit_point=explicit)
    assert mv.shape == (5, 4 if explicit else 3, 16)
    found, turned = pga3d.extract_object(mv, sign_reference=quaternion)
    assert torch.allclose(found, position)
    assert torch.allclose(turned, quaternion)
    moved = F.sandwich(pga3d.embed_translation(torch.ones(3)), mv, ALGEBRA)
    assert torch.allclose(pga3d.extract_object(moved)[0], position + 1)


def test_two_vector_objects():
    position, orientation = torch.randn(5, 1, 3), torch.randn(5, 1, 6)
    mv = pga3d.embed_two_vector_object(position, orientation)
    found, vectors = pga3d.extract_two_vector_object(mv)
    assert torch.allclose(found, position)
    assert torch.allclose(vectors, orientation)
    third = pga3d.extract_plane_normal(mv[:, 3])
    assert torch.allclose(third, torch.linalg.cross(*orientation[:, 0].split(3, -1)))


def test_dtype_and_gradients_follow_the_input():
    x = torch.randn(3, 3, dtype=torch.float32, requires_grad=True)
    y = pga3d.embed_point(x)
    assert y.dtype == torch.float32
    pga3d.extract_point(y).sum().backward()
    assert torch.allclose(x.grad, torch.ones_like(x))
    assert math.isclose(pga3d.embed_point(torch.zeros(3))[14].item(), 1.0)


def test_wrong_shapes_are_named():
    calls = [
        lambda: pga3d.embed_point(torch.zeros(2)),
        lambda: pga3d.embed_rotation(torch.zeros(3)),
        lambda: pga3d.embed_ray(torch.zeros(5)),
        lambda: pga3d.embed_scalar(torch.zeros(2)),
        lambda: pga3d.embed_plane(torch.zeros(3), torch.zeros(2)),
        lambda: pga3d.extract_point(torch.zeros(8)),
        lambda: pga3d.embed_object(torch.zeros(3), torch.zeros(1, 4)),
        lambda: pga3d.extract_object(torch.zeros(2, 16)),
        lambda: pga3d.embed_two_vector_object(torch.zeros(1, 3), torch.zeros(1, 5)),
        lambda: pga3d.extract_two_vector_object(torch.zeros(3, 16)),
    ]
    for call in calls:
        with pytest.raises(ShapeError, match="has shape"):
            call()


def test_other_things_than_floating_tensors_are_named():
    point = ALGEBRA.e123
    with pytest.raises(DTypeError, match=r"is a Multivector, .*mv\.dense\(\)\.tensor"):
        pga3d.extract_point(point)
    assert torch.equal(pga3d.extract_point(point.dense().tensor), torch.zeros(3))
    with pytest.raises(DTypeError, match="int64"):
        pga3d.embed_point(torch.tensor([1, 2, 3]))
    with pytest.raises(DTypeError, match="is a list"):
        pga3d.embed_object([[0.0, 0.0, 0.0]], torch.zeros(1, 4))
    with pytest.raises(DTypeError, match="is a Multivector"):
        cga.down(Algebra(4, 1).e1)
    for embed in (cga.up, cga.embed_direction, cga.embed_translation):
        with pytest.raises(DTypeError, match=r"convert it with \.float\(\)"):
            embed(torch.tensor([1, 2, 3]))


def test_quaternions_in_either_order():
    quaternion, shift = _unit(5, 4), torch.randn(5, 3)
    real_first = quaternion[..., [3, 0, 1, 2]]
    rotor = pga3d.embed_rotation(quaternion)
    assert torch.equal(pga3d.embed_rotation(real_first, order="wxyz"), rotor)
    assert torch.equal(F.rotor_from_quaternion(real_first, ALGEBRA), rotor)
    assert torch.equal(pga3d.extract_rotation(rotor, order="wxyz"), real_first)
    motor = pga3d.embed_motor(real_first, shift, order="wxyz")
    assert torch.equal(motor, pga3d.embed_motor(quaternion, shift))
    assert torch.allclose(pga3d.extract_motor(motor, order="wxyz")[0], pga3d.extract_motor(motor)[0][..., [3, 0, 1, 2]])
    with pytest.raises(ConfigError, match="'xyzw' or 'wxyz'"):
        pga3d.embed_rotation(quaternion, order="ijkw")
