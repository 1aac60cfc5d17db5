"""``cliffnet warmup``: on a machine with a CUDA device, and for an architecture on any other."""

import pytest
import torch

from helpers.cuda_kernels import PLACES

NEEDS_NVRTC = pytest.mark.skipif(not PLACES, reason="this torch comes without NVRTC")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_without_a_device_one_line_says_so(cliffnet):
    code, out, err = cliffnet("warmup", "Cl(2,0)")
    assert code == 2
    assert out == ""
    assert err.startswith("cliffnet: error: no CUDA device was found; to compile without one")
    assert err.count("\n") == 1


@NEEDS_NVRTC
def test_kernels_are_compiled_and_then_found(cliffnet, cache, tmp_path, monkeypatch):
    monkeypatch.setenv("CLIFFNET_CACHE_DIR", str(tmp_path))
    words = ("warmup", "Cl(2,0)", "--partition", "whole", "--architecture", "9.0,sm_80", "--derivatives", 0)
    words = (*words, "--operators", "geometric_product,steerable_product")
    code, out, err = cliffnet(*words)
    assert code == 0, err
    for text in ("bilinear", "steerable_product", "sm_90", "sm_80"):
        assert text in out
    compiled = len(list((tmp_path / "cuda").glob("*.cubin")))
    assert out.splitlines()[-1] == f"{compiled} compiled, 0 from the cache {tmp_path / 'cuda'}"
    code, out, err = cliffnet(*words)
    assert code == 0, err
    assert out.splitlines()[-1] == f"0 compiled, {compiled} from the cache {tmp_path / 'cuda'}"


@NEEDS_NVRTC
@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--architecture", "12"), "does not know architecture 12"),
        (("--architecture", "hopper"), "'hopper' is no architecture; give a compute capability such as 90 or 9.0"),
        (("--architecture", "90", "--dtype", "int8"), "no kernel is for int8; choose from float32"),
        (("--architecture", "90", "--operators", "class_gate"), "there is no class_gate to prepare"),
        (("--architecture", "90", "--jobs", "0"), "--jobs is 0, expected at least 1"),
    ],
)
def test_what_cannot_be_made_is_refused(cliffnet, words, message):
    code, _, err = cliffnet("warmup", "Cl(2,0)", *words)
    assert code == 2
    assert message in err
    assert err.count("\n") == 1
