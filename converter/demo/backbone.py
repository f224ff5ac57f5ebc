"""Stage `backbone`: trains the language model on the lessons.

The learning rate is constant until the cool-down, so a longer run can go on from the state before it, or, warmed up
again, from the end. Late in the cool-down the layers compute with the 4-bit weights that the converter will pack. State:
`backbone-state.pt`, and `backbone-trunk.pt` from just before the cool-down; result: `backbone.pt`. At every saved state
the averaged weights are exported as a checkpoint.
"""

import copy
import time
from contextlib import nullcontext

import numpy as np
import torch
import torch.nn.functional as F

import export
import parallel
import vocabulary as v
from batches import batch
from lessons import WRITTEN_WEIGHT, Lessons
from llama import Llama, Shape
from muon import Muon
from quantization import FourBits
from voice import BUCKET

MATRIX_RATE, VECTOR_RATE = 0.007, 3e-3
AVERAGE = 0.995        # of the weights that are exported
POOL = 16              # batches drawn (and sorted by length) at a time
SHORT_STEPS = 150      # first steps, which see only utterances of one bucket
ROUNDED_SHARE = 0.3    # share of the full learning rate below which the layers compute with their 4-bit values
POLISH_SHARE = 0.1     # the same, below which everyday words come more often


def streams(targets: torch.Tensor) -> torch.Tensor:
    """For each target id: 0...3 a codebook's stream, 4 text."""
    level = (targets - v.SPEECH_BASE).div(v.CODES, rounding_mode="floor")
    return torch.where((level >= 0) & (level < v.CODEBOOKS), level, v.CODEBOOKS)


class Trainer:
    def __init__(self, settings):
        self.settings = settings
        self.lessons = Lessons(settings, "train")
        self.device = settings.device
        self.model = Llama(Shape(v.TRAINED)).to(self.device)
        self.average = Llama(Shape(v.TRAINED)).to(self.device).requires_grad_(False)
        self.average.load_state_dict(self.model.state_dict())
        matrices = [p for p in self.model.model.layers.parameters() if p.dim() == 2]
        chosen = set(map(id, matrices))
        others = [p for p in self.model.parameters() if id(p) not in chosen]
        self.optimizers = [Muon(matrices, MATRIX_RATE),
                           torch.optim.AdamW(others, VECTOR_RATE, betas=(0.9, 0.98), weight_decay=0.0)]
        self.full_rates = [MATRIX_RATE, VECTOR_RATE]
        self.four_bits = FourBits(matrices)
        self.parameters = matrices + others
        self.step, self.pool_index, self.pool = 0, 0, []
        # Of the cool-down: its first step if it is not the first one, its time, and the share of the full learning rate then.
        self.cooling_from, self.cooling_since, self.warmth = 0, 0.0, 1.0
        self.learning_share = 1.0
        # loss, hits, count per stream since the last report
        self.sums = torch.zeros(3, v.CODEBOOKS + 1, device=self.device)

    def restore(self, path) -> int:
        """Takes over a saved state; returns the step its cool-down began at, or 0."""
        state = torch.load(path, map_location=self.device, weights_only=True)
        self.model.load_state_dict(state["model"])
        self.average.load_state_dict(state["average"])
        for optimizer, saved in zip(self.optimizers, state["optimizers"]):
            optimizer.load_state_dict(saved)
        self.step, self.pool_index = state["step"], state["pool_index"]
        self.cooling_from = state.get("cooling_from", 0)
        self.cooling_since, self.warmth = state.get("cooling_since", 0.0), state.get("warmth", 1.0)
        return state["cooled"]

    def state(self) -> dict:
        cooled = self.settings.backbone_steps if self.step > self.settings.backbone_steps else 0
        return {"cooled": cooled, "step": self.step, "pool_index": self.pool_index,
                "cooling_from": self.cooling_from, "cooling_since": self.cooling_since, "warmth": self.warmth,
                "model": self.model.state_dict(), "average": self.average.state_dict(),
                "optimizers": [optimizer.state_dict() for optimizer in self.optimizers]}

    def next_batch(self):
        if not self.pool:
            rng = np.random.default_rng([self.settings.seed, parallel.RANK, self.pool_index])
            longest = BUCKET if self.step < SHORT_STEPS else None
            polishing = self.learning_share < POLISH_SHARE
            self.pool = self.lessons.pool(rng, POOL, self.settings.batch_tokens, longest, polishing)
            self.pool_index += 1
        return self.pool.pop()

    def loss(self, inputs, targets, weights) -> torch.Tensor:
        inputs, targets, weights = (x.to(self.device) for x in (inputs, targets, weights))
        chosen = weights > 0
        with torch.autocast(self.device, torch.bfloat16):
            logits = self.model.lm_head(self.model.hidden(inputs)[chosen])
        logits, targets = logits.float(), targets[chosen]
        losses = F.cross_entropy(logits, targets, reduction="none")
        with torch.no_grad():
            answered = (weights[chosen] > WRITTEN_WEIGHT).float()
            hits = (logits.argmax(1) == targets).float()
            self.sums.index_add_(1, streams(targets), torch.stack([losses, hits, torch.ones_like(hits)]) * answered)
        # Divided by the batch's own size, so that short batches do not count more per token.
        return (losses * weights[chosen]).sum() / (0.3 * self.settings.batch_tokens)

    def share(self) -> float:
        """Share of the full learning rate; 0 when the training is over."""
        settings = self.settings
        if self.step < settings.backbone_steps:
            return min(1.0, (self.step + 1) / 50)
        if settings.cooldown_minutes:
            self.cooling_since = self.cooling_since or time.time()
            gone = (time.time() - self.cooling_since) / (60 * settings.cooldown_minutes)
        else:
            gone = (self.step - max(self.cooling_from, settings.backbone_steps)) / max(settings.cooldown_steps, 1)
        share = torch.tensor(self.warmth * max(0.0, 1 - gone), dtype=torch.float64)
        return float(parallel.first_process_decides(share))

    def warm_up(self, share: float) -> None:
        """Begins a cool-down anew, with this share of the full learning rate."""
        self.cooling_from, self.cooling_since, self.warmth = self.step, 0.0, share

    def advance(self, share: float) -> None:
        self.learning_share = share
        for optimizer, full in zip(self.optimizers, self.full_rates):
            for group in optimizer.param_groups:
                group["lr"] = full * share
        self.optimizers[0].param_groups[0]["momentum"] = min(0.95, 0.85 + 0.1 * self.step / 300)
        for p in self.parameters:
            p.grad = None
        with self.four_bits.replacing() if share < ROUNDED_SHARE else nullcontext():
            self.loss(*self.next_batch()).backward()
        parallel.average_gradients(self.parameters)
        torch.nn.utils.clip_grad_norm_(self.parameters, 1.0)
        for optimizer in self.optimizers:
            optimizer.step()
        self.step += 1
        keep = min(AVERAGE, 1 - 1 / (1 + 0.1 * self.step))
        with torch.no_grad():
            for mean, p in zip(self.average.parameters(), self.model.parameters()):
                mean.lerp_(p, 1 - keep)

    def figures(self) -> str:
        """Cross-entropy and accuracy per stream since the last report."""
        loss, hits, count = parallel.total(self.sums)
        names = ["content", "timbre1", "timbre2", "timbre3", "text"]
        parts = [f"{name} {float(loss[i] / count[i].clamp_min(1)):.3f}/{float(hits[i] / count[i].clamp_min(1)):.3f}"
                 for i, name in enumerate(names)]
        self.sums = torch.zeros_like(self.sums)
        return " ".join(parts)


