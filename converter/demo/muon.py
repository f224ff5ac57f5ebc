"""Muon (Keller Jordan 2024): momentum whose matrix is made orthogonal before it is applied."""

import torch

import parallel
from timed import fast_type


def orthogonal(g: torch.Tensor, steps: int = 5) -> torch.Tensor:
    """The nearest (semi-)orthogonal matrix, roughly: five Newton-Schulz steps."""
    x = g.to(torch.bfloat16 if g.is_cuda else fast_type()) / (g.norm() + 1e-7)
    wide = x.shape[0] > x.shape[1]
    if wide:
        x = x.T
    for _ in range(steps):
        a = x @ x.T
        x = 3.4445 * x + (-4.7750 * a + 2.0315 * a @ a) @ x
    return (x.T if wide else x).float()


class Muon(torch.optim.Optimizer):
    """For matrices, and kernels of convolutions as matrices of a row per output. The processes share the work: each makes every
    n-th matrix orthogonal."""

    def __init__(self, parameters, lr: float, momentum: float = 0.95, weight_decay: float = 0.0):
        super().__init__(parameters, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            parameters = group["params"]
            flat = torch.zeros(sum(p.numel() for p in parameters), device=parameters[0].device)
            parts = flat.split([p.numel() for p in parameters])
            for i, (p, part) in enumerate(zip(parameters, parts)):
                buffer = self.state[p].setdefault("momentum", torch.zeros_like(p))
                buffer.lerp_(p.grad, 1 - group["momentum"])
                if i % parallel.WORLD == parallel.RANK:
                    update = orthogonal(p.grad.lerp(buffer, group["momentum"]).flatten(1))
                    part.copy_(update.reshape(-1)).mul_(0.2 * max(update.shape) ** 0.5)
            parallel.total(flat)
            for p, part in zip(parameters, parts):
                p.mul_(1 - group["lr"] * group["weight_decay"]).sub_(part.view_as(p), alpha=group["lr"])
