"""Teaches the shipped language model to see, draw and film, besides what it does already.

    python converter/demo/grow.py --out DIR --speech DIR --asked DIR --minutes 60        # DIR/grown.pt goes on

The stream of 256 numbers grows to 384, and heads, values and inner units with it; at first nothing is written into what is
new, so that the larger network says what the shipped one says. Then all weights learn, from lessons about pictures (teach.py)
and those of speech (lessons.py) side by side: what is not repeated would be forgotten. Late in the cool-down the layers
compute with the 4-bit weights that the converter will pack.

`--speech` is a folder of train.py with its stages `texts`, `audio` and `tokens`, `--asked` one with the texts of asking.py and
the stages `audio` and `tokens`; `pack.py --codec DIR` puts the shipped codec there before `tokens`.
"""

import argparse
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch
import torch.nn.functional as F

import asking
import lessons as speech_lessons
import shipped
import teach
import vocabulary as v
from batches import batch
from llama import Llama, Shape
from muon import Muon
from quantization import FourBits
from timed import Timed

OLD = Shape(v.TOTAL)
WIDTH = 384
GROWN = Shape(v.TOTAL, width=WIDTH, inner=1024, layers=OLD.layers, heads=6, kv_heads=3,
              norm_epsilon=OLD.norm_epsilon * OLD.width / WIDTH)
MATRIX_RATE, VECTOR_RATE = 0.004, 2e-3
WARM_STEPS, AVERAGE = 100, 0.997
BATCH_TOKENS, POOL = 2560, 16
ROUNDED_SHARE = 0.3    # share of the full learning rate below which the layers compute with their 4-bit values


def old_rows(count: int) -> torch.Tensor:
    """The ids that the shipped file's tokens have today."""
    added = {v.ID[token] for token in v.PICTURE_FIXED} if count < v.TOTAL else set()
    if count != v.TOTAL - len(added):
        raise ValueError(f"the shipped model has {count} tokens, expected {v.TOTAL} or {v.TOTAL - len(v.PICTURE_FIXED)}")
    return torch.tensor([i for i in range(v.TOTAL) if i not in added])


def grown_from_shipped() -> Llama:
    """The shipped network inside the larger one."""
    torch.manual_seed(3)
    model, old = Llama(GROWN), shipped.read()["language"]
    rows = old_rows(len(old["lm_head.weight"]))
    writers = ("o_proj.weight", "down_proj.weight", "embed_tokens.weight", "lm_head.weight")
    with torch.no_grad():
        for name, p in model.named_parameters():
            value = torch.from_numpy(old[name])
            if name.endswith("norm.weight"):
                # The mean square is of more numbers now.
                p.fill_(float(value.mean()))[:len(value)] = value
                p.mul_((OLD.width / WIDTH) ** 0.5)
                continue
            if name.endswith(writers):
                p.zero_()
            else:
                p.normal_(0, p.shape[1] ** -0.5)
            at = rows if "lm_head" in name or "embed_tokens" in name else torch.arange(len(value))
            p[at, :value.shape[1]] = value
        own = [v.ID[token] for token in [*v.IMAGES, *v.PICTURE_FIXED]]
        model.model.embed_tokens.weight[own] = 0.3 * torch.randn(len(own), WIDTH)
    return model


