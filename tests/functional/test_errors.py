"""Bad input: a named error that says what was given, what was expected and how to mend it."""

import pytest
import torch

from cliffnet import Algebra, errors, ops
from cliffnet import functional as F
from cliffnet.ops._operator import _translated

PLANE = Algebra(2)
PGA = Algebra(3, 0, 1)
BINARY = [
    F.geometric_product,
    F.outer_product,
    F.left_contraction,
    F.right_contraction,
    F.scalar_product,
    F.fat_inner_product,
    F.hestenes_inner_product,
    F.commutator,
    F.anticommutator,
    F.regressive_product,
    F.projective_join,
    F.inner_product,
    F.sandwich,
]
UNARY = [
    F.reverse,
    F.grade_involute,
    F.clifford_conjugate,
    F.right_complement,
    F.left_complement,
    F.polarity,
    F.unpolarity,
    F.hodge_dual,
    F.dual,
    F.undual,
    F.norm_squared,
    lambda x, algebra: F.grade_project(x, 0, algebra),
]
every_binary = pytest.mark.parametrize("function", BINARY, ids=lambda function: function.__name__)
every_unary = pytest.mark.parametrize("function", UNARY, ids=lambda function: function.__name__)


@every_binary
@pytest.mark.parametrize(
    ("left", "right", "error", "message"),
    [
        (torch.ones(3, 8), torch.ones(3, 4), errors.ShapeError, r"left operand has shape \(3, 8\): its last axis is 8"),
        (torch.ones(3, 4), torch.ones(8), errors.ShapeError, r"right operand has shape \(8,\): its last axis is 8"),
        (torch.ones(3, 3), torch.ones(3, 3), errors.ShapeError, r"Cl\(2,0\) has 4 blades; pad or select blades"),
        (torch.tensor(1.0), torch.ones(4), errors.ShapeError, r"left operand is 0-dimensional, but Cl\(2,0\) needs"),
        (torch.ones(4), torch.tensor(1.0), errors.ShapeError, "right operand is 0-dimensional"),
        (torch.ones(2, 4), torch.ones(3, 4), errors.ShapeError, r"leading shapes \(2,\) and \(3,\) do not broadcast"),
        (torch.ones(4), torch.ones(4).double(), errors.DTypeError, r"dtypes torch.float32 and torch.float64.*\.to\(\)"),
        (torch.ones(4).half(), torch.ones(4).bfloat16(), errors.DTypeError, "dtypes torch.float16 and torch.bfloat16"),
        (
            torch.ones(4).long(),
            torch.ones(4).long(),
            errors.DTypeError,
            r"left operand has dtype torch.int64.*\.float",
        ),
        (
            torch.ones(4),
            torch.ones(4).bool(),
            errors.DTypeError,
            "right operand has dtype torch.bool, expected",
        ),
        (torch.ones(4) * 1j, torch.ones(4) * 1j, errors.DTypeError, "has dtype torch.complex64"),
        ([1.0] * 4, torch.ones(4), errors.DTypeError, "left operand is a list, expected a torch.Tensor"),
        (torch.ones(4), None, errors.DTypeError, "right operand is a NoneType, expected a torch.Tensor"),
        (torch.ones(4), torch.ones(4, device="meta"), errors.DeviceError, r"on cpu and meta, expected one.*\.to\(\)"),
    ],
)
def test_bad_operands_are_refused(function, left, right, error, message):
    with pytest.raises(error, match=message) as caught:
        function(left, right, PLANE)
    assert isinstance(caught.value, errors.CliffnetError)


@every_unary
@pytest.mark.parametrize(
    ("x", "error", "message"),
    [
        (torch.ones(3, 8), errors.ShapeError, r"has shape \(3, 8\): its last axis is 8 but Cl\(2,0\) has 4 blades"),
        (torch.ones(()), errors.ShapeError, r"is 0-dimensional, but Cl\(2,0\) needs a last axis of 4"),
        (
            torch.ones(4).int(),
            errors.DTypeError,
            "has dtype torch.int32, expected float32, float64",
        ),
        ((1.0, 2.0, 3.0, 4.0), errors.DTypeError, "is a tuple, expected a torch.Tensor"),
    ],
)
def test_bad_multivectors_are_refused(function, x, error, message):
    with pytest.raises(error, match=message):
        function(x, PLANE)


