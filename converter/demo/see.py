"""Trains the networks that see and draw: a stage after another, each resumable.

    python converter/demo/see.py --out DIR --stage autoencoder --minutes 10
    python converter/demo/see.py --out DIR --stage reader --minutes 20
    python converter/demo/see.py --out DIR --stage unet --minutes 60

`reader` learns to tell the codes of a picture, `autoencoder` to pack a picture into latents, `unet` to draw latents from
codes; it needs the autoencoder. A stage goes on from its state `DIR/STAGE.pt` for that many minutes and appends a line to
`DIR/STAGE.log` with every saved state.
"""

import argparse
import copy
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

import drawing
import seed
import world
from muon import Muon
from timed import Timed, fast

RATES = {"autoencoder": 2e-3, "reader": 1e-3, "unet": 1e-3}           # of all but matrices
MATRIX_RATES = {"autoencoder": 2e-3, "reader": 2e-3, "unet": 3e-3}    # Muon's
BATCHES = {"autoencoder": 16, "reader": 32, "unet": 64}
NARROW = 16            # matrices with fewer rows or columns are no matter for Muon
WARM_STEPS = 100
AVERAGE = 0.998        # of the weights that are used
LATENTS = 16000        # pictures whose latents are drawn at a time
PASSES = 6             # through them before others are drawn
NOISY = 800            # from this step of noise on, little but the codes tells what the picture shows
NOISY_SHARE = 0.6      # of the steps of noise that are beyond it


class Stage(Timed):
    """A network in training; `loss(rng)` is what a subclass adds."""

    def __init__(self, name: str, out: Path, model: torch.nn.Module):
        self.path, self.log = out / f"{name}.pt", out / f"{name}.log"
        self.name, self.model = name, model
        self.average = copy.deepcopy(model).eval().requires_grad_(False)
        matrices = [p for p in model.parameters() if p.ndim > 1 and min(len(p), p[0].numel()) >= NARROW]
        others = [p for p in model.parameters() if not any(p is matrix for matrix in matrices)]
        self.optimizers = [Muon(matrices, MATRIX_RATES[name]),
                           torch.optim.AdamW(others, RATES[name], betas=(0.9, 0.98), weight_decay=0)]
        self.restore()

    def advance(self, share: float) -> float:
        rng = np.random.default_rng([1, self.step])
        for optimizer, rates in zip(self.optimizers, (MATRIX_RATES, RATES)):
            optimizer.param_groups[0]["lr"] = rates[self.name] * share * min(1.0, (self.step - self.began + 1) / WARM_STEPS)
        self.model.zero_grad()
        loss = self.loss(rng)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        for optimizer in self.optimizers:
            optimizer.step()
        self.step += 1
        self.follow(AVERAGE)
        return float(loss.detach())

    def figures(self) -> str:
        return ""


