"""Stage `codec`: trains a small speech tokenizer of SpeechTokenizer's structure.

Zhang et al. 2023, arXiv:2308.16692. Encoder and decoder are the classes of the PyPI package `speechtokenizer`, without
weight norm while training; export.py writes the tensors in that package's layout. State: `codec-state.pt`; result:
`codec.pt`.
"""

import math
import time

import numpy as np
import torch
import torch.nn.functional as F
from speechtokenizer.modules.seanet import SEANetDecoder, SEANetEncoder
from torch import nn

import parallel
from voice import FRAME, SAMPLE_RATE, Corpus

STRUCTURE = {"n_filters": 12, "strides": [8, 5, 4, 2], "dimension": 64, "bidirectional": True, "dilation_base": 2,
             "residual_kernel_size": 3, "n_residual_layers": 1, "lstm_layers": 1, "activation": "ELU",
             "codebook_size": 256, "n_q": 4, "sample_rate": SAMPLE_RATE}
# Codes in use per codebook. The content codebook has few: what is left out of it (pitch, phase) cannot be told from
# the text, and moves to the timbre codebooks.
ACTIVE = [128, 256, 256, 256]
CROP = 32              # frames
BATCH = 8              # crops per process and step
SHIFT = 80             # samples by which the encoder's input is moved against its target
QUIETEST = 0.35        # gain of the encoder's input against its target, so that a recording's level does not matter
LEARNING_RATE = 1.5e-3
DECAY = 0.97           # of the codebooks' moving averages
PHONE_WEIGHT = 2.5     # of telling phones from codebook 0, against the sound


class ResidualQuantizer(nn.Module):
    """Codebooks [Q, N, D] that follow the vectors they stand for (moving averages)."""

    def __init__(self, count: int, size: int, width: int):
        super().__init__()
        self.register_buffer("embed", torch.zeros(count, size, width))
        self.register_buffer("embed_avg", torch.zeros(count, size, width))
        self.register_buffer("cluster_size", torch.zeros(count, size))

    def nearest(self, x: torch.Tensor, level: int) -> torch.Tensor:
        """Codes [n] of the vectors x [n, D]."""
        book = self.embed[level, :ACTIVE[level]]
        return (book.square().sum(1) - 2 * x @ book.T).argmin(1)

    def encode(self, z: torch.Tensor) -> torch.Tensor:
        """Codes [Q, n] of z [n, D]."""
        codes = []
        for level in range(len(ACTIVE)):
            codes.append(self.nearest(z, level))
            z = z - self.embed[level][codes[-1]]
        return torch.stack(codes)

    def decode(self, codes: torch.Tensor) -> torch.Tensor:
        return sum(self.embed[level][code] for level, code in enumerate(codes))

    def forward(self, z: torch.Tensor, levels: int):
        """z [n, D] as the first `levels` codebooks give it, as codebook 0 gives it, and the commitment loss."""
        parts, commitment = [], 0.0
        for level in range(levels):
            residual = z - sum(parts)
            parts.append(self.embed[level][self.nearest(residual.detach(), level)])
            commitment = commitment + F.mse_loss(residual, parts[-1])
        return z + (sum(parts) - z).detach(), z + (parts[0] - z).detach(), commitment

    @torch.no_grad()
    def update(self, z: torch.Tensor, replace_dead: bool) -> None:
        """Moves the codebooks towards the batches z [n, D] of all processes; gives unused codes a new place."""
        for level, active in enumerate(ACTIVE):
            code = self.nearest(z, level)
            sums = z.new_zeros(self.embed.shape[1], z.shape[1] + 1)
            sums.index_add_(0, code, torch.cat([z, z.new_ones(len(z), 1)], 1))
            parallel.total(sums)
            following = z - self.embed[level][code]
            self.cluster_size[level].lerp_(sums[:, -1], 1 - DECAY)
            self.embed_avg[level].lerp_(sums[:, :-1], 1 - DECAY)
            counts = self.cluster_size[level, :active].clamp_min(1e-3)
            self.embed[level, :active] = self.embed_avg[level, :active] / counts[:, None]
            if replace_dead:
                dead = torch.nonzero(self.cluster_size[level, :active] < 0.06)[:, 0]
                fresh = parallel.first_process_decides(z[torch.randint(len(z), (len(dead),))])
                self.embed[level, dead] = fresh
                self.cluster_size[level, dead] = 0.2
                self.embed_avg[level, dead] = 0.2 * fresh
            z = following

    @torch.no_grad()
    def start_from(self, z: torch.Tensor) -> None:
        """Places all codewords by k-means on z [n, D]."""
        for level, active in enumerate(ACTIVE):
            book = z[torch.randperm(len(z))[:active]].clone()
            for _ in range(12):
                code = (book.square().sum(1) - 2 * z @ book.T).argmin(1)
                sums = z.new_zeros(active, z.shape[1]).index_add_(0, code, z)
                counts = torch.bincount(code, minlength=active).float()[:, None]
                book = torch.where(counts > 0, sums / counts.clamp_min(1), book)
            parallel.first_process_decides(book)
            self.embed[level, :active] = book
            self.cluster_size[level, :active] = 1.0
            self.embed_avg[level, :active] = book
            z = z - book[(book.square().sum(1) - 2 * z @ book.T).argmin(1)]