class Trainer(Timed):
    name = "grown"

    def __init__(self, out: Path, speech: Path | None = None, asked: Path | None = None):
        self.path, self.log = out / "grown.pt", out / "grown.log"
        if speech and asked:
            folder = SimpleNamespace(out=speech, path=lambda name: speech / name)
            self.speech = speech_lessons.Lessons(folder, "train")
            self.held_out = speech_lessons.Lessons(folder, "newword", "phrase", "sentence")
            self.asked = asking.Asked(asked)
        self.model = grown_from_shipped()
        self.average = Llama(GROWN).requires_grad_(False)
        self.average.load_state_dict(self.model.state_dict())
        matrices = [p for p in self.model.model.layers.parameters() if p.ndim == 2]
        others = [p for p in self.model.parameters() if not any(p is matrix for matrix in matrices)]
        self.optimizers = [Muon(matrices, MATRIX_RATE),
                           torch.optim.AdamW(others, VECTOR_RATE, betas=(0.9, 0.98), weight_decay=0.0)]
        self.four_bits = FourBits(matrices)
        self.pool = []
        # Shares of the tokens that are about pictures (the others are speech and chat), and of these that are about one thing.
        self.pictures, self.easy = 0.6, 0.0
        self.restore()

    def next_batch(self):
        if not self.pool:
            rng = np.random.default_rng([2, self.step])
            drawn, budget = [], self.pictures * POOL * BATCH_TOKENS
            while budget > 0:
                for ids, weights in teach.lessons(rng, 50, asked=self.asked, easy=rng.random() < self.easy):
                    drawn.append((ids, ids, weights))
                    budget -= len(ids)
            drawn += self.speech.draw_lessons(rng, (1 - self.pictures) * POOL * BATCH_TOKENS)
            self.pool = speech_lessons.grouped(drawn, BATCH_TOKENS, rng)
        return self.pool.pop()

    def advance(self, share: float) -> float:
        inputs, targets, weights = self.next_batch()
        chosen = weights > 0
        warmth = min(1.0, (self.step - self.began + 1) / WARM_STEPS)
        for optimizer, full in zip(self.optimizers, (MATRIX_RATE, VECTOR_RATE)):
            optimizer.param_groups[0]["lr"] = full * share * warmth
        self.model.zero_grad()
        with self.four_bits.replacing() if share < ROUNDED_SHARE else nullcontext():
            with torch.autocast("cpu", torch.bfloat16):
                logits = self.model.lm_head(self.model.hidden(inputs)[chosen])
            losses = F.cross_entropy(logits.float(), targets[chosen], reduction="none")
            loss = (losses * weights[chosen]).sum() / (0.3 * BATCH_TOKENS)
            loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        for optimizer in self.optimizers:
            optimizer.step()
        self.step += 1
        self.follow(AVERAGE)
        return float(loss.detach())

    @torch.no_grad()
    def right(self, lessons) -> str:
        """Share of the tokens of answers, and of answers, that are right, teacher-forced."""
        inputs, targets, weights = batch(lessons)
        chosen = weights > 0
        right = torch.ones_like(chosen)
        with torch.autocast("cpu", torch.bfloat16):
            right[chosen] = self.average.lm_head(self.average.hidden(inputs)[chosen]).argmax(-1) == targets[chosen]
        return f"{float(right[chosen].float().mean()):.3f}/{float(right.all(1).float().mean()):.2f}"

    def figures(self, count: int = 16) -> str:
        parts, rng = [], np.random.default_rng(5)
        for kind in teach.MIXTURE:
            lessons = teach.lessons(np.random.default_rng(11), count, kind, True, self.asked)
            parts.append(f"{kind} {self.right([(ids, ids, w) for ids, w in lessons])}")
        for kind in teach.EASY_MIXTURE:
            lessons = teach.lessons(np.random.default_rng(12), count, kind, True, easy=True)
            parts.append(f"easy-{kind} {self.right([(ids, ids, w) for ids, w in lessons])}")
        for kind in ("content", "transcript"):
            chosen = self.held_out.indices[::len(self.held_out.indices) // count]
            parts.append(f"{kind} {self.right([self.held_out.lesson(kind, int(i), rng) for i in chosen])}")
        return " ".join(parts)

    def checkpoint_tensors(self) -> dict[str, torch.Tensor]:
        return {name: p.detach().contiguous() for name, p in self.average.state_dict().items()}


def main() -> None:
    parser = argparse.ArgumentParser(description="Teaches the shipped language model to see.")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--speech", type=Path, required=True, help="folder of train.py, with tokens.npz")
    parser.add_argument("--asked", type=Path, required=True, help="folder of asking.py, with tokens.npz")
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--cool", type=float, default=0, help="share of the time over which the learning rate falls")
    parser.add_argument("--pictures", type=float, default=0.6, help="share of the tokens that are about pictures")
    parser.add_argument("--easy", type=float, default=0, help="share of these that are about scenes of one thing")
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    arguments.out.mkdir(parents=True, exist_ok=True)
    trainer = Trainer(arguments.out, arguments.speech, arguments.asked)
    trainer.pictures, trainer.easy = arguments.pictures, arguments.easy
    trainer.run(arguments.minutes, arguments.cool)


if __name__ == "__main__":
    main()
