"""Teaches the shipped language model to see, draw and film, and leaves what it says and hears as it is.

    python converter/demo/grow.py --out DIR --asked DIR --minutes 60        # DIR/grown.pt goes on

The shipped network stays frozen: weights that were shared forgot speech while they learnt pictures. Beside its stream of 256
numbers run two new ones. The loud one begins with the embeddings of pictures and of the fixed sentences about them; only what
has met one of these can write into it, as the values of its heads, the gates of all new inner units and the logits of text read
nothing else. The faint one takes what its heads find in the shipped stream, letters and spoken words, to where gates are open.
So where no picture was met, logits are those of the shipped model, but for the faint stream's millionth of the mean square by
which all streams are divided.

`checkpoint_tensors` writes them as one Llama. Late in the cool-down the new matrices are the 4-bit ones that the converter will
pack; the old ones are already what a packed file holds.

`--asked` is a folder of asking.py, with train.py's stages `audio` and `tokens`; `pack.py --codec DIR` puts the shipped codec there
before `tokens`.
"""

import argparse
import copy
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

import asking
import shipped
import teach
import vocabulary as v
import world
from batches import batch
from lessons import grouped
from llama import Llama, Shape, attend, rotate
from muon import Muon
from quantization import GROUP, FourBits
from timed import Timed, fast