class Codec(nn.Module):
    def __init__(self, class_count: int):
        super().__init__()
        s = STRUCTURE
        common = dict(n_filters=s["n_filters"], dimension=s["dimension"], ratios=s["strides"], lstm=s["lstm_layers"],
                      dilation_base=s["dilation_base"], residual_kernel_size=s["residual_kernel_size"],
                      n_residual_layers=s["n_residual_layers"], activation=s["activation"], norm="none")
        self.encoder = SEANetEncoder(bidirectional=s["bidirectional"], **common)
        self.decoder = SEANetDecoder(bidirectional=False, **common)
        self.quantizer = ResidualQuantizer(s["n_q"], s["codebook_size"], s["dimension"])
        self.transform = nn.Linear(s["dimension"], class_count)
        self.initialize()

    @torch.no_grad()
    def initialize(self) -> None:
        """Keeps the variance through the network; with PyTorch's own start the latents vanish."""
        for module in self.modules():
            if isinstance(module, (nn.Conv1d, nn.ConvTranspose1d)):
                fan = module.weight[0].numel()
                if isinstance(module, nn.ConvTranspose1d):
                    fan = module.in_channels * module.kernel_size[0] / module.stride[0]
                module.weight.normal_(0, fan ** -0.5)
                module.bias.zero_()
        self.encoder.model[0].conv.conv.weight.mul_(5)
        self.decoder.model[-1].conv.conv.weight.mul_(0.05)

    def features(self, wave: torch.Tensor) -> torch.Tensor:
        """[B, T, D] of waves [B, samples]."""
        return self.encoder(wave[:, None]).transpose(1, 2)

    def encode(self, wave: torch.Tensor) -> torch.Tensor:
        """Codes [Q, B, T]."""
        z = self.features(wave)
        return self.quantizer.encode(z.reshape(-1, z.shape[-1])).view(-1, *z.shape[:2])

    def decode(self, codes: torch.Tensor, levels: int | None = None) -> torch.Tensor:
        """Waves [B, 320 T] of codes [Q, B, T], or of the first `levels` codebooks'."""
        return self.decoder(self.quantizer.decode(codes[:levels]).transpose(1, 2))[:, 0]


