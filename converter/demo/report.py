"""Stage `report`: how well held-out texts are said and written down. Writes `report.json`.

The listener is pocketsphinx with its English model, told that one text of a closed list was said; the list is the set
itself. It also hears flite's original and the codec's copy of it, which bound what the language model can reach.
"""

import json
from pathlib import Path

import numpy as np
import torch

import backbone
import codec as codec_stage
import lists
import parallel
from lessons import Lessons
from speaking import Speaker
from voice import SAMPLE_RATE, Corpus


class Listener:
    """Recognises which of the given texts a wave says."""

    def __init__(self, texts: list[str]):
        import pocketsphinx

        folder = Path(pocketsphinx.get_model_path()) / "en-us"
        self.decoder = pocketsphinx.Decoder(hmm=str(folder / "en-us"), dict=str(folder / "cmudict-en-us.dict"),
                                            lm=None, loglevel="FATAL")
        grammar = "#JSGF V1.0; grammar g; public <text> = " + " | ".join(sorted(set(texts))) + " ;"
        self.decoder.add_jsgf_string("texts", grammar)
        self.decoder.activate_search("texts")

    def hear(self, wave: np.ndarray) -> str:
        quiet = np.zeros(SAMPLE_RATE // 5, np.float32)
        sound = np.concatenate([quiet, wave, quiet])
        sound = sound + np.random.default_rng(0).normal(0, 1e-4, len(sound))
        self.decoder.start_utt()
        self.decoder.process_raw((np.clip(sound, -1, 1) * 32767).astype(np.int16).tobytes(), full_utt=True)
        self.decoder.end_utt()
        return self.decoder.hyp().hypstr if self.decoder.hyp() else ""


def known(text: str) -> bool:
    """Whether the listener has all words."""
    import pocketsphinx

    if not hasattr(known, "words"):
        path = Path(pocketsphinx.get_model_path()) / "en-us" / "cmudict-en-us.dict"
        known.words = {line.split()[0] for line in path.read_text().splitlines() if line}
    return all(word in known.words for word in text.split())


def word_errors(said: str, heard: str) -> int:
    """Edit distance in words."""
    a, b = said.split(), heard.split()
    row = list(range(len(b) + 1))
    for i, word in enumerate(a, 1):
        row, previous = [i], row
        for j, other in enumerate(b, 1):
            row.append(min(previous[j] + 1, row[-1] + 1, previous[j - 1] + (word != other)))
    return row[-1]


def measure(corpus: Corpus, heard_codes, speaker: Speaker, indices: list[int]) -> dict:
    """Figures of one set of utterances."""
    texts = [corpus.texts[i]["text"] for i in indices]
    codes = [c for k in range(0, len(texts), 32) for c in speaker.say(texts[k:k + 32])]
    waves = speaker.waves(codes)
    listener = Listener(texts)
    right = {"original": 0, "codec": 0, "model": 0}
    ratio, missed = [], []
    for i, text, wave in zip(indices, texts, waves):
        framed, _ = corpus.framed(i)
        with torch.no_grad():
            copy = speaker.codec.decode(speaker.codec.encode(torch.from_numpy(framed)[None]))[0].numpy()
        right["original"] += listener.hear(framed) == text
        right["codec"] += listener.hear(copy) == text
        if listener.hear(wave) == text:
            right["model"] += 1
        else:
            missed.append(text)
        ratio.append(len(wave) / max(1, np.nonzero(np.abs(framed) > 0.01)[0][-1]))
    contents = [heard_codes[i][0].astype(int) for i in indices]
    written = [t for k in range(0, len(texts), 32) for t in speaker.write_down(contents[k:k + 32])]
    words = sum(len(text.split()) for text in texts)
    return {"count": len(texts), "recognised": right, "missed": missed,
            "length ratio": {"median": round(float(np.median(ratio)), 3),
                             "within 15 %": round(float(np.mean(np.abs(np.array(ratio) - 1) < 0.15)), 3)},
            "asr word errors": round(sum(map(word_errors, texts, written)) / words, 3),
            "asr examples": list(zip(texts, written))[:8]}


def run(settings, count: int = 60) -> None:
    parallel.start(settings.device, settings.seed)
    torch.set_num_threads(settings.processes)
    corpus = Corpus(settings)
    model, codec = backbone.load(settings), codec_stage.load(settings)
    where = {item["text"]: i for i, item in enumerate(corpus.texts)}
    sets = {"everyday": [where[text] for text in lists.EVERYDAY]}
    for split in ("phrase", "sentence", "newword"):
        sets[split] = [i for i in Lessons(settings, split).indices if known(corpus.texts[i]["text"])][:count]
    heard_codes = Lessons(settings, "train").heard
    report = {}
    for name, indices in sets.items():
        report[name] = measure(corpus, heard_codes, Speaker(model, codec, seed=settings.seed), indices)
        figures = report[name]
        print(f"{name}: {figures['count']} texts, recognised {figures['recognised']}, "
              f"lengths {figures['length ratio']}, asr word errors {figures['asr word errors']}", flush=True)
    for split in ("newword", "phrase", "sentence"):
        report[split]["teacher forced"] = backbone.held_out_figures(model, Lessons(settings, split))
    settings.path("report.json").write_text(json.dumps(report, indent=1))
