"""Training by the clock, for every network that learns about pictures."""

import time

import numpy as np

SAVE_SECONDS = 60


class Timed:
    """`advance(share)` learns a step at that share of the learning rate and returns the loss; `save()` and `figures()` belong
    to the network, `name`, `log` and `step` too."""

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
