"""Teaches the shipped language model to see, without a change to how it speaks and listens.

    python converter/demo/grow.py --out DIR --minutes 60        # DIR/grown.pt goes on

The stream of 256 numbers grows to 384, and heads, values and inner units with it. Two kinds of new numbers, by which
weights are allowed:

- **clean** ones are zero unless a token of the prompt belongs to pictures (a code, `<image>`, a sentence that asks for
  a picture): their writers read clean numbers only, or are gated by units that do. Only they, where they are not zero, may
  change what the old network sees and says.
- **open** ones hold what any token says, at a small scale (`WHISPER`), so that the root mean square that the norms divide
  by hardly changes. Only new weights read them.

All old weights stay as they are, so that everything that has no picture in it comes out as it did.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

import parallel
import shipped
import teach
import vocabulary as v
from batches import batch
from llama import Llama, Shape
from timed import Timed

OLD = Shape(v.TOTAL)
OPEN, CLEAN = 32, 96
GROWN = Shape(v.TOTAL, width=OLD.width + CLEAN + OPEN, inner=1024, layers=OLD.layers, heads=6, kv_heads=3,
              norm_epsilon=OLD.norm_epsilon * OLD.width / (OLD.width + CLEAN + OPEN))
WHISPER = 1 / 32
CLEAN_END = OLD.width + CLEAN
CLEAN_VALUES = 32      # of the 64 numbers of the new head's values
RATE, WARM_STEPS, AVERAGE = 2e-3, 100, 0.998
BATCH_TOKENS = 3072


def old_rows() -> tuple[torch.Tensor, torch.Tensor]:
    """Row numbers of the tokens of the shipped file: today's, and its own."""
    count = len(shipped.read()["language"]["lm_head.weight"])
    missing = v.TOTAL - count
    added = {v.ID[token] for token in v.PICTURE_FIXED} if missing else set()
    if missing not in (0, len(v.PICTURE_FIXED)):
        raise ValueError(f"the shipped model has {count} tokens, expected {v.TOTAL} or {v.TOTAL - len(v.PICTURE_FIXED)}")
    today = torch.tensor([i for i in range(v.TOTAL) if i not in added])
    return today, torch.arange(count)


def of_pictures() -> torch.Tensor:
    """Whether each token belongs to pictures."""
    own = torch.zeros(v.TOTAL, dtype=torch.bool)
    own[[v.ID[token] for token in [*v.PICTURE_FIXED, v.IMAGE, v.IMAGE_END, *v.IMAGES]]] = True
    return own


def free(name: str, shape: torch.Size) -> torch.Tensor:
    """1 where a weight may be learnt, 0 where it stays."""
    mask, w = torch.zeros(shape), OLD.width
    heads, kv = OLD.heads * OLD.head_width, OLD.kv_heads * OLD.head_width
    if name.endswith("norm.weight"):
        mask[w:CLEAN_END] = 1
    elif name == "model.embed_tokens.weight":
        own = of_pictures()
        mask[own] = 1
        mask[:, CLEAN_END:] = 1
        mask[own, :w] = 1
    elif name == "lm_head.weight":
        mask[:, w:CLEAN_END] = 1
        mask[of_pictures(), :w] = 0
    elif "q_proj" in name or "k_proj" in name:
        old = heads if "q_proj" in name else kv
        mask[:old, w:CLEAN_END] = 1
        mask[old:] = 1
    elif "v_proj" in name:
        mask[:, w:CLEAN_END] = 1
        mask[kv + CLEAN_VALUES:] = 1
    elif "o_proj" in name:
        mask[CLEAN_END:] = 1
        for head in range(OLD.heads, GROWN.heads):
            mask[:, head * 64:head * 64 + CLEAN_VALUES] = 1
    elif "gate_proj" in name:
        mask[:, w:CLEAN_END] = 1
    elif "up_proj" in name:
        mask[:OLD.inner, w:CLEAN_END] = 1
        mask[OLD.inner:] = 1
    elif "down_proj" in name:
        mask[:, OLD.inner:] = 1
        mask[CLEAN_END:] = 1
    else:
        raise ValueError(name)
    return mask


def written_scale(name: str, shape: torch.Size) -> torch.Tensor | None:
    """Factors from what is learnt to what the checkpoint holds: what writes open numbers whispers."""
    scale = torch.ones(shape)
    if name == "model.embed_tokens.weight":
        scale[:, CLEAN_END:] = WHISPER
    elif "o_proj" in name or "down_proj" in name:
        scale[CLEAN_END:] = WHISPER
    else:
        return None
    return scale


