"""Questions about pictures as somebody speaks them.

    python converter/demo/asking.py --out DIR        # texts.json; then train.py's stages `audio` and `tokens` with that DIR
"""

import argparse
import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np

import lessons
import teach
import vocabulary as v


class Asked:
    """What was spoken, by its text."""

    def __init__(self, out: Path):
        self.lessons = lessons.Lessons(SimpleNamespace(out=out, path=lambda name: out / name), "train")
        self.index = {item["text"]: i for i, item in enumerate(self.lessons.corpus.texts)}

    def heard(self, text: str, rng: np.random.Generator) -> list[int]:
        """The ids of a spoken question."""
        codes = self.lessons.listened(self.index[text], rng)
        if rng.random() < lessons.DISTURBED:
            codes = lessons.disturbed(codes, rng)
        return [v.ID[v.SPEECH], *(v.SPEECH_BASE + int(c) for c in codes), v.ID[v.SPEECH_END]]


def main() -> None:
    parser = argparse.ArgumentParser(description="Writes what is to be spoken about pictures.")
    parser.add_argument("--out", type=Path, required=True)
    out = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    items = [{"text": text, "kind": "sentence", "split": "train", "written": []} for text in teach.spoken_texts()]
    (out / "texts.json").write_text(json.dumps(items))


if __name__ == "__main__":
    main()
