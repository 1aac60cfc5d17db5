"""The CUDA kernels compile for the architectures in use, without spilling registers."""

import itertools
from concurrent.futures import ThreadPoolExecutor

import pytest

from cliffnet import Algebra, _env, _rust
from cliffnet.errors import BackendUnavailableError, ConfigError, KernelCompileError
from helpers.cuda_kernels import (
    ALGEBRAS,
    ARCHITECTURES,
    ATTENTION,
    BY_CLASSES,
    DTYPES,
    GATED,
    NAMES,
    PLACES,
    compiled,
    numbers_of,
)

pytestmark = pytest.mark.skipif(not PLACES, reason="this torch comes without NVRTC")

REGISTERS = {2: 176, 3: 208, 4: 255, 5: 255, 6: 255}
"""Caps by generators; a thread has 255 at most."""

SINGLE_FORWARD = {2: 40, 3: 48, 4: 96, 5: 128}
"""Caps of the forward product in single precision, on which occupancy hangs."""


def check(job):
    operator, algebra, dtype, *_ = job
    usage = compiled(*job)
    assert usage.registers <= REGISTERS[algebra.dim], (job, usage)
    if operator == "bilinear" and dtype != "float64" and algebra.dim in SINGLE_FORWARD:
        assert usage.registers <= SINGLE_FORWARD[algebra.dim], (job, usage)
    if algebra.dim <= 5:
        assert usage.spilled == 0, (job, usage)
    return job


FEW = {Algebra(4, 1): ("float32",), Algebra(5): ("float64",), Algebra(6): ("bfloat16",)}
"""Dtypes for kernels that take seconds to compile; the kernels of the first two algebras differ in signs alone."""


def sampled():
    """Every operator in every algebra, with architectures and memory formats in turn."""
    for algebra in ALGEBRAS:
        for number, operator in enumerate(NAMES):
            is_sampled = operator in (*BY_CLASSES, *ATTENTION, *GATED)
            dtypes = FEW.get(algebra, DTYPES[number % 2 :: 2] if is_sampled else DTYPES)
            for turn, dtype in enumerate(dtypes, start=number):
                yield operator, algebra, dtype, ARCHITECTURES[turn % len(ARCHITECTURES)], turn % 2 == 0


def exhaustive():
    return itertools.product(NAMES, ALGEBRAS, DTYPES, ARCHITECTURES, (False, True))


def test_kernels_compile_without_spills():
    jobs = exhaustive() if _env.read(_env.HYPOTHESIS_PROFILE) == "thorough" else sampled()
    with ThreadPoolExecutor(2) as pool:
        checked = list(pool.map(check, jobs))
    assert {job[:2] for job in checked} == set(itertools.product(NAMES, ALGEBRAS))


BLOCKS = [
    ("bilinear", Algebra(8), "float32", 80, 80),
    ("bilinear_backward", Algebra(6), "float32", 90, 80),
    ("bilinear_double_backward", Algebra(6, 1), "float32", 100, 80),
    ("bilinear", Algebra(7), "float64", 90, 160),
    ("steerable_product", Algebra(7), "bfloat16", 80, 128),
]
"""Kernels of blocks of blades, with caps of registers: so many threads are resident as their launch bounds ask for."""


@pytest.mark.parametrize(("operator", "algebra", "dtype", "architecture", "cap"), BLOCKS, ids=str)
def test_kernels_of_large_algebras_keep_blocks_in_registers(operator, algebra, dtype, architecture, cap):
    usage = compiled(operator, algebra, dtype, architecture, vectors=False)
    assert usage.spilled == 0
    assert usage.registers <= cap


def test_what_the_compiler_refuses_is_named_with_its_words():
    with pytest.raises(KernelCompileError, match='identifier "nonsense" is undefined'):
        _rust.cuda_compile(PLACES, "kernel", "__device__ int value = nonsense;", 90)
    with pytest.raises(KernelCompileError, match="gpu-architecture"):
        _rust.cuda_compile(PLACES, "kernel", "", 10)


def test_without_a_compiler_the_error_says_where_to_get_one():
    with pytest.raises(BackendUnavailableError, match="pip install nvidia-cuda-nvrtc"):
        _rust.cuda_compile([(False, "libnvrtc.so.0")], "kernel", "", 90)


def test_a_library_that_is_no_compiler_is_refused():
    with pytest.raises(BackendUnavailableError, match="lacks the function nvrtcVersion"):
        _rust.cuda_compile([(False, "libm.so.6")], "kernel", "", 90)


def test_kernels_that_do_not_exist_are_refused():
    algebra = Algebra(2)
    (plan,) = numbers_of("bilinear", algebra)
    with pytest.raises(ConfigError, match="nothing has no CUDA kernel"):
        _rust.cuda_source("nothing", [plan], "float32", 1, 0)
    with pytest.raises(ConfigError, match="no kernel is for int8"):
        _rust.cuda_source("bilinear", [plan], "int8", 1, 0)
    with pytest.raises(ConfigError, match="depends on 1 numbers, not 0"):
        _rust.cuda_source("bilinear", [], "float32", 1, 0)
