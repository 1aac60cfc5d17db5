"""Special relativity against formulas in coordinates, in both metrics."""

import pytest
import torch

from cliffnet import Algebra
from cliffnet import functional as F
from cliffnet.errors import AlgebraMismatchError, ShapeError
from cliffnet.geometry import sta

pytestmark = pytest.mark.usefixtures("double_precision")


@pytest.fixture(
    params=[Algebra.sta(), Algebra.sta("-+++"), Algebra(3, 1)], ids=["mostly-minus", "mostly-plus", "time-last"]
)
def algebra(request):
    return request.param


def _close(got, expected, atol=1e-12):
    torch.testing.assert_close(got, expected, rtol=1e-12, atol=atol)


def _unit(*shape):
    x = torch.randn(*shape)
    return x / x.norm(dim=-1, keepdim=True)


def _velocity(*shape):
    return 0.9 * torch.rand(*shape, 1) * _unit(*shape, 3)


def _boost_matrix(velocity):
    """Return the 4x4 matrix that takes a particle at rest to one of the velocity."""
    gamma = (1 - velocity.square().sum(-1)).rsqrt()[..., None, None]
    v = velocity.unsqueeze(-1)
    square = velocity.square().sum(-1)[..., None, None]
    space = torch.eye(3) + (gamma - 1) * v @ v.mT / square
    return torch.cat((torch.cat((gamma, gamma * v.mT), -1), torch.cat((gamma * v, space), -1)), -2)


def _rotate(axis, angle, x):
    cosine, sine = angle.cos().unsqueeze(-1), angle.sin().unsqueeze(-1)
    along = (axis * x).sum(-1, keepdim=True)
    return cosine * x + sine * torch.linalg.cross(axis, x) + (1 - cosine) * along * axis


def test_relative_vectors_are_the_pauli_algebra(algebra):
    one = torch.eye(16)[0]
    s = sta.embed_relative_vector(torch.eye(3), algebra=algebra)
    for i in range(3):
        for j in range(3):
            symmetric = F.geometric_product(s[i], s[j], algebra) + F.geometric_product(s[j], s[i], algebra)
            assert torch.equal(symmetric, 2.0 * (i == j) * one)
    product = F.geometric_product(F.geometric_product(s[0], s[1], algebra), s[2], algebra)
    gamma = sta.embed_event(torch.eye(4), algebra=algebra)
    pseudoscalar = gamma[0]
    for vector in gamma[1:]:
        pseudoscalar = F.geometric_product(pseudoscalar, vector, algebra)
    assert torch.equal(product, pseudoscalar)
    # s_i = g_i / g0, and the magnetic part of a field is I B
    _close(F.geometric_product(s, gamma[0], algebra), gamma[1:])
    magnetic = sta.embed_field(torch.zeros(3, 3), torch.eye(3), algebra=algebra)
    _close(magnetic, F.geometric_product(pseudoscalar, s, algebra))


def test_events_and_intervals(algebra):
    x, y = torch.randn(2, 6, 4).unbind(0)
    events = sta.embed_event(x, algebra=algebra), sta.embed_event(y, algebra=algebra)
    _close(sta.extract_event(events[0], algebra=algebra), x)
    difference = (y - x).square()
    expected = difference[:, 0] - difference[:, 1:].sum(-1)
    _close(sta.interval(*events, algebra=algebra), expected)
    time = sta.proper_time(*events, algebra=algebra)
    assert torch.equal(time.isnan(), expected < 0)
    split = sta.spacetime_split(events[0], algebra=algebra)
    _close(split[:, 0], x[:, 0])
    _close(sta.extract_relative_vector(split, algebra=algebra), x[:, 1:])


def test_boosts_and_rotations_move_events(algebra):
    x, v, axis, angle = torch.randn(6, 4), _velocity(6), _unit(6, 3), torch.randn(6)
    event = sta.embed_event(x, algebra=algebra)
    boost = sta.embed_boost_from_velocity(v, algebra=algebra)
    speed = v.norm(dim=-1, keepdim=True)
    _close(sta.embed_boost(torch.atanh(speed[:, 0]), v / speed, algebra=algebra), boost)
    moved = sta.extract_event(sta.apply_rotor(boost, event, algebra=algebra), algebra=algebra)
    _close(moved, (_boost_matrix(v) @ x.unsqueeze(-1)).squeeze(-1))
    turn = sta.embed_rotation(axis, angle, algebra=algebra)
    turned = sta.extract_event(sta.apply_rotor(turn, event, algebra=algebra), algebra=algebra)
    _close(turned, torch.cat((x[:, :1], _rotate(axis, angle, x[:, 1:])), -1))


