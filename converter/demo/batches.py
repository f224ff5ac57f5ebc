"""Lessons of different lengths as one batch."""

import torch


def batch(lessons) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Inputs, next ids and weights [B, T]; padding has weight 0."""
    length = max(len(shown) for shown, _, _ in lessons)
    inputs, targets = torch.zeros(2, len(lessons), length, dtype=torch.long)
    weights = torch.zeros(len(lessons), length)
    for row, (shown, wanted, weight) in enumerate(lessons):
        inputs[row, :len(shown)] = torch.tensor(shown)
        targets[row, :len(shown)] = torch.tensor(wanted)
        weights[row, :len(shown)] = torch.tensor(weight)
    return inputs[:, :-1], targets[:, 1:], weights[:, 1:]