def grown_from_shipped() -> Llama:
    """The shipped network inside the larger one, new weights ready to learn."""
    torch.manual_seed(3)
    model, old = Llama(GROWN), shipped.read()["language"]
    today, theirs = old_rows()
    with torch.no_grad():
        for name, p in model.named_parameters():
            value, mask = torch.from_numpy(old[name]), free(name, p.shape)
            if name.endswith("norm.weight"):
                p.fill_(1)
                p[CLEAN_END:] = 1 / WHISPER
                p[:OLD.width] = value * (OLD.width / GROWN.width) ** 0.5 if value.shape[0] == OLD.width else value[:OLD.width]
                continue
            if name == "model.embed_tokens.weight":
                p.normal_(0, 0.5).mul_(mask)
                p[today, :value.shape[1]] = torch.where(mask[today, :value.shape[1]] > 0, p[today, :value.shape[1]],
                                                        value[theirs])
                p[~of_pictures(), OLD.width:CLEAN_END] = 0
                continue
            if name == "lm_head.weight":
                p.zero_()
                p[today, :value.shape[1]] = value[theirs]
                continue
            p.normal_(0, p.shape[1] ** -0.5).mul_(mask)
            if "o_proj" in name or "down_proj" in name:
                p.mul_(0.1)
            p[:value.shape[0], :value.shape[1]] = torch.where(mask[:value.shape[0], :value.shape[1]] > 0,
                                                              0.1 * p[:value.shape[0], :value.shape[1]], value)
    return model


class Trainer(Timed):
    name = "grown"

    def __init__(self, out: Path):
        self.path, self.log = out / "grown.pt", out / "grown.log"
        self.model = grown_from_shipped()
        self.masks = {name: free(name, p.shape) for name, p in self.model.named_parameters()}
        self.scales = {name: scale for name, p in self.model.named_parameters()
                       if (scale := written_scale(name, p.shape)) is not None}
        self.average = {name: p.detach().clone() for name, p in self.model.named_parameters()}
        self.optimizer = torch.optim.AdamW(self.model.parameters(), RATE, betas=(0.9, 0.98), weight_decay=0.0)
        self.step, self.pool = 0, []
        if self.path.exists():
            self.restore(torch.load(self.path, weights_only=True))

    def restore(self, state: dict) -> None:
        """Takes over what was learnt; what stays comes from the shipped file."""
        with torch.no_grad():
            for name, p in self.model.named_parameters():
                mask = self.masks[name] > 0
                p[mask] = state["model"][name].float()
                self.average[name][mask] = state["average"][name].float()
        if "optimizer" in state:
            self.optimizer.load_state_dict(state["optimizer"])
        self.step = state["step"]

    def save(self) -> None:
        chosen = {name: mask > 0 for name, mask in self.masks.items()}
        parallel.save({"step": self.step, "model": {n: p.detach()[chosen[n]] for n, p in self.model.named_parameters()},
                       "average": {n: p[chosen[n]] for n, p in self.average.items()},
                       "optimizer": self.optimizer.state_dict()}, self.path)

    def effective(self, weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        return {name: p * self.scales[name] if name in self.scales else p for name, p in weights.items()}

    def logits(self, weights, inputs, chosen):
        hidden = torch.func.functional_call(self.model, self.effective(weights), (inputs,))
        return F.linear(hidden[chosen], weights["lm_head.weight"])

    def next_batch(self):
        if not self.pool:
            rng = np.random.default_rng([2, self.step])
            drawn = sorted(teach.lessons(rng, 200), key=lambda lesson: len(lesson[0]))
            groups, group = [], []
            for ids, weights in drawn:
                if group and (len(group) + 1) * len(ids) > BATCH_TOKENS:
                    groups.append(group)
                    group = []
                group.append((ids, ids, weights))
            groups.append(group)
            rng.shuffle(groups)
            self.pool = groups
        return batch(self.pool.pop())

    def advance(self, share: float) -> float:
        inputs, targets, weights = self.next_batch()
        chosen = weights > 0
        for group in self.optimizer.param_groups:
            group["lr"] = RATE * share * min(1.0, (self.step + 1) / WARM_STEPS)
        self.optimizer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16):
            logits = self.logits(dict(self.model.named_parameters()), inputs, chosen)
        loss = F.cross_entropy(logits.float(), targets[chosen])
        loss.backward()
        for name, p in self.model.named_parameters():
            p.grad.mul_(self.masks[name])
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        self.step += 1
        keep = min(AVERAGE, 1 - 1 / (1 + 0.1 * self.step))
        with torch.no_grad():
            for name, p in self.model.named_parameters():
                self.average[name].lerp_(p, 1 - keep)
        return float(loss.detach())

    @torch.no_grad()
    def figures(self, count: int = 24) -> str:
        """Share of the held-out answers that are right to the last token, teacher-forced, per task."""
        parts = []
        for kind in teach.MIXTURE:
            lessons = teach.lessons(np.random.default_rng(11), count, kind, testing=True)
            inputs, targets, weights = batch([(ids, ids, w) for ids, w in lessons])
            chosen = weights > 0
            right = torch.ones_like(chosen)
            right[chosen] = self.logits(self.average, inputs, chosen).argmax(-1) == targets[chosen]
            parts.append(f"{kind} {float(right[chosen].float().mean()):.3f}/{float(right.all(1).float().mean()):.2f}")
        return " ".join(parts)

    def checkpoint_tensors(self) -> dict[str, torch.Tensor]:
        return {name: p.detach().contiguous() for name, p in self.effective(self.average).items()}


def main() -> None:
    parser = argparse.ArgumentParser(description="Teaches the shipped language model to see.")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--cool", type=float, default=0, help="share of the time over which the learning rate falls")
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    arguments.out.mkdir(parents=True, exist_ok=True)
    Trainer(arguments.out).run(arguments.minutes, arguments.cool)


if __name__ == "__main__":
    main()
