"""Training in several single-threaded processes that add up their gradients, and saved states."""

import os
from datetime import timedelta
from pathlib import Path

import torch
import torch.distributed as dist

RANK = int(os.environ.get("RANK", 0))
WORLD = int(os.environ.get("WORLD_SIZE", 1))


def start(device: str, seed: int) -> None:
    torch.manual_seed(seed)
    if device == "cpu":
        torch.set_num_threads(1)
    if WORLD > 1 and not dist.is_initialized():
        # A paused process is not a lost one.
        dist.init_process_group("gloo", rank=RANK, world_size=WORLD, timeout=timedelta(hours=24))


def total(tensor: torch.Tensor) -> torch.Tensor:
    """The sum of `tensor` over all processes, in place."""
    if WORLD > 1:
        dist.all_reduce(tensor)
    return tensor


def first_process_decides(tensor: torch.Tensor) -> torch.Tensor:
    """The first process's `tensor` in every process, in place."""
    if WORLD > 1:
        dist.broadcast(tensor, 0)
    return tensor


def average_gradients(parameters: list[torch.nn.Parameter]) -> None:
    """Replaces every gradient by its mean over the processes, in one exchange."""
    if WORLD == 1:
        return
    flat = torch.cat([p.grad.reshape(-1).float() if p.grad is not None else p.new_zeros(p.numel())
                      for p in parameters])
    total(flat).div_(WORLD)
    for p, part in zip(parameters, flat.split([p.numel() for p in parameters])):
        p.grad = part.view_as(p)


def save(state: dict, path: Path) -> None:
    """Writes a state so that a reader, or a run that is killed, never sees half of it."""
    if RANK == 0:
        temporary = path.with_suffix(".tmp")
        torch.save(state, temporary)
        os.replace(temporary, path)
    if WORLD > 1:
        dist.barrier()


def say(line: str) -> None:
    if RANK == 0:
        print(line, flush=True)
