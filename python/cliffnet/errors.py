"""Every error and warning cliffnet raises.

All of them derive from :class:`CliffnetError` and from the builtin a caller would expect to catch,
so ``except ValueError`` works as well as ``except ShapeError``.
"""

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    # torch's stubs leave the class out
    _LinAlgError = RuntimeError
else:
    _LinAlgError = torch.linalg.LinAlgError


class CliffnetError(Exception):
    """Base class of all errors raised by cliffnet."""


class SignatureError(CliffnetError, ValueError):
    """A metric or signature that names no algebra, or one too large for a dense table."""


class BladeError(CliffnetError, ValueError):
    """A blade name or index that the algebra does not have."""


class GradeError(CliffnetError, ValueError):
    """A grade that the algebra does not have."""


class LayoutError(CliffnetError, ValueError):
    """A layout that cannot hold what it should, or blades too many to list."""


class TooManyBladesError(LayoutError, AttributeError):
    """A fact of all blades, asked of an algebra with too many; an attribute it lacks, so that ``hasattr`` says no."""


class DomainError(CliffnetError, ValueError):
    """An argument outside the domain of a function, such as the logarithm of what is no rotor."""


class ParseError(CliffnetError, ValueError):
    """Text that is no multivector.

    Attributes
    ----------
    position : int
        Where reading stopped, counted from 0.
    """

    def __init__(self, message: str, position: int = 0) -> None:
        super().__init__(message)
        self.position = position


class PartitionError(CliffnetError, ValueError):
    """Classes that do not partition the grades of the algebra."""


class ShapeError(CliffnetError, ValueError):
    """A tensor of the wrong shape."""


class AlgebraMismatchError(CliffnetError, TypeError):
    """Operands that belong to different algebras."""


class DTypeError(CliffnetError, TypeError):
    """A tensor of a dtype that the operation does not accept, or operands of mixed dtypes."""


class DeviceError(CliffnetError, RuntimeError):
    """Operands on different devices, or a device that is not there."""


class NotInvertibleError(CliffnetError, _LinAlgError, ArithmeticError):
    """An element without an inverse, or a metric without the dual asked for."""


class ConfigError(CliffnetError, ValueError):
    """A model or task option with an unknown name or an unusable value."""


class StateDictError(CliffnetError, ValueError):
    """A state dict with missing, unexpected or misshapen entries."""


class CheckpointError(CliffnetError, ValueError):
    """A checkpoint or run folder that is missing, foreign or damaged."""


class DataError(CliffnetError, ValueError):
    """A data file that is missing, malformed or truncated."""


class TaskError(CliffnetError, ValueError):
    """A task or model name that the command line does not know."""


class DivergenceError(CliffnetError, ArithmeticError):
    """A training run whose loss or gradient stopped being finite."""


class MissingDependencyError(CliffnetError, ImportError):
    """A package of an optional extra that is not installed."""


class BackendUnavailableError(CliffnetError, RuntimeError):
    """A backend that was asked for by name and cannot run here."""


class KernelCompileError(CliffnetError, RuntimeError):
    """A CUDA kernel that the compiler refused, or that would have to be compiled while a graph is captured."""


class CliffnetInternalError(CliffnetError, RuntimeError):
    """A defect in cliffnet itself; please report it with the message."""


class CliffnetWarning(UserWarning):
    """Something worth knowing that does not change a result."""
