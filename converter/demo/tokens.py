"""Stage `tokens`: encodes every utterance with the trained codec.

Writes `tokens.npz`: the four codebooks' codes of the framed utterances (what the model learns to say), and the content
codes of a part of them as flite spoke them, cut at a random place (what it learns to write down).
"""

import numpy as np
import torch

import codec as codec_stage
import parallel
from voice import FRAME, Corpus

BATCH_FRAMES = 1024
REST = 5               # frames encoded after the last phone; all later ones are the same silence
HEARD_SHARE = 0.25     # of the training utterances; the others are written down from their framed codes
SHARES = {"word": 0.5, "sentence": 0.3, "phrase": 0.2}


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
@torch.no_grad()
def encode_all(codec, waves, lengths: np.ndarray, codebooks: int) -> np.ndarray:
    """Codes [codebooks, all frames] of the waves; `lengths` in frames, 0 for a wave to leave out.

    Equal lengths share a batch; the processes take turns at the batches.
    """
    starts = np.cumsum(lengths) - lengths
    codes = np.zeros((codebooks, int(lengths.sum())), np.uint8)
    order = np.argsort(lengths, kind="stable")
    begin, turn = int((lengths == 0).sum()), 0
    while begin < len(order):
        frames = int(lengths[order[begin]])
        end = begin + 1
        while end < len(order) and lengths[order[end]] == frames and (end - begin) * frames < BATCH_FRAMES:
            end += 1
        group, begin, turn = order[begin:end], end, turn + 1
        if turn % parallel.WORLD != parallel.RANK:
            continue
        batch = torch.from_numpy(np.stack([waves(int(i)) for i in group]))
        result = codec.encode(batch)[:codebooks].numpy()
        for row, i in enumerate(group):
            codes[:, starts[i]:starts[i] + frames] = result[:, row]
    return parallel.total(torch.from_numpy(codes)).numpy()


def chosen(corpus: Corpus, count: int) -> np.ndarray:
    """Which utterances are encoded: the `count` most wanted. Words come by frequency, mixed with longer texts."""
    seen, wanted = {}, []
    for item in corpus.texts:
        kind = item["kind"], item["split"]
        rank = seen[kind] = seen.get(kind, 0) + 1
        if item["split"] == "train":
            wanted.append(rank / SHARES[item["kind"]] if item["kind"] in SHARES else 0)
        else:
            wanted.append(0 if rank <= 60 else rank / 0.02)
    result = np.zeros(len(wanted), bool)
    result[np.argsort(wanted, kind="stable")[:count]] = True
    return result


def spoken(corpus: Corpus, i: int) -> tuple[np.ndarray, int]:
    """The framed utterance i up to a few frames after its last phone, and its length in frames with all the silence."""
    wave, classes = corpus.framed(i)
    frames = min(len(classes), int(np.nonzero(classes)[0][-1]) + 1 + REST)
    return wave[:frames * FRAME], len(classes)


def heard(corpus: Corpus, i: int, seed: int) -> np.ndarray:
    """Utterance i as a recording would bring it: flite's own pauses, cut at a random place before the speech."""
    wave = corpus.original(i)
    cut = int(np.random.default_rng([seed, i]).integers(0, 6 * FRAME))
    wave = wave[cut:]
    return np.pad(wave, (0, -len(wave) % FRAME))


def fill(codes: np.ndarray, encoded: np.ndarray, lengths: np.ndarray, silence: np.ndarray) -> np.ndarray:
    """The codes of all utterances, each brought to its length with the codes of silence."""
    result = np.repeat(silence[:, None], lengths.sum(), 1)
    begin = np.cumsum(lengths) - lengths
    first = np.cumsum(encoded) - encoded
    for i in range(len(lengths)):
        result[:, begin[i]:begin[i] + encoded[i]] = codes[:, first[i]:first[i] + encoded[i]]
    return result


def run(settings) -> None:
    parallel.start("cpu", settings.seed)
    corpus, codec = Corpus(settings), codec_stage.load(settings)
    sizes = [(len(wave) // FRAME, length) for wave, length in (spoken(corpus, i) for i in range(len(corpus)))]
    encoded, lengths = np.array(sizes).T * chosen(corpus, settings.utterances)
    chances = np.random.default_rng(settings.seed).random(len(corpus))
    chances[[i for i, item in enumerate(corpus.texts) if item["split"] != "train"]] = 0
    recorded = np.array([len(heard(corpus, i, settings.seed)) // FRAME
                         if lengths[i] and chances[i] < HEARD_SHARE else 0 for i in range(len(corpus))])
    silence = codec.encode(torch.zeros(1, 32 * FRAME))[:, 0, 16].numpy().astype(np.uint8)
    codes = encode_all(codec, lambda i: spoken(corpus, i)[0], encoded, codec_stage.STRUCTURE["n_q"])
    content = encode_all(codec, lambda i: heard(corpus, i, settings.seed), recorded, 1)
    if parallel.RANK:
        return
    np.savez(settings.path("tokens.npz"), speech=fill(codes, encoded, lengths, silence), speech_lengths=lengths,
             heard=content, heard_lengths=recorded)
    sizes, counts = np.unique(lengths, return_counts=True)
    used = [len(np.unique(level)) for level in codes]
    print(f"tokens: {lengths.sum()} frames; utterances per length {dict(zip(sizes.tolist(), counts.tolist()))}; "
          f"codes in use {used}")


def load(settings) -> tuple[Ragged, Ragged]:
    """Codes of speech to say [4, T], and of speech to write down [1, T], per utterance."""
    data = np.load(settings.path("tokens.npz"))
    return Ragged(data["speech"], data["speech_lengths"]), Ragged(data["heard"], data["heard_lengths"])