@pytest.mark.parametrize(
    ("algebra", "blades", "suggestion"),
    [
        (PLANE, 8, r"did you mean Cl\(3,0\)\?"),
        (Algebra(3), 16, r"did you mean Cl\(4,0\)\?"),
        (PGA, 8, r"did you mean Cl\(3,0\)\?"),
        (PGA, 32, r"did you mean Cl\(4,0,1\)\?"),
        (Algebra(1, 3), 8, r"did you mean Cl\(1,2\)\?"),
        (Algebra(3), 1, r"did you mean Cl\(0,0\)\?"),
        (PLANE, 3, "pad or select blades to match"),
        (PLANE, 0, "pad or select blades to match"),
        (PLANE, 8192, "pad or select blades to match"),
    ],
)
def test_wrong_last_axis_names_an_algebra_that_fits(algebra, blades, suggestion):
    message = f"its last axis is {blades} but .* has {algebra.num_blades} blades"
    for call in (lambda x: F.geometric_product(x, x, algebra), lambda x: F.reverse(x, algebra)):
        with pytest.raises(errors.ShapeError, match=f"{message}.*{suggestion}"):
            call(torch.ones(2, blades))


@pytest.mark.parametrize("algebra", ["Cl(2,0)", None, (2, 0, 0), 2])
def test_other_things_than_algebras_are_refused(algebra):
    message = f"expected an Algebra as the last argument, got {type(algebra).__name__}"
    x = torch.ones(4)
    for call in (
        lambda: F.geometric_product(x, x, algebra),
        lambda: F.inner_product(x, x, algebra),
        lambda: F.reverse(x, algebra),
        lambda: F.grade_project(x, 0, algebra),
    ):
        with pytest.raises(errors.AlgebraMismatchError, match=message) as caught:
            call()
        assert isinstance(caught.value, TypeError)


@every_unary
def test_other_things_than_algebras_are_refused_everywhere(function):
    with pytest.raises(errors.AlgebraMismatchError, match="expected an Algebra as the last argument, got str"):
        function(torch.ones(4), "Cl(2,0)")


@every_unary
def test_sparse_multivectors_are_refused(function):
    with pytest.raises(errors.DTypeError, match=r"stored as torch.sparse_coo, expected a dense .*\.to_dense"):
        function(torch.ones(2, 4).to_sparse(), PLANE)


@every_binary
def test_sparse_operands_are_refused(function):
    for left, right in (
        (torch.ones(2, 4).to_sparse(), torch.ones(2, 4)),
        (torch.ones(4), torch.ones(2, 4).to_sparse()),
    ):
        with pytest.raises(errors.DTypeError, match=r"stored as torch.sparse_coo, expected a dense .*\.to_dense"):
            function(left, right, PLANE)


@pytest.mark.parametrize("function", [F.is_blade_major, F.to_blade_major], ids=lambda function: function.__name__)
def test_formats_of_other_things_than_tensors_are_refused(function):
    for argument in (None, [1.0, 2.0], torch.ones(2, 4).to_sparse()):
        with pytest.raises(errors.DTypeError, match="the argument is"):
            function(argument)


@pytest.mark.parametrize("grades", [3, -1, [0, 3], 1.5, "1", [None]])
def test_grades_that_do_not_exist_are_refused(grades):
    with pytest.raises(errors.GradeError, match=r"does not exist in Cl\(2,0\); its grades are 0 to 2"):
        F.grade_project(torch.ones(4), grades, PLANE)


def test_polarity_of_a_degenerate_metric_is_refused():
    with pytest.raises(
        errors.NotInvertibleError, match=r"Cl\(3,0,1\) has no polarity.*use right_complement or hodge_dual"
    ):
        F.polarity(torch.ones(16), PGA)
    with pytest.raises(ArithmeticError):
        F.polarity(torch.ones(16), PGA)


MAPS = PLANE.equivariant_maps("pin")  # three maps
X = torch.ones(5, 3, 4)
W = torch.ones(2, 3, 3)


