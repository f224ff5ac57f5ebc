"""Stage `texts`: chooses what the demo model is taught to say, and what is held out.

Writes `texts.json`: a list of utterances {text, written, kind, split}. `text` is what the voice says (lower case
words); `written` lists further spellings of the same utterance ("7" for "seven"). Splits: `train`, and the three
held-out sets `newword` (words in no other utterance), `phrase`, `sentence` (new texts made of known words).
"""

import json
import random
import re

import lists

WORD = re.compile(r"[a-z]{2,12}$")


def common_words(count: int) -> list[str]:
    """English words by falling frequency that are also in the small and middle SCOWL lists."""
    from wordfreq import top_n_list

    known = set()
    for size in (10, 20, 35):
        for part in ("english-words", "american-words"):
            with open(f"/usr/share/dict/scowl/{part}.{size}", encoding="latin-1") as file:
                known.update(line.strip() for line in file)
    words = [w for w in top_n_list("en", 4 * count) if WORD.match(w) and w in known]
    return words[:count]


class Texts:
    """Collects distinct utterances."""

    def __init__(self, seed: int):
        self.random = random.Random(seed)
        self.items: dict[str, dict] = {}

    def add(self, text: str, kind: str, split: str = "train", written: tuple[str, ...] = ()) -> bool:
        if text in self.items or len(text) > 60:
            return False
        self.items[text] = {"text": text, "written": list(written), "kind": kind, "split": split}
        return True

    def fill(self, kind: str, count: int, split: str, make) -> None:
        """Adds `count` new texts made by `make()`."""
        added = 0
        while added < count:
            added += self.add(make(), kind, split)


def sentence(rng: random.Random, words: list[str], weights: list[float]) -> str:
    """One sentence from the patterns."""
    slots = {"n": lists.THINGS, "p": lists.PLACES, "a": lists.ADJECTIVES, "v": lists.VERBS, "w": lists.NAMES,
             "c": lists.COLOURS, "s": lists.SHAPES, "m": lists.ANIMALS, "d": lists.DAYS, "o": lists.MONTHS}

    def choose(match: re.Match) -> str:
        slot = match.group(1)
        if slot == "k":
            return lists.number_words(rng.randint(2, 40))
        if slot == "x":
            return rng.choices(words, weights)[0]
        return rng.choice(slots[slot])

    return re.sub(r"\{(\w)\}", choose, rng.choice(lists.PATTERNS))


def choose_texts(seed: int, word_count: int, phrase_count: int, sentence_count: int, more_phrases: int) -> list[dict]:
    texts = Texts(seed)
    rng = texts.random
    for text in lists.CURATED:
        texts.add(text, "curated")
    for n in range(101):
        texts.add(lists.number_words(n), "curated", written=(str(n),))
    for group in (lists.DAYS, lists.MONTHS, lists.COLOURS, lists.SHAPES):
        for word in group:
            texts.add(word, "curated", written=(word.capitalize(),))
    for letter in lists.LETTERS:
        texts.add(letter, "letter", written=(letter.upper(),))

    topical = [w for group in (lists.ANIMALS, lists.THINGS, lists.ADJECTIVES, lists.VERBS, lists.NAMES, lists.PLACES,
                               lists.MODEL_TERMS) for w in group]
    common = common_words(word_count)
    used = set(topical) | {animal + "s" for animal in lists.ANIMALS} | {shape + "s" for shape in lists.SHAPES}
    used |= {word for text in list(texts.items) + lists.PATTERNS for word in text.split()}
    candidates = [w for w in common[400:8000] if len(w) > 2 and w not in used]
    held_out = set(rng.sample(candidates, 240))
    words = [w for w in common if w not in held_out]
    weights = [1 / (rank + 30) ** 0.55 for rank in range(len(words))]

    for word in words + topical:
        texts.add(word, "word")
    for word in sorted(held_out):
        texts.add(word, "newword", "newword")

    def phrase() -> str:
        return " ".join(rng.choices(words, weights, k=rng.choices((2, 3, 4, 5), (4, 4, 2, 1))[0]))

    def pattern() -> str:
        return sentence(rng, words, weights)

    for split, phrases, sentences in (("train", phrase_count, sentence_count), ("phrase", 240, 0),
                                      ("sentence", 0, 240)):
        texts.fill("phrase", phrases, split, phrase)
        texts.fill("sentence", sentences, split, pattern)
    texts.fill("phrase", more_phrases, "train", phrase)     # last, so that they change nothing before them
    return list(texts.items.values())


def run(settings) -> None:
    items = choose_texts(settings.seed, settings.words, settings.phrases, settings.sentences,
                         settings.more_phrases)
    settings.path("texts.json").write_text(json.dumps(items, indent=0))
    splits = {}
    for item in items:
        key = (item["kind"], item["split"])
        splits[key] = splits.get(key, 0) + 1
    print("texts:", ", ".join(f"{kind}/{split} {count}" for (kind, split), count in splits.items()))
