"""An independent listener: pocketsphinx with its English model, told that one text of a closed list was said."""

from pathlib import Path

import numpy as np
import pocketsphinx

SAMPLE_RATE = 16_000


class Listener:
    def __init__(self, texts: list[str]):
        folder = Path(pocketsphinx.get_model_path()) / "en-us"
        self.decoder = pocketsphinx.Decoder(hmm=str(folder / "en-us"), dict=str(folder / "cmudict-en-us.dict"),
                                            lm=None, loglevel="FATAL")
        choices = " | ".join(sorted(set(texts)))
        self.decoder.add_jsgf_string("texts", f"#JSGF V1.0; grammar g; public <text> = {choices} ;")
        self.decoder.activate_search("texts")

    def hear(self, wave: np.ndarray) -> str:
        """Which text was said; empty if none."""
        silence = np.zeros(SAMPLE_RATE // 5, np.float32)
        sound = np.concatenate([silence, wave, silence])
        sound = sound + np.random.default_rng(0).normal(0, 1e-4, len(sound))
        self.decoder.start_utt()
        self.decoder.process_raw((np.clip(sound, -1, 1) * 32767).astype(np.int16).tobytes(), full_utt=True)
        self.decoder.end_utt()
        return self.decoder.hyp().hypstr if self.decoder.hyp() else ""


def word_errors(said: str, written: str) -> int:
    """Words to insert, leave out or exchange."""
    a, b = words(said), words(written)
    row = list(range(len(b) + 1))
    for i, word in enumerate(a, 1):
        row, previous = [i], row
        for j, other in enumerate(b, 1):
            row.append(min(previous[j] + 1, row[-1] + 1, previous[j - 1] + (word != other)))
    return row[-1]


def words(text: str) -> list[str]:
    """Lower case, without marks."""
    return "".join(c for c in text.lower() if c.isalnum() or c in " '").split()


def spoken_seconds(wave: np.ndarray) -> float:
    """From the first sound to the last."""
    loud = np.nonzero(np.abs(wave) > 0.01)[0]
    return (loud[-1] - loud[0]) / SAMPLE_RATE if len(loud) else 0.0
