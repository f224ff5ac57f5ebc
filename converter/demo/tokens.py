"""Stage `tokens`: encodes every utterance with the trained codec.

Writes `tokens.npz`: the four codebooks' codes of the framed utterances (what the model learns to say) and the content
codes of a part of them as flite spoke them, cut at a random place (what it learns to write down).
"""

import numpy as np
import torch

import codec as codec_stage
import parallel
from voice import FRAME, Corpus

BATCH_FRAMES = 1024
HEARD_SHARE = 0.4      # of the training utterances; the others are written down from their framed codes


class Ragged:
    """Rows of different lengths in one array."""

    def __init__(self, values: np.ndarray, lengths: np.ndarray):
        self.values = values
        self.ends = np.cumsum(lengths)
        self.lengths = lengths

    def __getitem__(self, i: int) -> np.ndarray:
        """[..., length of row i]"""
        return self.values[..., self.ends[i] - self.lengths[i]:self.ends[i]]


@torch.no_grad()
def encode_all(codec, waves, lengths: np.ndarray, codebooks: int) -> np.ndarray:
    """Codes [codebooks, all frames] of the waves; `lengths` in frames. Equal lengths share a batch."""
    starts = np.cumsum(lengths) - lengths
    codes = np.zeros((codebooks, int(lengths.sum())), np.uint8)
    order = np.argsort(lengths, kind="stable")
    begin = int((lengths == 0).sum())
    while begin < len(order):
        frames = int(lengths[order[begin]])
        end = begin + 1
        while end < len(order) and lengths[order[end]] == frames and (end - begin) * frames < BATCH_FRAMES:
            end += 1
        group = order[begin:end]
        batch = torch.from_numpy(np.stack([waves(int(i)) for i in group]))
        result = codec.encode(batch)[:codebooks].numpy()
        for row, i in enumerate(group):
            codes[:, starts[i]:starts[i] + frames] = result[:, row]
        begin = end
    return codes


def heard(corpus: Corpus, i: int, seed: int) -> np.ndarray:
    """Utterance i as a recording would bring it: flite's own pauses, cut at a random place before the speech."""
    wave = corpus.original(i)
    cut = int(np.random.default_rng([seed, i]).integers(0, 6 * FRAME))
    wave = wave[cut:]
    return np.pad(wave, (0, -len(wave) % FRAME))


def run(settings) -> None:
    parallel.start(settings.device, settings.seed)
    torch.set_num_threads(settings.processes)
    corpus, codec = Corpus(settings), codec_stage.load(settings)
    spoken = np.array([len(corpus.framed(i)[1]) for i in range(len(corpus))])
    chances = np.random.default_rng(settings.seed).random(len(corpus))
    skipped = {i for i in corpus.indices("train") if chances[i] > HEARD_SHARE}
    recorded = np.array([0 if i in skipped else len(heard(corpus, i, settings.seed)) // FRAME
                         for i in range(len(corpus))])
    speech = encode_all(codec, lambda i: corpus.framed(i)[0], spoken, codec_stage.STRUCTURE["n_q"])
    content = encode_all(codec, lambda i: heard(corpus, i, settings.seed), recorded, 1)
    np.savez(settings.path("tokens.npz"), speech=speech, speech_lengths=spoken, heard=content,
             heard_lengths=recorded)
    sizes, counts = np.unique(spoken, return_counts=True)
    used = [len(np.unique(level)) for level in speech]
    print(f"tokens: {spoken.sum()} frames; utterances per length {dict(zip(sizes.tolist(), counts.tolist()))}; "
          f"codes in use {used}")


def load(settings) -> tuple[Ragged, Ragged]:
    """Codes of speech to say [4, T], and of speech to write down [1, T], per utterance."""
    data = np.load(settings.path("tokens.npz"))
    return Ragged(data["speech"], data["speech_lengths"]), Ragged(data["heard"], data["heard_lengths"])
