"""
Native part of cliffnet.
"""

from _typeshed import SupportsGetItem
from os import PathLike
from typing import Any, SupportsFloat, SupportsIndex, final

__all__ = ["DirectOperator", "blade_map", "build_info", "canonical_basis", "cuda_compile", "cuda_facts", "cuda_source", "direct_operator", "end_offline", "equivariant_maps", "inner_product_plan", "intern_maps", "interned_maps", "involution_signs", "kernels_made", "plan_from_terms", "plan_gradients", "plan_matrices", "plan_paths", "plan_sizes", "plan_terms", "product_masks", "product_plan", "register_cuda", "register_host", "register_offline", "register_operators"]

@final
class DirectOperator:
    """
    An operator as functions of plain CPU tensors.
    """
    def connect(self, /, recorder: Any, fallback: Any) -> None:
        """
        Name what records derivatives (called when an argument requires them), and what runs inside it otherwise.
        """
    def forward(self, /) -> Any:
        """
        Return the `forward` of the `torch.autograd.Function`.
        """
    def function(self, /) -> Any:
        """
        Return the operator as a function; it returns `NotImplemented` for all but plain CPU tensors that fit.
        """

def blade_map(name: str, squares: SupportsGetItem[int, SupportsFloat | SupportsIndex], blades: tuple[SupportsGetItem[int, SupportsIndex], SupportsGetItem[int, SupportsFloat | SupportsIndex]], out: tuple[SupportsGetItem[int, SupportsIndex], SupportsGetItem[int, SupportsFloat | SupportsIndex]]) -> list[tuple[int, float] | None]:
    """
    A dual between two layouts as a list over input blades of (output index, coefficient), or None where the blade maps
    to zero or to a blade that the output lacks.

    `name` is one of `right_complement`, `left_complement`, `polarity`, `unpolarity`, `hodge_dual`.
    """

def build_info() -> list[tuple[str, str]]:
    """
    Facts of this build and of the processor it runs on: version, target, profile, isa.

    # Errors
    When `CLIFFNET_ISA` cannot be used.
    """

def canonical_basis(dim: SupportsIndex, grades: SupportsGetItem[int, SupportsIndex] | None = None) -> list[int]:
    """
    Masks of the blades of the given grades, or of all 2^n, in grade-then-lexicographic order.
    """

def cuda_compile(compiler: SupportsGetItem[int, tuple[bool, str]], name: str, text: str, architecture: SupportsIndex) -> tuple[bytes, str]:
    """
    Compiles the text of a kernel for an architecture, such as 90, by the first NVRTC that is there; returns what the
    driver would load and what the compiler said.

    # Errors
    `KernelCompileError`, `BackendUnavailableError`.
    """

def cuda_facts() -> list[tuple[str, str]]:
    """
    What the CUDA kernels run with: driver, compiler and folder of compiled kernels.

    # Errors
    `BackendUnavailableError` when one is missing, `DeviceError` when the driver finds no device.
    """

def cuda_source(operator: str, numbers: SupportsGetItem[int, SupportsIndex], dtype: str, rank: SupportsIndex, vectors: SupportsIndex) -> tuple[str, str]:
    """
    Name of the entry point and text of the CUDA kernel of an operator.

    `numbers` are those among its arguments that the kernel depends on: the plan, before all. `rank` counts leading axes that
    do not merge; `vectors` has a bit for each operand whose blades are adjacent and aligned.

    # Errors
    `ConfigError` when there is no such kernel.
    """

def direct_operator(name: str) -> DirectOperator | None:
    """
    The operator of a name for direct calls; None when torch lacks what that needs (it has it from 2.14 on).

    # Errors
    `CliffnetInternalError` when there is no such operator.
    """

def end_offline() -> None:
    """
    Ends what [`register_offline`] began.
    """

def equivariant_maps(squares: SupportsGetItem[int, SupportsFloat | SupportsIndex], blades: tuple[SupportsGetItem[int, SupportsIndex], SupportsGetItem[int, SupportsFloat | SupportsIndex]], group: str) -> list[list[tuple[int, int, float]]]:
    """
    Equivariant linear maps of the group `pin` or `spin`, each a list of (output index, input index, coefficient).
    """

def inner_product_plan(squares: SupportsGetItem[int, SupportsFloat | SupportsIndex], left: tuple[SupportsGetItem[int, SupportsIndex], SupportsGetItem[int, SupportsFloat | SupportsIndex]], right: tuple[SupportsGetItem[int, SupportsIndex], SupportsGetItem[int, SupportsFloat | SupportsIndex]]) -> int:
    """
    Id of the plan of the invariant inner product `<reverse(x) y>_0`.
    """

def intern_maps(blades: SupportsIndex, scalar: SupportsIndex, maps: SupportsGetItem[int, SupportsGetItem[int, tuple[SupportsIndex, SupportsIndex, SupportsFloat | SupportsIndex]]]) -> int:
    """
    Number of a family of linear maps: its blades, the index of the scalar, and entries (out, in, coefficient) by map.
    """

def interned_maps(id: SupportsIndex) -> tuple[int, int, list[list[tuple[int, int, float]]]]:
    """
    Blades, index of the scalar and entries of a family of linear maps.
    """