@torch.no_grad()
def held_out_figures(model: Llama, lessons: Lessons, count: int = 60) -> dict[str, float]:
    """Teacher-forced figures on held-out texts, frames with silence included."""
    rng, figures = np.random.default_rng(5), {}
    for kind, stream in (("content", 0), ("transcript", v.CODEBOOKS)):
        loss, hits, total = 0.0, 0, 0
        for i in lessons.indices[:count]:
            inputs, targets, weights = batch([lessons.lesson(kind, int(i), rng)])
            logits = model.lm_head(model.hidden(inputs))
            chosen = (weights > 0) & (streams(targets) == stream)
            loss += float(F.cross_entropy(logits[chosen], targets[chosen], reduction="sum"))
            hits += int((logits[chosen].argmax(1) == targets[chosen]).sum())
            total += int(chosen.sum())
        figures[f"{kind} loss"], figures[f"{kind} accuracy"] = round(loss / total, 3), round(hits / total, 3)
    return figures


def resume(trainer: Trainer, settings) -> None:
    """Goes on from the saved state. A training that has cooled down goes on when it is to be longer, from the trunk, or
    when it is to be warmed up again."""
    state, trunk = settings.path("backbone-state.pt"), settings.path("backbone-trunk.pt")
    if not state.exists():
        return
    cooled = trainer.restore(state)
    if cooled and settings.backbone_steps > cooled:
        trainer.restore(trunk)
    elif settings.warmth and trainer.warmth != settings.warmth:
        trainer.warm_up(settings.warmth)
    elif not cooled and trainer.step >= settings.backbone_steps:
        parallel.save(trainer.state(), trunk)


def run(settings) -> None:
    parallel.start(settings.device, settings.seed)
    trainer, result = Trainer(settings), settings.path("backbone.pt")
    resume(trainer, settings)
    held_out = {split: Lessons(settings, split) for split in ("newword", "phrase", "sentence")}
    parallel.say(f"backbone: {sum(p.numel() for p in trainer.parameters)} parameters, from step {trainer.step}")
    if parallel.RANK == 0:
        result.unlink(missing_ok=True)
    begun, first = time.time(), trainer.step
    while (share := trainer.share()) > 0:
        trainer.advance(share)
        if trainer.step == settings.backbone_steps:
            parallel.save(trainer.state(), settings.path("backbone-trunk.pt"))
        if trainer.step % settings.save_steps == 0 or trainer.share() == 0:
            figures = trainer.figures()
            parallel.save(trainer.state(), settings.path("backbone-state.pt"))
            parallel.say(f"backbone step {trainer.step} {figures} "
                         f"{(time.time() - begun) / (trainer.step - first):.2f} s/step")
            if parallel.RANK == 0:
                average = copy.deepcopy(trainer.average).cpu()
                if trainer.step % (4 * settings.save_steps) == 0 or share < 0.002:
                    for split, lessons in held_out.items():
                        parallel.say(f"  {split} {held_out_figures(average, lessons)}")
                export.write(settings, average, trainer.step)
    parallel.save({"model": trainer.average.state_dict(), "step": trainer.step}, result)


def load(settings) -> Llama:
    """The trained language model, or the latest saved state of a running training."""
    path, weights = settings.path("backbone.pt"), "model"
    if not path.exists():
        path, weights = settings.path("backbone-state.pt"), "average"
    model = Llama(Shape(v.TRAINED)).requires_grad_(False)
    model.load_state_dict(torch.load(path, map_location="cpu", weights_only=True)[weights])
    return model.eval()
