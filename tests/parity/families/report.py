"""Comparing our side with the recorded numbers."""

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from families.golden import Case, GoldenFile, Measure

# dtype -> bars for outputs and for gradients.
BARS = {torch.float64: (1e-9, 1e-8), torch.float32: (1e-4, 1e-3)}


@dataclass
class Comparison:
    group: str
    name: str
    error: float
    bar: float
    note: str = ""

    @property
    def passed(self) -> bool:
        return self.error <= self.bar  # false for NaN

    def __str__(self) -> str:
        return f"{self.group}/{self.name}  {self.error:.1e} of {self.bar:.1e}  {self.note}".rstrip()


@dataclass
class Report:
    name: str
    comparisons: list[Comparison]
    failure: str = ""
    unsupported: str = ""

    def worst(self, gradients: bool) -> float:
        errors = [item.error for item in self.comparisons if item.group.startswith("grad") == gradients]
        return max(errors, default=0.0)

    @property
    def verdict(self) -> str:
        if self.unsupported:
            return "unsupported"
        good = not self.failure and all(item.passed for item in self.comparisons)
        return "ok" if good else "FAIL"

    def line(self, width: int) -> str:
        name = self.name.ljust(width)
        if self.failure or self.unsupported:
            reason = " ".join((self.failure or self.unsupported).split())
            return f"{name}  out_err=nan  grad_err=nan  {self.verdict}  ({reason})"
        text = f"{name}  out_err={self.worst(False):.1e}  grad_err={self.worst(True):.1e}  {self.verdict}"
        failed = [item for item in self.comparisons if not item.passed]
        if failed:
            notes = [item for item in failed if item.note]
            text += f"  ({notes[0] if notes else max(failed, key=lambda item: item.error)})"
        return text


def relative_error(ours: np.ndarray, theirs: np.ndarray) -> float:
    """max|ours - theirs| / (1 + max|theirs|); infinite where only one side is finite."""
    if theirs.size == 0:
        return 0.0
    ours, theirs = ours.astype(np.float64), theirs.astype(np.float64)
    same = (ours == theirs) | (np.isnan(ours) & np.isnan(theirs))
    difference = np.where(same, 0.0, np.abs(np.where(same, 0.0, ours) - np.where(same, 0.0, theirs)))
    error = float(difference.max()) / (1.0 + float(np.abs(theirs[np.isfinite(theirs)]).max(initial=0.0)))
    return math.inf if math.isnan(error) else error


def _compare_array(
    group: str, name: str, ours: Tensor | None, theirs: np.ndarray, bar: float, measure: Measure | None = None
) -> Comparison:
    if ours is None:
        return Comparison(group, name, math.inf, bar, "missing on our side")
    if tuple(ours.shape) != theirs.shape:
        return Comparison(group, name, math.inf, bar, f"shape {tuple(ours.shape)}, expected {theirs.shape}")
    if measure is not None:
        return Comparison(group, name, measure.error, measure.bar)
    return Comparison(group, name, relative_error(ours.detach().cpu().numpy(), theirs), bar)


def compare(golden: GoldenFile, case: Case) -> list[Comparison]:
    """Compare every recorded array."""
    tight = case.bars if golden.dtype is torch.float64 else None
    out_bar, grad_bar = tight or BARS[golden.dtype]
    results = [
        _compare_array("out", name, case.outputs.get(name), array, out_bar, case.measures.get(name))
        for name, array in golden.groups["out"].items()
    ]
    leaves = {("grad_in", name): golden.inputs[name] for name in golden.groups["grad_in"]}
    leaves |= {("grad_param", name): golden.params[name] for name in golden.groups["grad_param"]}
    gradients = _gradients(golden, case, leaves)
    for (group, name), gradient in gradients.items():
        results.append(_compare_array(group, name, gradient, golden.groups[group][name], grad_bar))
    return results


def _gradients(
    golden: GoldenFile, case: Case, leaves: dict[tuple[str, str], Tensor]
) -> dict[tuple[str, str], Tensor | None]:
    """Gradients of sum(out * cot) with respect to the leaves; zero where a leaf does not take part."""
    paired = [
        (case.outputs[name], golden.tensor(array).expand(case.outputs[name].shape))
        for name, array in golden.groups["cot"].items()
        if name in case.outputs and case.outputs[name].requires_grad and case.outputs[name].shape == array.shape
    ]
    if not paired or not leaves:
        return dict.fromkeys(leaves)
    outputs, cotangents = zip(*paired, strict=True)
    found = torch.autograd.grad(outputs, list(leaves.values()), cotangents, allow_unused=True)
    pairs = zip(leaves.items(), found, strict=True)
    return {key: torch.zeros_like(leaf) if gradient is None else gradient for (key, leaf), gradient in pairs}