def pictures(rng: np.random.Generator, count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Codes [count, 32] and pictures [count, S, S, 3]."""
    codes = [world.random_codes(rng) for _ in range(count)]
    return torch.from_numpy(world.placed(np.stack(codes))), torch.from_numpy(np.stack([world.draw(c) for c in codes]))


class ReaderStage(Stage):
    def __init__(self, out: Path):
        super().__init__("reader", out, seed.Reader())

    def examples(self, rng, count):
        """Pictures as they may come: a little lighter or darker, moved by a pixel, noisy."""
        codes, seen = pictures(rng, count)
        x = seen.float()
        x = torch.roll(x, tuple(int(n) for n in rng.integers(-1, 2, 2)), (1, 2))
        x = x * float(rng.uniform(0.9, 1.1)) + float(rng.uniform(-10, 10))
        if rng.random() < 0.7:
            x = x + torch.randn(x.shape) * float(rng.uniform(0, 14))
        return codes, seed.pixels(x.clamp(0, 255))

    def loss(self, rng):
        codes, x = self.examples(rng, BATCHES["reader"])
        with fast():
            vectors = self.model(x)
        return F.cross_entropy((-seed.distances(vectors.float()) / 4).flatten(0, 1), codes.flatten())

    @torch.no_grad()
    def figures(self) -> str:
        codes, seen = pictures(np.random.default_rng(99), 64)
        read = seed.distances(self.average(seed.pixels(seen))).argmin(-1)
        empty = world.placed(world.empty())[world.TRIPLES::3]
        filled = codes[:, world.TRIPLES::3] != torch.from_numpy(empty)
        right = (read == codes)[:, world.TRIPLES:].view(64, 9, 3)
        shapes, colours, forms = (float(right[:, :, i][filled].float().mean()) for i in range(3))
        return f"shape {shapes:.3f} colour {colours:.3f} form {forms:.3f} picture {float((read == codes).all(1).float().mean()):.3f}"


class AutoencoderStage(Stage):
    def __init__(self, out: Path):
        super().__init__("autoencoder", out, drawing.autoencoder())

    def loss(self, rng):
        _, seen = pictures(rng, BATCHES["autoencoder"])
        x = (seen.float() / 127.5 - 1).permute(0, 3, 1, 2).contiguous(memory_format=torch.channels_last)
        with fast():
            posterior = self.model.encode(x).latent_dist
            z = posterior.mean.float()
            back = self.model.decode(z + 0.05 * torch.randn_like(z)).sample.float()
        # Latents stay near a unit normal, so that the noise that is added to them says the same everywhere.
        return F.mse_loss(back, x) + 0.5 * F.l1_loss(back, x) + 1e-3 * (z * z).mean()

    @torch.no_grad()
    def figures(self) -> str:
        _, seen = pictures(np.random.default_rng(99), 32)
        x = (seen.float() / 127.5 - 1).permute(0, 3, 1, 2)
        z = self.average.encode(x).latent_dist.mean
        off = (self.average.decode(z).sample - x).abs() * 127.5
        return f"levels off {float(off.mean()):.2f} latents {float(z.std()):.3f}"


class Drawer(torch.nn.Module):
    """Codes and noisy latents to the U-Net's prediction."""

    def __init__(self):
        super().__init__()
        self.embedder, self.unet = seed.Embedder(), drawing.unet()
        self.prompt = drawing.empty_prompt()

    def forward(self, codes, latents, steps):
        text = self.prompt.expand(len(codes), -1, -1)
        label = drawing.labels(self.embedder(codes))
        return self.unet(latents, steps, encoder_hidden_states=text, class_labels=label).sample


class UNetStage(Stage):
    def __init__(self, out: Path):
        super().__init__("unet", out, Drawer())
        self.vae = drawing.autoencoder().eval().requires_grad_(False)
        self.vae.load_state_dict(torch.load(out / "autoencoder.pt", weights_only=True)["average"])
        self.levels = drawing.signal_levels()
        self.scale, self.shard, self.chunk = None, None, -1

    @torch.no_grad()
    def encode(self, seen: torch.Tensor) -> torch.Tensor:
        x = (seen.float() / 127.5 - 1).permute(0, 3, 1, 2)
        return self.vae.encode(x).latent_dist.mean

    def factor(self) -> float:
        """What latents are multiplied with, so that their deviation is 1."""
        if self.scale is None:
            self.scale = 1 / float(self.encode(pictures(np.random.default_rng(98), 256)[1]).std())
        return self.scale

    def latents(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Codes and latents of the pictures that these steps learn from."""
        chunk = self.step * BATCHES["unet"] // (PASSES * LATENTS)
        if chunk != self.chunk:
            rng, parts = np.random.default_rng([7, chunk]), []
            for _ in range(LATENTS // 100):
                codes, seen = pictures(rng, 100)
                with fast():
                    z = self.encode(seen)
                parts.append((codes, (z.float() * self.factor()).half()))
            self.shard, self.chunk = tuple(torch.cat(part) for part in zip(*parts)), chunk
        return self.shard

    def noised(self, z, steps):
        """Latents at those steps of noise, and the v to predict."""
        level = self.levels[steps].view(-1, 1, 1, 1)
        noise = torch.randn_like(z)
        return level.sqrt() * z + (1 - level).sqrt() * noise, level.sqrt() * noise - (1 - level).sqrt() * z

    def loss(self, rng):
        codes, z = self.latents()
        rows = torch.from_numpy(rng.integers(len(codes), size=BATCHES["unet"]))
        steps = torch.from_numpy(np.where(rng.random(len(rows)) < NOISY_SHARE, rng.integers(NOISY, 1000, len(rows)),
                                          rng.integers(0, 1000, len(rows))))
        x, v = self.noised(z[rows].float(), steps)
        with fast():
            guess = self.model(codes[rows], x.contiguous(memory_format=torch.channels_last), steps)
        return F.mse_loss(guess.float(), v)

    @torch.no_grad()
    def figures(self) -> str:
        codes, seen = pictures(np.random.default_rng(97), 32)
        z, parts = self.encode(seen) * self.factor(), []
        for step in (200, 600, 950):
            torch.manual_seed(step)
            steps = torch.full((32,), step)
            x, v = self.noised(z, steps)
            parts.append(f"{float(F.mse_loss(self.average(codes, x, steps), v)):.3f}")
        return f"scale {self.factor():.5f} held out at 200, 600, 950: " + " ".join(parts)


STAGES = {"autoencoder": AutoencoderStage, "reader": ReaderStage, "unet": UNetStage}


def main() -> None:
    parser = argparse.ArgumentParser(description="Trains the networks that see and draw.")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--stage", required=True, choices=STAGES)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--cool", type=float, default=0, help="share of the time over which the learning rate falls")
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(1)
    arguments.out.mkdir(parents=True, exist_ok=True)
    STAGES[arguments.stage](arguments.out).run(arguments.minutes, arguments.cool)


if __name__ == "__main__":
    main()
