"""The 4-bit weights of a packed file, for training: what the model computes with is what will be packed.

Every 32 weights of a row share a scale, and each is one of 16 levels (`panel-q4` in format-spec/SPEC.md). The gradients
of the rounded weights are applied to the floats behind them.
"""

from contextlib import contextmanager

import torch
import torch.nn.functional as F

LEVELS = torch.tensor([-64., -51, -40, -32, -24, -17, -11, -5, 0, 6, 12, 18, 25, 33, 42, 55])
MIDDLES = (LEVELS[1:] + LEVELS[:-1]) / 2
# Halfway between levels is a multiple of a half, so the level of a number is that of the half at or above it.
LEVELS_OF_HALVES = LEVELS[torch.bucketize((torch.arange(256) - 128) / 2, MIDDLES)]
GROUP = 32
SCALE_STEPS = 100      # training steps for which scales are kept: finding them costs as much as some steps


def grouped(matrix: torch.Tensor) -> torch.Tensor:
    """[rows, columns] as [rows, groups, 32], the last group filled up with zeros."""
    rows, columns = matrix.shape
    return F.pad(matrix, (0, -columns % GROUP)).view(rows, -1, GROUP)


def nearest(x: torch.Tensor) -> torch.Tensor:
    halves = x.mul(2).add_(128).ceil_().clamp_(0, 255).int()
    return LEVELS_OF_HALVES.to(x.device).index_select(0, halves.flatten()).view_as(x)


def best_scales(matrix: torch.Tensor) -> torch.Tensor:
    """Scales [rows, groups, 1]: the best, in least squares, of 24 trial assignments of levels, as the converter has it."""
    x = grouped(matrix)
    peak = x.abs().amax(-1, keepdim=True)
    u = x / peak.clamp_min(1e-30)
    best, scales = torch.zeros_like(peak), torch.zeros_like(peak)
    for trial in range(24):
        q = nearest(u * (50 + 2.5 * (trial // 2)) * (1 if trial % 2 == 0 else -1))
        a, b = (u * q).sum(-1, keepdim=True), (q * q).sum(-1, keepdim=True)
        score = torch.where(b > 0, a * a / b, 0)
        scales = torch.where(score > best, a / b, scales)
        best = torch.maximum(score, best)
    return (peak * scales).half().float()


def rounded(matrix: torch.Tensor, scales: torch.Tensor) -> torch.Tensor:
    """The matrix as a packed file would hold it."""
    inverse = torch.where(scales == 0, 0, 1 / scales)
    return (nearest(grouped(matrix) * inverse) * scales).view(len(matrix), -1)[:, :matrix.shape[1]]


class FourBits:
    """Matrices that can be replaced by their 4-bit values for a while."""

    def __init__(self, matrices: list[torch.nn.Parameter]):
        self.matrices = matrices
        self.scales, self.uses = [], 0

    @contextmanager
    def replacing(self):
        if self.uses % SCALE_STEPS == 0:
            self.scales = [best_scales(matrix.data) for matrix in self.matrices]
        self.uses += 1
        floats = [matrix.data for matrix in self.matrices]
        for matrix, scales in zip(self.matrices, self.scales):
            matrix.data = rounded(matrix.data, scales).contiguous()
        try:
            yield
        finally:
            for matrix, values in zip(self.matrices, floats):
                matrix.data = values
