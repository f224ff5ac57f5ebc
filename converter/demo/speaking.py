"""Lets the trained model speak and write down, under the rules mio-lite applies to the demo file."""

import numpy as np
import torch

import vocabulary as v
from llama import Llama
from voice import BUCKET, FRAME


class Speaker:
    def __init__(self, model: Llama, codec, temperature: float = 0.8, top_p: float = 0.7, seed: int = 1):
        self.model, self.codec = model, codec
        self.temperature, self.top_p = temperature, top_p
        self.random = torch.Generator().manual_seed(seed)

    def choose(self, logits: torch.Tensor) -> torch.Tensor:
        """One id per row of logits [B, V]; the most probable one at temperature 0."""
        if self.temperature == 0:
            return logits.argmax(1)
        p, ids = (logits / self.temperature).softmax(1).sort(1, descending=True)
        p = p * ((p.cumsum(1) - p) < self.top_p)
        return ids.gather(1, torch.multinomial(p, 1, generator=self.random))[:, 0]

    def start(self, prompts: list[list[int]]) -> None:
        """Evaluates prompts of different lengths, padded on the left."""
        longest = max(map(len, prompts))
        ids = torch.tensor([[0] * (longest - len(p)) + p for p in prompts])
        self.padding = torch.tensor([longest - len(p) for p in prompts])
        self.caches = [[] for _ in self.model.model.layers]
        self.length = 0
        self.logits = self.feed(ids)

    def feed(self, ids: torch.Tensor) -> torch.Tensor:
        """Appends ids [B, T] and returns the next ids' logits [B, V]."""
        steps = torch.arange(self.length, self.length + ids.shape[1])
        positions = (steps[None] - self.padding[:, None]).clamp_min(0)
        seen = torch.arange(self.length + ids.shape[1])
        mask = (seen[None, None] <= steps[None, :, None]) & (seen[None, None] >= self.padding[:, None, None])
        mask = mask | (seen[None, None] == steps[None, :, None])      # padding rows look at themselves
        self.length += ids.shape[1]
        return self.model.lm_head(self.model.hidden(ids, positions, self.caches, mask[:, None]))[:, -1]

    @torch.no_grad()
    def say(self, texts: list[str], longest: int = 160) -> list[np.ndarray]:
        """Codes [4, T] for each text. Content ends on a multiple of the bucket; the other streams are as long."""
        results: dict[int, np.ndarray] = {}
        self.start([v.speak_prompt(text) for text in texts])
        alive = list(range(len(texts)))
        content = [[] for _ in texts]
        low, high = v.SPEECH_BASE, v.SPEECH_BASE + v.CODES
        while alive:
            frames = len(content[alive[0]])
            allowed = torch.full((self.logits.shape[1],), -torch.inf)
            allowed[low:high] = 0
            if frames and frames % BUCKET == 0:
                allowed[high:high + v.CODES] = 0
            ids = self.choose(self.logits + allowed)
            ended = (ids >= high) | torch.full_like(ids, frames >= longest, dtype=torch.bool)
            if ended.any():
                rows = torch.nonzero(ended)[:, 0].tolist()
                self.timbre([alive[row] for row in rows], rows, frames, content, results)
                keep = torch.nonzero(~ended)[:, 0]
                alive = [alive[row] for row in keep.tolist()]
                self.keep(keep)
                ids = ids[keep]
            if alive:
                for text, code in zip(alive, ids.tolist()):
                    content[text].append(code - low)
                self.logits = self.feed(ids[:, None])
        return [results[i] for i in range(len(texts))]

    def keep(self, rows: torch.Tensor) -> None:
        self.padding = self.padding[rows]
        self.logits = self.logits[rows]
        self.caches = [[part[rows] for part in cache] for cache in self.caches]

    def timbre(self, texts, rows, frames, content, results) -> None:
        """Completes the sequences in `rows`, whose content is done."""
        saved = self.caches, self.padding, self.logits, self.length
        self.keep(torch.tensor(rows))
        levels = []
        for level in range(1, v.CODEBOOKS):
            low, codes = v.SPEECH_BASE + level * v.CODES, []
            for _ in range(frames):
                ids = self.choose(self.logits[:, low:low + v.CODES])
                codes.append(ids)
                self.logits = self.feed(ids[:, None] + low)
            levels.append(torch.stack(codes, 1))
        for row, text in enumerate(texts):
            results[text] = np.stack([np.array(content[text])] + [level[row].numpy() for level in levels])
        self.caches, self.padding, self.logits, self.length = saved

    @torch.no_grad()
    def waves(self, codes: list[np.ndarray]) -> list[np.ndarray]:
        """Sound of codes [4, T], cut after the speech."""
        return [trimmed(self.codec.decode(torch.from_numpy(c).long()[:, None])[0].numpy()) for c in codes]

    @torch.no_grad()
    def write_down(self, contents: list[np.ndarray], longest: int = 80) -> list[str]:
        """Greedy transcripts of content codes [T]."""
        self.start([v.transcribe_prompt(content) for content in contents])
        ids = [[] for _ in contents]
        done = torch.zeros(len(contents), dtype=torch.bool)
        for _ in range(longest):
            best = self.logits[:, :v.ID["<image>"]].argmax(1)
            done |= best == v.ID[v.STOP]
            if done.all():
                break
            for row in torch.nonzero(~done)[:, 0].tolist():
                ids[row].append(int(best[row]))
            self.logits = self.feed(best[:, None])
        return [v.decode_text(row) for row in ids]


def trimmed(wave: np.ndarray) -> np.ndarray:
    """The wave without its silent end."""
    loud = np.nonzero(np.abs(wave) > 0.01)[0]
    end = min(len(wave), (loud[-1] if len(loud) else 0) + 3 * FRAME)
    return np.clip(wave[:max(end, FRAME)], -1, 1)