def test_velocities_and_the_split_of_rotors(algebra):
    v, w, axis, angle = _velocity(6), _velocity(6), _unit(6, 3), torch.randn(6)
    four = sta.embed_four_velocity(v, algebra=algebra)
    _close(sta.extract_velocity(-2 * four, algebra=algebra), v)
    gamma = (1 - v.square().sum(-1, keepdim=True)).rsqrt()
    _close(sta.extract_event(four, algebra=algebra), torch.cat((gamma, gamma * v), -1))
    rest = sta.embed_four_velocity(torch.zeros(3), algebra=algebra)
    boost = sta.embed_boost_from_velocity(v, algebra=algebra)
    _close(sta.apply_rotor(boost, rest, algebra=algebra), four)
    turn = sta.embed_rotation(axis, angle, algebra=algebra)
    found = sta.split_rotor(F.geometric_product(boost, turn, algebra), algebra=algebra)
    _close(found[0], boost)
    _close(found[1], turn)
    # two boosts make a Wigner rotation besides the boost of the composed velocity
    both = F.geometric_product(boost, sta.embed_boost_from_velocity(w, algebra=algebra), algebra)
    composed = sta.split_rotor(both, algebra=algebra)[0]
    along = (v * w).sum(-1, keepdim=True)
    sum_ = (v + w / gamma + gamma / (1 + gamma) * along * v) / (1 + along)
    _close(composed, sta.embed_boost_from_velocity(sum_, algebra=algebra))


def test_fields(algebra):
    e, b = torch.randn(2, 6, 3).unbind(0)
    field = sta.embed_field(e, b, algebra=algebra)
    found = sta.extract_field(field, algebra=algebra)
    _close(found[0], e)
    _close(found[1], b)
    difference, product = sta.field_invariants(field, algebra=algebra)
    _close(difference, e.square().sum(-1) - b.square().sum(-1))
    _close(product, (e * b).sum(-1))


def test_boosted_fields(algebra):
    e, b, v = torch.randn(6, 3), torch.randn(6, 3), _velocity(6)
    gamma = (1 - v.square().sum(-1, keepdim=True)).rsqrt()
    unit = v / v.norm(dim=-1, keepdim=True)

    def expected(field, other):
        across = gamma * (field + torch.linalg.cross(v, other))
        return across + (1 - gamma) * (field * unit).sum(-1, keepdim=True) * unit

    electric, magnetic = sta.boosted_field(e, b, v, algebra=algebra)
    _close(electric, expected(e, b))
    _close(magnetic, expected(b, -e))
    before, after = (
        sta.field_invariants(sta.embed_field(*fields, algebra=algebra), algebra=algebra)
        for fields in ((e, b), (electric, magnetic))
    )
    _close(after[0], before[0], atol=1e-10)
    _close(after[1], before[1], atol=1e-10)


def test_lorentz_force_is_the_contraction():
    # d p / d tau = q F . u with u = gamma (1, v): the time part is E . v, the space part E + v x B
    e, b, v = torch.randn(6, 3), torch.randn(6, 3), _velocity(6)
    force = F.commutator(sta.embed_field(e, b), sta.embed_four_velocity(v), sta.ALGEBRA)
    gamma = (1 - v.square().sum(-1, keepdim=True)).rsqrt()
    expected = torch.cat(((e * v).sum(-1, keepdim=True), e + torch.linalg.cross(v, b)), -1)
    _close(sta.extract_event(force), gamma * expected)


def test_intervals_are_invariant(algebra):
    x, y, v = torch.randn(6, 4), torch.randn(6, 4), _velocity(6)
    rotor = F.geometric_product(
        sta.embed_boost_from_velocity(v, algebra=algebra),
        sta.embed_rotation(_unit(6, 3), x[:, 0], algebra=algebra),
        algebra,
    )
    events = [sta.embed_event(z, algebra=algebra) for z in (x, y)]
    moved = [sta.apply_rotor(rotor, z, algebra=algebra) for z in events]
    _close(sta.interval(*moved, algebra=algebra), sta.interval(*events, algebra=algebra), atol=1e-10)


def test_gradients_at_rest():
    v = torch.zeros(2, 3, requires_grad=True)
    e, b = torch.randn(2, 2, 3).unbind(0)
    assert torch.autograd.gradcheck(lambda v: sta.boosted_field(e, b, v), [v])
    assert torch.autograd.gradcheck(sta.embed_four_velocity, [v])


def test_broadcasting_dtype_and_the_speed_of_light():
    boost = sta.embed_boost(torch.rand(4, 1, dtype=torch.float32), torch.eye(3, dtype=torch.float32))
    assert boost.shape == (4, 3, 16)
    assert boost.dtype == torch.float32
    fast = sta.embed_four_velocity(torch.tensor([2.0, 0.0, 0.0]))
    assert fast[1].isnan()


def test_bad_input_is_named():
    with pytest.raises(AlgebraMismatchError, match=r"expected Algebra.sta\(\)"):
        sta.embed_event(torch.zeros(4), algebra=Algebra(3, 0, 1))
    calls = [
        lambda: sta.embed_event(torch.zeros(3)),
        lambda: sta.extract_event(torch.zeros(8)),
        lambda: sta.embed_field(torch.zeros(2, 3), torch.zeros(3, 3)),
        lambda: sta.embed_boost(torch.zeros(2), torch.zeros(3, 3)),
        lambda: sta.interval(torch.zeros(2, 16), torch.zeros(3, 16)),
    ]
    for call in calls:
        with pytest.raises(ShapeError, match="shape"):
            call()
