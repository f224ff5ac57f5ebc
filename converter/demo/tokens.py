"""Stage `tokens`: encodes every utterance with the trained codec.

Writes `tokens.npz`: the four codebooks' codes of the framed utterances (what the model learns to say), and the content
codes of a part of them as they may be heard (what it learns to write down): as flite spoke them or as the codec repeats
them, cut at a random place, at a random level.
"""

import numpy as np
import torch

import codec as codec_stage
import parallel
from voice import FRAME, Corpus

BATCH_FRAMES = 1024
REST = 5               # frames encoded after the last phone; all later ones are the same silence
HEARD_SHARE = 0.6      # of the training utterances; the others are written down from their framed codes
COPIED_SHARE = 0.5     # of these: as the codec repeats them, which is how the model's own speech sounds
LEVELS = [0.35, 1.1]   # gains of what is heard
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


def at_some_level(wave: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    gain = np.exp(rng.uniform(*np.log(LEVELS)))
    return np.float32(gain) * np.pad(wave, (0, -len(wave) % FRAME))


class Heard:
    """Utterances as a recording would bring them: flite's with its own pauses, or the codec's copies of them."""

    def __init__(self, corpus: Corpus, codec, speech: Ragged, seed: int):
        self.corpus, self.codec, self.speech, self.seed = corpus, codec, speech, seed

    def draw(self, i: int) -> tuple[np.random.Generator, bool, int]:
        """The utterance's random numbers, whether it is a copy, and the samples cut off before it."""
        rng = np.random.default_rng([self.seed, i])
        copied = self.corpus.texts[i]["split"] == "train" and rng.random() < COPIED_SHARE
        if copied:
            return rng, True, int(rng.integers(0, FRAME)) if rng.random() < 0.5 else 0
        return rng, False, int(rng.integers(0, 6 * FRAME))

    def frames(self, i: int) -> int:
        _, copied, cut = self.draw(i)
        length = self.speech.lengths[i] * FRAME if copied else self.corpus.records[i]["length"]
        return -(-(length - cut) // FRAME)

    def wave(self, i: int) -> np.ndarray:
        rng, copied, cut = self.draw(i)
        if not copied:
            return at_some_level(self.corpus.original(i)[cut:], rng)
        codes = torch.from_numpy(self.speech[i].astype(int))[:, None]
        wave = self.codec.decode(codes, levels=int(rng.integers(2, len(codes) + 1)))[0].numpy()
        return at_some_level(np.clip(wave, -1, 1)[cut:], rng)


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
    silence = codec.encode(torch.zeros(1, 32 * FRAME))[:, 0, 16].numpy().astype(np.uint8)
    codes = encode_all(codec, lambda i: spoken(corpus, i)[0], encoded, codec_stage.STRUCTURE["n_q"])

    chances = np.random.default_rng(settings.seed).random(len(corpus))
    chances[[i for i, item in enumerate(corpus.texts) if item["split"] != "train"]] = 0
    heard = Heard(corpus, codec, Ragged(codes, encoded), settings.seed)
    recorded = np.array([heard.frames(i) if lengths[i] and chances[i] < HEARD_SHARE else 0
                         for i in range(len(corpus))])
    content = encode_all(codec, heard.wave, recorded, 1)
    if parallel.RANK:
        return
    np.savez(settings.path("tokens.npz"), speech=fill(codes, encoded, lengths, silence), speech_lengths=lengths,
             spoken_lengths=encoded, heard=content, heard_lengths=recorded)
    sizes, counts = np.unique(lengths, return_counts=True)
    used = [len(np.unique(level)) for level in codes]
    print(f"tokens: {lengths.sum()} frames; utterances per length {dict(zip(sizes.tolist(), counts.tolist()))}; "
          f"codes in use {used}; {(recorded > 0).sum()} utterances as heard")


def load(settings) -> tuple[Ragged, np.ndarray, Ragged]:
    """Codes of speech to say [4, T], the frames of each that are not its silent end, and codes of speech to write down
    [1, T], per utterance."""
    data = np.load(settings.path("tokens.npz"))
    return (Ragged(data["speech"], data["speech_lengths"]), data["spoken_lengths"],
            Ragged(data["heard"], data["heard_lengths"]))