OLD = Shape(v.TOTAL)
FAINT, LOUD = 64, 192                          # widths of the new streams
NEW = SimpleNamespace(width=FAINT + LOUD, heads=8, kv_heads=4, inner=448)     # half of the heads write into each
OLD_INNER = -(-OLD.inner // GROUP) * GROUP     # old and new inner units share no group of 4-bit weights
GROWN = Shape(v.TOTAL, width=OLD.width + NEW.width, inner=OLD_INNER + NEW.inner, layers=OLD.layers,
              heads=OLD.heads + NEW.heads, kv_heads=OLD.kv_heads + NEW.kv_heads,
              norm_epsilon=OLD.norm_epsilon * OLD.width / (OLD.width + NEW.width))
LOUDNESS = 200.0       # of the shipped stream behind its first layer
# Of the new streams in the checkpoint. Where the loud one is not silent it is most of what the norms divide by, so that it learns as
# any Llama does; the faint one hardly counts in them.
SCALE = torch.cat([torch.full((FAINT,), LOUDNESS / 100_000), torch.full((LOUD,), LOUDNESS * 8)])
DECAY = 0.1            # of the new matrices
MATRIX_RATE, VECTOR_RATE = 0.002, 2e-3
WARM_STEPS, AVERAGE = 100, 0.997
BATCH_TOKENS, POOL = 2048, 20
ROUNDED_SHARE = 0.3    # share of the full learning rate below which the layers compute with their 4-bit values

OWN = [v.ID[token] for token in [v.IMAGE, v.IMAGE_END, *v.PICTURE_FIXED, *v.IMAGES]]      # what opens the gates
SPOKEN = {v.ID[v.SPEECH], v.ID[v.SPEECH_END], *range(v.SPEECH_BASE, v.SPEECH_BASE + v.CODEBOOKS * v.CODES)}
WRITTEN = [i for i in range(v.TOTAL) if i not in SPOKEN]             # rows of logits that read the loud stream


def old_rows(count: int) -> torch.Tensor:
    """The ids that the shipped file's tokens have today."""
    added = {v.ID[token] for token in v.PICTURE_FIXED} if count < v.TOTAL else set()
    if count != v.TOTAL - len(added):
        raise ValueError(f"the shipped model has {count} tokens, expected {v.TOTAL} or {v.TOTAL - len(v.PICTURE_FIXED)}")
    return torch.tensor([i for i in range(v.TOTAL) if i not in added])


def frozen() -> Llama:
    """The shipped network: the first 256 numbers of one that was grown."""
    packed = {name: torch.from_numpy(tensor) for name, tensor in shipped.read()["language"].items()}
    rows = old_rows(len(packed["lm_head.weight"]))
    back = ((OLD.width + NEW.width) / OLD.width) ** 0.5 if packed["lm_head.weight"].shape[1] > OLD.width else 1.0
    model = Llama(OLD).requires_grad_(False)
    for name, p in model.named_parameters():
        value = packed[name] * (back if name.endswith("norm.weight") else 1.0)
        if value.ndim == 2:
            at = rows if "lm_head" in name or "embed_tokens" in name else torch.arange(len(p))
            p[at] = value[:len(at), :p.shape[1]]
        else:
            p.copy_(value[:len(p)])
    model.model.embed_tokens.weight[OWN] = LOUDNESS * torch.randn(len(OWN), OLD.width, generator=torch.Generator().manual_seed(4))
    model.lm_head.weight[OWN] = 0
    return model


def codewords(size: float, seed: int) -> torch.Tensor:
    """Random numbers [512, LOUD] that have in common what the codewords have: the shape, wherever it stands."""
    words = torch.from_numpy(world.codebook())
    words = torch.where(words.mean(1, keepdim=True) > 50, words - 100, words)
    return size * words @ torch.randn(words.shape[1], LOUD, generator=torch.Generator().manual_seed(seed)) / words.shape[1] ** 0.5


class BesideLayer(nn.Module):
    """The heads and inner units of the new streams. Columns of what reads all are the shipped, the faint and the loud stream."""

    def __init__(self):
        super().__init__()
        every, heads, shared = GROWN.width, NEW.heads * OLD.head_width, NEW.kv_heads * OLD.head_width

        def reader(rows: int, columns: int) -> nn.Parameter:
            return nn.Parameter(torch.randn(rows, columns) * columns ** -0.5)

        def writer(rows: int, columns: int) -> nn.Parameter:
            return nn.Parameter(torch.zeros(rows, columns))

        self.input_layernorm, self.post_attention_layernorm = (nn.Parameter(torch.ones(NEW.width)) for _ in range(2))
        self.q_proj, self.k_proj, self.up_proj = reader(heads, every), reader(shared, every), reader(NEW.inner, every)
        self.faint_v_proj, self.loud_v_proj = reader(shared // 2, every - LOUD), reader(shared // 2, LOUD)
        self.gate_proj, self.down_proj = reader(NEW.inner, LOUD), writer(NEW.width, NEW.inner)
        self.faint_o_proj, self.loud_o_proj = writer(FAINT, heads // 2), writer(LOUD, heads // 2)
        # What the shipped stream is multiplied with, to be as large as the others for those that read it.
        self.register_buffer("heads_scale", torch.ones(()))
        self.register_buffer("inner_scale", torch.ones(()))


class Grown(nn.Module):
    """The frozen network and the new streams; only the latter's weights are parameters."""

    def __init__(self, old: Llama):
        super().__init__()
        torch.manual_seed(3)
        self.__dict__["old"] = old
        self.embed_tokens = nn.Parameter(torch.randn(len(OWN), NEW.width))
        self.embed_tokens.data[-v.IMAGE_CODES:, FAINT:] = codewords(1.0, 5)
        self.layers = nn.ModuleList(BesideLayer() for _ in range(OLD.layers))
        self.norm = nn.Parameter(torch.ones(LOUD))
        self.lm_head = nn.Parameter(torch.zeros(len(WRITTEN), LOUD))
        self.lm_head.data[-v.IMAGE_CODES:] = codewords(0.05, 6)
        self.register_buffer("row", torch.zeros(v.TOTAL, dtype=torch.long), persistent=False)
        self.row[OWN] = torch.arange(1, len(OWN) + 1)

    def hidden(self, ids: torch.Tensor):
        """The normalised last states of the shipped [B, T, 256] and the loud stream [B, T, LOUD]."""
        old = self.old
        rotation = old.rotation(torch.arange(ids.shape[1])[None])
        x = old.model.embed_tokens(ids)
        y = F.embedding(self.row[ids], torch.cat([torch.zeros(1, NEW.width), self.embed_tokens]))

        def normed(weight_old, weight_new):
            square = (SCALE * y).square().sum(-1, keepdim=True)
            of_old = x.square().sum(-1, keepdim=True)
            root = ((square + of_old) / OLD.width + OLD.norm_epsilon).rsqrt()
            return x * root.detach() * weight_old, y * root * weight_new

        def heads(z):
            return z.view(*ids.shape, -1, OLD.head_width).transpose(1, 2)

        def attended(q, k, value):
            q, k = rotate(heads(q), rotation), rotate(heads(k), rotation)
            return attend(q, k, heads(value).to(q.dtype), None).transpose(1, 2).reshape(*ids.shape, -1)

        for a, b in zip(old.model.layers, self.layers):
            z, of_new = normed(a.input_layernorm.weight, b.input_layernorm)
            every = torch.cat([z * b.heads_scale, of_new], -1)
            with torch.no_grad():
                x = x + a.self_attn.o_proj(attended(a.self_attn.q_proj(z), a.self_attn.k_proj(z), a.self_attn.v_proj(z)))
            values = [F.linear(every[..., :-LOUD], b.faint_v_proj), F.linear(every[..., -LOUD:], b.loud_v_proj)]
            faint, loud = attended(F.linear(every, b.q_proj), F.linear(every, b.k_proj), torch.cat(values, -1)).chunk(2, -1)
            y = y + torch.cat([F.linear(faint, b.faint_o_proj), F.linear(loud, b.loud_o_proj)], -1)
            z, of_new = normed(a.post_attention_layernorm.weight, b.post_attention_layernorm)
            every = torch.cat([z * b.inner_scale, of_new], -1)
            with torch.no_grad():
                x = x + a.mlp(z)
            y = y + F.linear(F.silu(F.linear(every[..., -LOUD:], b.gate_proj)) * F.linear(every, b.up_proj), b.down_proj)
        x, y = normed(old.model.norm.weight, F.pad(self.norm, (FAINT, 0)))
        return x, y[..., FAINT:]

    def logits(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        """Logits [N, vocabulary] of the last states of both streams."""
        logits = self.old.lm_head(x)
        return logits.index_add(-1, torch.tensor(WRITTEN), F.linear(y, self.lm_head).to(logits.dtype))

    @torch.no_grad()
    def prepare(self, ids: torch.Tensor) -> None:
        """Lets norms hand on the faint stream about as large as it comes, and the shipped one as large where the loud one is silent."""
        def size(stream: torch.Tensor) -> float:
            return float(stream[torch.isin(ids, torch.tensor(OWN))].square().mean().sqrt())

        x, rotation = self.old.model.embed_tokens(ids), self.old.rotation(torch.arange(ids.shape[1])[None])
        for a, b in zip(self.old.model.layers, self.layers):
            z = a.input_layernorm(x)
            b.input_layernorm.fill_(size(x))[FAINT:] = SCALE[-1]
            b.heads_scale.fill_(1 / size(z))
            x = x + a.self_attn(z, rotation)
            z = a.post_attention_layernorm(x)
            b.post_attention_layernorm.fill_(size(x))[FAINT:] = SCALE[-1]
            b.inner_scale.fill_(1 / size(z))
            x = x + a.mlp(z)
        self.norm.fill_(SCALE[-1])

    def tensors(self) -> dict[str, torch.Tensor]:
        """All streams as one Llama with the tensor names of transformers."""
        grown = Llama(GROWN).requires_grad_(False)
        for p in grown.parameters():
            p.zero_()
        old, e, h = self.old, OLD.width, OLD.heads * OLD.head_width
        loud, half, root = e + FAINT, h + NEW.heads * OLD.head_width // 2, (OLD.width / GROWN.width) ** 0.5

        def norm(target, first, second):
            target[:e], target[-len(second):] = first * root, second * root / SCALE[-len(second):]

        def read(target, first, second, scale):
            """Rows of the shipped heads or units, then new ones, which read all streams."""
            target[:len(first), :e], target[-len(second):] = first, second
            target[-len(second):, :e] *= scale

        norm(grown.model.norm.weight, old.model.norm.weight, self.norm)
        grown.model.embed_tokens.weight[:, :e] = old.model.embed_tokens.weight
        grown.model.embed_tokens.weight[OWN, e:] = SCALE * self.embed_tokens
        grown.lm_head.weight[:, :e] = old.lm_head.weight
        grown.lm_head.weight[WRITTEN, loud:] = self.lm_head
        for into, a, b in zip(grown.model.layers, old.model.layers, self.layers):
            norm(into.input_layernorm.weight, a.input_layernorm.weight, b.input_layernorm)
            norm(into.post_attention_layernorm.weight, a.post_attention_layernorm.weight, b.post_attention_layernorm)
            values = torch.zeros(NEW.kv_heads * OLD.head_width, GROWN.width)
            faint_values, loud_values = values.chunk(2)
            faint_values[:, :loud], loud_values[:, loud:] = b.faint_v_proj, b.loud_v_proj
            gates = F.pad(b.gate_proj, (loud, 0))
            read(into.self_attn.q_proj.weight, a.self_attn.q_proj.weight, b.q_proj, b.heads_scale)
            read(into.self_attn.k_proj.weight, a.self_attn.k_proj.weight, b.k_proj, b.heads_scale)
            read(into.self_attn.v_proj.weight, a.self_attn.v_proj.weight, values, b.heads_scale)
            read(into.mlp.gate_proj.weight, a.mlp.gate_proj.weight, gates, b.inner_scale)
            read(into.mlp.up_proj.weight, a.mlp.up_proj.weight, b.up_proj, b.inner_scale)
            into.self_attn.o_proj.weight[:e, :h] = a.self_attn.o_proj.weight
            into.self_attn.o_proj.weight[e:loud, h:half] = SCALE[:FAINT, None] * b.faint_o_proj
            into.self_attn.o_proj.weight[loud:, half:] = SCALE[FAINT:, None] * b.loud_o_proj
            into.mlp.down_proj.weight[:e, :OLD.inner] = a.mlp.down_proj.weight
            into.mlp.down_proj.weight[e:, OLD_INNER:] = SCALE[:, None] * b.down_proj
        balance(grown)
        return {name: p.detach().contiguous() for name, p in grown.state_dict().items()}


@torch.no_grad()
def balance(grown: Llama) -> None:
    """Lets norms hand on the three streams about equally large, and what reads them takes it back: numbers that are rounded to 8 bits
    together must not drown each other. Factors are powers of two, so that 4-bit weights stay what they are.

    The faint stream is to be no louder than the shipped one where nothing else is, and both half as loud as the loud one."""
    drawn = [ids for kind in ("see", "imagine", "question") for ids, _ in teach.lessons(np.random.default_rng(1), 8, kind)]
    rng = np.random.default_rng(2)
    said = [[v.ID[v.SPEECH], *(v.SPEECH_BASE + rng.integers(v.CODES, size=60)).tolist()] for _ in range(8)]
    shipped, faint, loud = slice(OLD.width), slice(OLD.width, OLD.width + FAINT), slice(OLD.width + FAINT, None)
    places = [(layer.input_layernorm, [layer.self_attn.q_proj, layer.self_attn.k_proj, layer.self_attn.v_proj])
              for layer in grown.model.layers]
    places += [(layer.post_attention_layernorm, [layer.mlp.gate_proj, layer.mlp.up_proj]) for layer in grown.model.layers]
    places += [(grown.model.norm, [grown.lm_head])]
    sizes = {norm: {} for norm, _ in places}     # of (whether it is speech, stream)

    def size(rows, stream) -> float:
        return float(rows[:, stream].square().mean().sqrt())

    for spoken, lessons in ((False, drawn), (True, said)):
        seen: dict[nn.Module, list[torch.Tensor]] = {norm: [] for norm, _ in places}
        hooks = [norm.register_forward_hook(lambda norm, _, y: seen[norm].append(y[0])) for norm in seen]
        for ids in lessons:
            grown.hidden(torch.tensor(ids)[None])
        for hook in hooks:
            hook.remove()
        for norm, rows in seen.items():
            rows = torch.cat(rows)
            rows = rows[(rows[:, loud].square().sum(1) > 0) != spoken]
            sizes[norm] |= {(spoken, part): size(rows, stream) for part, stream in enumerate((shipped, faint, loud))}
    for norm, readers in places:
        of = sizes[norm]
        raised = 0.5 * of[False, 2] / of[False, 0]
        lowered = min(0.5 * of[False, 2] / max(of[False, 1], 1e-9), 0.5 * raised * of[True, 0] / max(of[True, 1], 1e-9))
        for stream, factor in ((shipped, raised), (faint, lowered)):
            factor = 2.0 ** round(float(np.log2(np.clip(factor, 2 ** -14, 2 ** 6))))
            norm.weight[stream] *= factor
            for reader in readers:
                reader.weight[:, stream] /= factor


class Trainer(Timed):
    name = "grown"

    def __init__(self, out: Path, asked: Path | None = None):
        self.path, self.log = out / "grown.pt", out / "grown.log"
        self.asked = asking.Asked(asked) if asked else None
        self.model = Grown(frozen())
        drawn = teach.lessons(np.random.default_rng(1), 16, "see") + teach.lessons(np.random.default_rng(1), 16, "imagine")
        self.model.prepare(batch([(ids, ids, weights) for ids, weights in drawn])[0])
        self.average = copy.deepcopy(self.model).requires_grad_(False)
        matrices = [p for p in self.model.layers.parameters() if p.ndim == 2]
        others = [p for p in self.model.parameters() if not any(p is matrix for matrix in matrices)]
        self.optimizers = [Muon(matrices, MATRIX_RATE, weight_decay=DECAY),
                           torch.optim.AdamW(others, VECTOR_RATE, betas=(0.9, 0.98), weight_decay=0.0)]
        self.four_bits = FourBits(matrices)
        self.pool = []
        self.easy = 0.0     # share of the lessons that are about one thing
        self.restore()
        self.optimizers[0].param_groups[0]["weight_decay"] = DECAY     # whatever a saved state had

    def next_batch(self):
        if not self.pool:
            rng = np.random.default_rng([2, self.step])
            drawn, budget = [], POOL * BATCH_TOKENS
            while budget > 0:
                for ids, weights in teach.lessons(rng, 50, asked=self.asked, easy=rng.random() < self.easy):
                    drawn.append((ids, ids, weights))
                    budget -= len(ids)
            self.pool = grouped(drawn, BATCH_TOKENS, rng)
        return self.pool.pop()

    def advance(self, share: float) -> float:
        inputs, targets, weights = self.next_batch()
        chosen = weights > 0
        warmth = min(1.0, (self.step - self.began + 1) / WARM_STEPS)
        for optimizer, full in zip(self.optimizers, (MATRIX_RATE, VECTOR_RATE)):
            optimizer.param_groups[0]["lr"] = full * share * warmth
        self.model.zero_grad()
        with self.four_bits.replacing() if share < ROUNDED_SHARE else nullcontext():
            with fast():
                x, y = self.model.hidden(inputs)
                logits = self.model.logits(x[chosen], y[chosen])
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
        with fast():
            x, y = self.average.hidden(inputs)
            right[chosen] = self.average.logits(x[chosen], y[chosen]).argmax(-1) == targets[chosen]
        return f"{float(right[chosen].float().mean()):.3f}/{float(right.all(1).float().mean()):.2f}"

    def figures(self, count: int = 16) -> str:
        parts = []
        for kind in teach.mixture(False, self.asked):
            lessons = teach.lessons(np.random.default_rng(11), count, kind, True, self.asked)
            parts.append(f"{kind} {self.right([(ids, ids, w) for ids, w in lessons])}")
        for kind in teach.EASY_MIXTURE:
            lessons = teach.lessons(np.random.default_rng(12), count, kind, True, easy=True)
            parts.append(f"easy-{kind} {self.right([(ids, ids, w) for ids, w in lessons])}")
        return " ".join(parts)

    def checkpoint_tensors(self) -> dict[str, torch.Tensor]:
        return self.average.tensors()


def main() -> None:
    parser = argparse.ArgumentParser(description="Teaches the shipped language model to see.")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--asked", type=Path, help="folder of asking.py, with tokens.npz; without, no question is spoken")
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--cool", type=float, default=0, help="share of the time over which the learning rate falls")
    parser.add_argument("--easy", type=float, default=0, help="share of the lessons that are about one thing")
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    arguments.out.mkdir(parents=True, exist_ok=True)
    trainer = Trainer(arguments.out, arguments.asked)
    trainer.easy = arguments.easy
    trainer.run(arguments.minutes, arguments.cool)


if __name__ == "__main__":
    main()