def involution_signs(name: str, dim: SupportsIndex) -> list[float]:
    """
    Sign of each grade 0..=dim under `reverse`, `grade_involute` or `clifford_conjugate`.
    """

def kernels_made(place: str) -> list[tuple[str, str, int, int, bool, float]]:
    """
    The kernels that this process has made for `cuda` devices, for the processor in the place of one (`host`) or for an
    architecture (`offline`), in that order: operator, dtype, threads of a block, architecture, whether it was compiled or
    found in the cache, and seconds.
    """

def plan_from_terms(sizes: tuple[SupportsIndex, SupportsIndex, SupportsIndex], path_count: SupportsIndex, terms: tuple[SupportsGetItem[int, SupportsIndex], SupportsGetItem[int, SupportsIndex], SupportsGetItem[int, SupportsIndex], SupportsGetItem[int, SupportsIndex], SupportsGetItem[int, SupportsFloat | SupportsIndex]]) -> int:
    """
    Id of the plan of any sparse bilinear map, from columns out, left, right, path, coefficient.
    """

def plan_gradients(id: SupportsIndex) -> tuple[int, int]:
    """
    Ids of the plans that give the gradients of the left and of the right operand.
    """

def plan_matrices(id: SupportsIndex) -> tuple[tuple[int, int, int], tuple[tuple[list[int], list[float]], tuple[list[int], list[float]], tuple[list[int], list[float]]], list[tuple[int, int, int, bool, bool, bool]]] | None:
    """
    The plan as products of matrices, or None where it is a list of terms: components of a number, rows and blocks; blade
    and factor by word of left, right and output; and (out, left, right, negative, conjugates out, conjugates right) of
    each product.
    """

def plan_paths(id: SupportsIndex) -> list[tuple[int, int, int]]:
    """
    Reachable (left class, output class, right class) triples of a weighted plan, in the order of its weights.
    """

def plan_sizes(id: SupportsIndex) -> tuple[int, int, int, int]:
    """
    Blade counts of left, right and output, and the number of weight paths (0 when unweighted).
    """

def plan_terms(id: SupportsIndex) -> tuple[list[int], list[int], list[int], list[int], list[float]]:
    """
    Columns out, left, right, path, coefficient of a plan.
    """

def product_masks(kind: str, squares: SupportsGetItem[int, SupportsFloat | SupportsIndex], left: tuple[SupportsGetItem[int, SupportsIndex], SupportsGetItem[int, SupportsFloat | SupportsIndex]], right: tuple[SupportsGetItem[int, SupportsIndex], SupportsGetItem[int, SupportsFloat | SupportsIndex]]) -> list[int]:
    """
    Masks of the blades that a product of two layouts can reach, in canonical order.
    """

def product_plan(kind: str, squares: SupportsGetItem[int, SupportsFloat | SupportsIndex], left: tuple[SupportsGetItem[int, SupportsIndex], SupportsGetItem[int, SupportsFloat | SupportsIndex]], right: tuple[SupportsGetItem[int, SupportsIndex], SupportsGetItem[int, SupportsFloat | SupportsIndex]], out: tuple[SupportsGetItem[int, SupportsIndex], SupportsGetItem[int, SupportsFloat | SupportsIndex]], classes: SupportsGetItem[int, SupportsGetItem[int, SupportsIndex]] | None = None) -> int:
    """
    Id of the plan of a product between three layouts; `classes` of grades make it weighted.
    """

def register_cuda(torch_cuda_path: str, driver: SupportsGetItem[int, tuple[bool, str]], compiler: SupportsGetItem[int, tuple[bool, str]], cache: str | PathLike[str] | None, is_tuning: bool) -> list[str]:
    """
    Registers the CUDA kernels with torch; returns the names of the operators that have one.

    Nothing of CUDA is touched before the first call. `driver` and `compiler` are places to look at, in order: whether the
    library must be loaded already, and its name or path. `cache` is the folder of compiled kernels. With `is_tuning` the
    threads of blocks are chosen by measuring.

    # Errors
    `BackendUnavailableError` when torch lacks a function.
    """

def register_host(driver: SupportsGetItem[int, tuple[bool, str]], compiler: SupportsGetItem[int, tuple[bool, str]], cache: str | PathLike[str] | None, is_tuning: bool = False) -> list[str]:
    """
    Defines the operators that have a CUDA kernel in the namespace `cliffnet_host`, for CPU tensors; returns their names.

    The driver and the compiler must be ones that run the kernels on the processor. Called again, it starts anew: kernels
    loaded before are forgotten.

    # Errors
    `BackendUnavailableError` when torch refuses a definition.
    """

def register_offline(compiler: SupportsGetItem[int, tuple[bool, str]], cache: str | PathLike[str] | None, architecture: SupportsIndex) -> list[str]:
    """
    Has the operators in the namespace `cliffnet_host` compile their kernels for an architecture, such as 90, into the cache
    and run nothing, whatever [`register_host`] said, until [`end_offline`]; returns their names. Results have no values.

    # Errors
    `BackendUnavailableError` when the compiler is missing or does not know the architecture, or torch refuses a definition.
    """

def register_operators(torch_cpu_path: str, c10_path: str) -> None:
    """
    Registers the operators with the torch whose libraries are at the given paths, which must be loaded.

    # Errors
    `BackendUnavailableError` when torch lacks a function of the stable interface.
    """
