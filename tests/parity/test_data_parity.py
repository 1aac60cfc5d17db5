"""Altered data of the CGENN and EGNN experiments do not pass."""

import subprocess
import sys
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
GOLDEN = HERE / "golden" / "cgenn"
ALTERED = {
    "nbody_sim_seed43": (("out/loc", 2e-5), ("out/vel", 2e-5), ("in/loc0", 1e-3)),
    "dataset_targets": (("out/o5_Y", 1e-6), ("out/o7_Xscale", 1e-6), ("in/hull_16x7", 1e-3), ("out/o3_target", 1e-6)),
    "lr_schedule": (("out/lr_cgenn", 1e-6), ("out/lr_csmpn", 1e-6)),
}


def check(*words):
    command = [sys.executable, str(HERE / "check.py"), *map(str, words)]
    result = subprocess.run(command, capture_output=True, text=True)
    assert "Traceback" not in result.stdout + result.stderr
    return result.returncode, result.stdout


def test_altered_files_fail(tmp_path):
    files = []
    for name, changes in ALTERED.items():
        with np.load(GOLDEN / f"{name}.npz", allow_pickle=False) as archive:
            arrays = dict(archive)
        for key, change in changes:
            changed = arrays[key].copy()
            changed.flat[changed.size // 2] += change
            files.append(tmp_path / f"{len(files)}.npz")
            np.savez(files[-1], **{**arrays, key: changed})
    code, output = check(*files)
    assert code == 1
    assert output.endswith(f"0 ok, {len(files)} failed, 0 unsupported\n")
