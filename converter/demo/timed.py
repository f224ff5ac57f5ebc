"""Training by the clock, for every network that learns about pictures."""

import time
from functools import cache

import numpy as np
import torch

import parallel

SAVE_SECONDS = 150


@cache
def fast_type() -> torch.dtype:
    """The faster of bf16 and f32 for products of matrices here: some processors have no bf16, some do it at half the pace."""
    seconds = {}
    for kind in (torch.bfloat16, torch.float32):
        a, b = torch.randn(2, 512, 512).to(kind)
        for _ in range(20):
            begun = time.perf_counter()
            a @ b
            seconds[kind] = min(seconds.get(kind, torch.inf), time.perf_counter() - begun)
    return min(seconds, key=seconds.get)


def fast():
    """The context of forward passes in that type."""
    return torch.autocast("cpu", torch.bfloat16, enabled=fast_type() == torch.bfloat16)


class Timed:
    """`advance(share)` learns a step at that share of the learning rate and returns the loss; `figures()` belongs to the network,
    `name`, `path` of the state, `log`, `model`, `average` of its weights and `optimizers` too."""

    def restore(self) -> None:
        """Goes on from the saved state, if there is one; one without momenta will do."""
        self.step = 0
        if self.path.exists():
            state = torch.load(self.path, weights_only=True)
            self.model.load_state_dict(state["model"])
            self.average.load_state_dict(state["average"])
            for optimizer, saved in zip(self.optimizers, state.get("optimizers", [])):
                optimizer.load_state_dict(saved)
            self.step = state["step"]
        self.began = self.step

    def save(self) -> None:
        parallel.save({"step": self.step, "model": self.model.state_dict(), "average": self.average.state_dict(),
                       "optimizers": [optimizer.state_dict() for optimizer in self.optimizers]}, self.path)

    @torch.no_grad()
    def follow(self, most: float) -> None:
        """Moves the averaged weights, of which a step leaves at most that share. Begun anew with every run: what has been learnt
        anew should not wait for what was forgotten."""
        keep = min(most, 1 - 1 / (1 + 0.1 * (self.step - self.began)))
        for mean, p in zip(self.average.parameters(), self.model.parameters()):
            mean.lerp_(p, 1 - keep)

    def run(self, minutes: float, cool: float) -> None:
        """The learning rate falls to a hundredth over the last `cool` share of the time."""
        begun, saved, first, losses = time.time(), time.time(), self.step, []
        while (gone := (time.time() - begun) / (60 * minutes)) < 1:
            losses.append(self.advance(max(0.01, min(1.0, (1 - gone) / cool)) if cool else 1.0))
            if time.time() - saved > SAVE_SECONDS:
                self.report(losses, (time.time() - begun) / (self.step - first))
                losses, saved = [], time.time()
        if losses:
            self.report(losses, (time.time() - begun) / (self.step - first))

    def report(self, losses: list[float], pace: float) -> None:
        self.save()
        line = f"{self.name} step {self.step} loss {np.mean(losses):.4f} {self.figures()} {pace:.3f} s/step"
        print(line, flush=True)
        with open(self.log, "a") as file:
            file.write(line + "\n")