class SpectralLoss(nn.Module):
    """Distances of two waves' short-time spectra at several resolutions."""

    def __init__(self):
        super().__init__()
        self.mels = [(1024, 80), (512, 64)]
        self.resolutions = [1024, 512, 128]
        for n in self.resolutions:
            self.register_buffer(f"window{n}", torch.hann_window(n))
        for n, bands in self.mels:
            self.register_buffer(f"mel{n}", mel_matrix(n, bands))

    def magnitude(self, x: torch.Tensor, n: int) -> torch.Tensor:
        spectrum = torch.stft(x, n, n // 4, window=getattr(self, f"window{n}"), return_complex=True)
        return torch.view_as_real(spectrum).square().sum(-1).add(1e-9).sqrt()

    def forward(self, x: torch.Tensor, y: torch.Tensor):
        """Log-mel distance and short-time Fourier distance of x, the reconstruction, from y [B, samples]."""
        mel, stft = 0.0, 0.0
        for n in self.resolutions:
            a, b = self.magnitude(x, n), self.magnitude(y, n)
            stft = stft + (a + 1e-4).log().sub((b + 1e-4).log()).abs().mean() + (a - b).norm() / b.norm().clamp_min(1)
            if any(n == size for size, _ in self.mels):
                matrix = getattr(self, f"mel{n}")
                mel = mel + (matrix @ a + 1e-3).log().sub((matrix @ b + 1e-3).log()).abs().mean() / len(self.mels)
        return mel, stft


def mel_matrix(n: int, bands: int) -> torch.Tensor:
    """Triangular mel filters [bands, n / 2 + 1]."""
    top = 2595 * math.log10(1 + SAMPLE_RATE / 2 / 700)
    edges = 700 * (10 ** (torch.linspace(0, top, bands + 2) / 2595) - 1)
    bins = torch.linspace(0, SAMPLE_RATE / 2, n // 2 + 1)
    rise = (bins - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    fall = (edges[2:, None] - bins) / (edges[2:] - edges[1:-1])[:, None]
    return torch.minimum(rise, fall).clamp_min(0)


def crops(corpus: Corpus, indices: list[int], rng: np.random.Generator, count: int, shift: int, device: str):
    """Encoder inputs, targets [count, 320 CROP] and frame classes [count, CROP] of random utterances."""
    inputs, targets, labels = [], [], []
    for i in rng.choice(indices, count):
        wave, classes = corpus.framed(int(i))
        start = int(rng.integers(0, len(classes) - CROP + 1))
        moved = int(rng.integers(-shift, shift + 1)) if rng.random() < 0.5 else 0
        padded = np.pad(wave, FRAME)
        begin = FRAME + start * FRAME
        gain = math.exp(rng.uniform(math.log(QUIETEST), 0.1)) if shift and rng.random() < 0.5 else 1.0
        inputs.append(np.float32(gain) * padded[begin + moved:begin + moved + CROP * FRAME])
        targets.append(padded[begin:begin + CROP * FRAME])
        labels.append(classes[start:start + CROP])
    return tuple(torch.from_numpy(np.stack(x)).to(device) for x in (inputs, targets, labels))


@torch.no_grad()
def evaluate(codec: Codec, loss: SpectralLoss, batch) -> str:
    """Held-out figures: log-mel distance, wave SNR, class and phone accuracy of codebook 0, perplexities."""
    inputs, targets, labels = batch
    codes = codec.encode(targets)
    wave = codec.decode(codes)
    mel, _ = loss(wave, targets)
    snr = 10 * torch.log10(targets.square().sum() / (wave - targets).square().sum())
    spoken = labels > 0
    guess = codec.transform(codec.quantizer.embed[0][codes[0]]).argmax(-1)
    same_class = (guess == labels)[spoken].float().mean()
    same_phone = ((guess + 2) // 3 == (labels + 2) // 3)[spoken].float().mean()
    perplexity = []
    for level in codes:
        p = torch.bincount(level[spoken], minlength=256).float()
        p = p / p.sum()
        perplexity.append(f"{math.exp(-(p * (p + 1e-9).log()).sum()):.0f}")
    return f"mel {mel:.3f} snr {snr:.1f} class {same_class:.3f} phone {same_phone:.3f} codes {' '.join(perplexity)}"


def run(settings) -> None:
    parallel.start(settings.device, settings.seed)
    corpus = Corpus(settings)
    device = settings.device
    codec, loss = Codec(corpus.class_count).to(device), SpectralLoss().to(device)
    parameters = list(codec.parameters())
    optimizer = torch.optim.AdamW(parameters, LEARNING_RATE, betas=(0.85, 0.99), weight_decay=0.01)
    train, held_out = corpus.indices("train"), corpus.indices("phrase", "sentence")
    validation = crops(corpus, held_out, np.random.default_rng(0), 96, 0, device)
    state_path, first = settings.path("codec-state.pt"), 0
    if state_path.exists():
        state = torch.load(state_path, map_location=device, weights_only=True)
        codec.load_state_dict(state["codec"])
        optimizer.load_state_dict(state["optimizer"])
        first = state["step"]
    steps, free = settings.codec_steps, round(0.06 * settings.codec_steps)
    parallel.say(f"codec: {sum(p.numel() for p in parameters)} parameters, from step {first} of {steps}")
    begun = time.time()
    for step in range(first, steps):
        rng = np.random.default_rng([settings.seed, parallel.RANK, step])
        progress = step / steps
        rate = LEARNING_RATE * min(1, (step + 1) / 60) * (0.03 + 0.97 * 0.5 * (1 + math.cos(math.pi * progress)))
        for group in optimizer.param_groups:
            group["lr"] = rate
        inputs, targets, labels = crops(corpus, train, rng, BATCH, SHIFT, device)
        if step >= free and not codec.quantizer.cluster_size.any():
            with torch.no_grad():
                many = crops(corpus, train, rng, 192, SHIFT, device)[0]
                codec.quantizer.start_from(codec.features(many).flatten(0, 1))
        z = codec.features(inputs)
        flat = z.reshape(-1, z.shape[-1])
        if step < free:
            quantized, content, commitment = flat, flat, 0.0
        else:
            levels = int(rng.integers(1, 4)) if rng.random() < 0.2 else len(ACTIVE)
            quantized, content, commitment = codec.quantizer(flat, levels)
        wave = codec.decoder(quantized.view_as(z).transpose(1, 2))[:, 0]
        mel, stft = loss(wave, targets)
        phones = F.cross_entropy(codec.transform(content), labels.reshape(-1), label_smoothing=0.05)
        objective = mel + 0.5 * stft + 15 * (wave - targets).abs().mean() + 0.5 * commitment \
            + PHONE_WEIGHT * phones
        optimizer.zero_grad(set_to_none=True)
        objective.backward()
        parallel.average_gradients(parameters)
        nn.utils.clip_grad_norm_(parameters, 3)
        optimizer.step()
        if step >= free:
            codec.quantizer.update(flat.detach(), step % 20 == 0 and progress < 0.8)
        if (step + 1) % settings.save_steps == 0 or step + 1 == steps:
            if parallel.RANK == 0:
                figures = evaluate(codec, loss, validation) if step >= free else f"mel {mel.item():.3f}"
                parallel.say(f"codec step {step + 1} loss {objective.item():.2f} {figures} "
                             f"{(time.time() - begun) / (step + 1 - first):.2f} s/step")
            parallel.save({"codec": codec.state_dict(), "optimizer": optimizer.state_dict(), "step": step + 1},
                          state_path)
    parallel.save({"codec": codec.state_dict(), "phones": corpus.phones, "steps": steps}, settings.path("codec.pt"))


def load(settings) -> Codec:
    """The trained codec."""
    state = torch.load(settings.path("codec.pt"), map_location="cpu", weights_only=True)
    codec = Codec(1 + 3 * len(state["phones"]))
    codec.load_state_dict(state["codec"])
    return codec.eval()