@pytest.mark.parametrize(
    ("x", "weight", "maps", "bias", "error", "message"),
    [
        (torch.ones(3, 8), W, MAPS, None, errors.ShapeError, r"x has shape \(3, 8\).*did you mean Cl\(3,0\)"),
        (torch.ones(4), W, MAPS, None, errors.ShapeError, r"x has shape \(4,\), expected \(..., channels, 4\)"),
        (X.long(), W, MAPS, None, errors.DTypeError, "x has dtype torch.int64"),
        (
            X,
            torch.ones(2, 3, 4),
            MAPS,
            None,
            errors.ShapeError,
            r"shape \(2, 3, 4\), expected \(C_out, 3, 3\)",
        ),
        (X, torch.ones(2, 5, 3), MAPS, None, errors.ShapeError, "3 input channels and 3 maps"),
        (X, torch.ones(2, 3), MAPS, None, errors.ShapeError, r"weight has shape \(2, 3\)"),
        (X, W.double(), MAPS, None, errors.DTypeError, "x and the weight have dtypes torch.float32 and torch.float64"),
        (X, W.to("meta"), MAPS, None, errors.DeviceError, "x and the weight are on cpu and meta"),
        (X, [1.0], MAPS, None, errors.DTypeError, "the weight is a list, expected a torch.Tensor"),
        (X, None, MAPS, None, errors.DTypeError, "the weight is a NoneType"),
        (X, W, "pin", None, errors.AlgebraMismatchError, "the maps are a str, expected LinearMaps"),
        (X, W, MAPS, torch.ones(3), errors.ShapeError, r"bias has shape \(3,\), expected \(2,\) or \(5, 2\)"),
        (X, W, MAPS, torch.ones(4, 2), errors.ShapeError, r"bias has shape \(4, 2\)"),
        (X, W, MAPS, torch.ones(1, 5, 2), errors.ShapeError, r"bias has shape \(1, 5, 2\)"),
        (X, W, MAPS, torch.ones(()), errors.ShapeError, r"bias has shape \(\)"),
        (X, W, MAPS, torch.ones(2).double(), errors.DTypeError, "x and the bias have dtypes"),
        (X, W, MAPS, torch.ones(2, device="meta"), errors.DeviceError, "x and the bias are on cpu and meta"),
        (X, W, MAPS, 1.0, errors.DTypeError, "the bias is a float"),
    ],
)
def test_bad_arguments_of_linear_maps_are_refused(x, weight, maps, bias, error, message):
    with pytest.raises(error, match=message):
        F.equivariant_linear(x, weight, maps, bias)


@pytest.mark.skipif(ops.active_backend() != "rust", reason="needs native kernels")
def test_panics_of_native_code_are_errors():
    with pytest.raises(RuntimeError, match="cliffnet internal error: the probe was called"):
        torch.ops.cliffnet.internal_error_probe(torch.ones(3))
    assert F.reverse(torch.ones(4), PLANE).tolist() == [1, 1, 1, -1]


@pytest.mark.skipif(ops.active_backend() != "rust", reason="needs native kernels")
def test_panics_under_an_operator_are_internal_errors(monkeypatch):
    probe = torch.ops.cliffnet.internal_error_probe.default
    monkeypatch.setattr(ops.bilinear, "_kernel", lambda left, right, plan: probe(left))
    monkeypatch.setattr(ops.bilinear, "direct", lambda *arguments: NotImplemented)
    x = torch.ones(4)
    # tensors whose numbers are not those in memory take the road through Python also where derivatives are recorded
    negative = torch.ones(4, dtype=torch.complex64).conj().imag
    for left in (x, negative, negative.detach().requires_grad_()):
        with pytest.raises(errors.CliffnetInternalError, match="the probe was called; please report this"):
            F.geometric_product(left, x, PLANE)


def test_other_errors_of_native_code_stay_as_they_are():
    error = RuntimeError("cliffnet: plan 7 does not exist")
    assert _translated(error) is error
    assert isinstance(_translated(RuntimeError("cliffnet internal error: x\nstack")), errors.CliffnetInternalError)


@pytest.mark.skipif(ops.active_backend() != "rust", reason="the reference has no table of plans of its own")
def test_plans_that_do_not_exist_are_refused():
    x = torch.ones(4)
    for plan in (10**6, -1, 2**62):
        with pytest.raises(RuntimeError, match=f"plan {plan} is not known to this process"):
            torch.ops.cliffnet.bilinear(x, x, plan)
    plan = PLANE.product_plan("geometric_product")
    with pytest.raises(RuntimeError, match="the last axis of operand 1 is 8, but the plan has 4 blades"):
        torch.ops.cliffnet.bilinear(x, torch.ones(8), plan)


@pytest.mark.parametrize("name", [name for name in vars(errors) if name.endswith("Error") and name[0] != "_"])
def test_every_error_is_one_of_ours_and_of_python(name):
    error = getattr(errors, name)
    assert issubclass(error, errors.CliffnetError)
    if error is not errors.CliffnetError:
        builtins = (ValueError, TypeError, RuntimeError, ArithmeticError, ImportError)
        assert issubclass(error, builtins)
        assert error.__doc__
