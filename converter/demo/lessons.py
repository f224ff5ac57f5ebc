"""What the language model is taught: token sequences with a weight per token, in batches of similar length."""

import numpy as np

import lists
import tokens
import vocabulary as v
from batches import batch
from voice import Corpus

# Share of the tokens of a batch. `content` is speech cut after its content stream, where spelling, pauses and lengths
# are learnt at a quarter of the cost; what is misheard goes back to them alone.
MIXTURE = {"content": 0.30, "speech": 0.14, "transcript": 0.53, "chat": 0.03}
LEVEL_WEIGHTS = [1.0, 0.6, 0.4, 0.3]
TRANSCRIPT_WEIGHT = 3.0  # of a character to write down: there are few, and each has to be right
WRITTEN_WEIGHT = 0.2   # of a character of a text to say: spelling learnt there serves the transcripts
KIND_WEIGHTS = {"curated": 14.0, "letter": 3.0, "word": 1.0, "phrase": 0.6, "sentence": 1.5, "newword": 1.0}
# How much more often curated texts, and everyday ones among them, come in the last part of the cool-down.
POLISH, POLISH_EVERYDAY = 3, 4
JOINED = 0.3           # share of transcripts that go on with a second utterance, so that phrases never run out
JOINED_FRAMES = 192
DISTURBED = 0.3        # share of transcripts with some frames lost, doubled or wrong
DISTURBED_FRAMES = 0.03
SLIPS = 0.5            # share of utterances to say that go on after wrong codes, as sampling may choose them
SLIP_FRAMES = 0.05
IGNORED = '"()-*_:;~[]#«»…“”é🙂'


class Lessons:
    def __init__(self, settings, *splits: str):
        self.corpus = Corpus(settings)
        self.speech, self.spoken, self.heard = tokens.load(settings)
        self.indices = np.array([i for i in self.corpus.indices(*splits) if self.speech.lengths[i]])
        self.training = set(self.corpus.indices("train"))
        self.cumulative = {polishing: self.weigh(polishing).cumsum() for polishing in (False, True)}
        self.chats = lists.conversations()

    def weigh(self, polishing: bool) -> np.ndarray:
        """How often each utterance is drawn, relative to the others."""
        items = [self.corpus.texts[i] for i in self.indices]
        weights = np.array([KIND_WEIGHTS[item["kind"]] for item in items])
        if polishing:
            weights *= [POLISH if item["kind"] == "curated" else 1 for item in items]
            weights *= [POLISH_EVERYDAY if item["text"] in lists.EVERYDAY else 1 for item in items]
        return weights

    def draw(self, polishing: bool, rng: np.random.Generator) -> int:
        cumulative = self.cumulative[polishing]
        return int(self.indices[cumulative.searchsorted(rng.random() * cumulative[-1], side="right")])

    def written(self, i: int, rng: np.random.Generator) -> str:
        """The text of utterance i, often as people type it: capitals, a full stop, digits, marks that are not said."""
        item = self.corpus.texts[i]
        text = item["text"]
        if item["written"] and rng.random() < 0.4:
            text = item["written"][int(rng.integers(len(item["written"])))]
        elif rng.random() < 0.3:
            text = lists.with_digits(text)
        chance = rng.random()
        if chance < 0.45:
            return text
        if chance < 0.85:
            text = text[0].upper() + text[1:]
            if " i " in text or rng.random() < 0.5:
                text = text.replace(" i ", " I ")
        elif chance < 0.90:
            text = text.upper()
        elif chance < 0.94:
            text = text.title()
        if rng.random() < 0.7:
            text += str(rng.choice([".", "!", "?", ",", "..."], p=[0.55, 0.2, 0.15, 0.05, 0.05]))
        if rng.random() < 0.06:
            at = int(rng.integers(len(text) + 1))
            text = text[:at] + IGNORED[int(rng.integers(len(IGNORED)))] + text[at:]
        return text

    def listened(self, i: int, rng: np.random.Generator) -> np.ndarray:
        """Content codes [T] of utterance i to write down; mostly without the silence that fills the last bucket."""
        if self.heard.lengths[i] and (i not in self.training or rng.random() < 0.7):
            return self.heard[i][0]
        codes = self.speech[i][0]
        return codes[:self.spoken[i]] if rng.random() < 0.7 else codes

    def lesson(self, kind: str, i: int, rng: np.random.Generator) -> tuple[list[int], list[int], list[float]]:
        """Ids to read, ids to predict (they differ where a code has slipped), and per id the weight of predicting it."""
        if kind == "chat":
            question, reply = self.chats[int(rng.integers(len(self.chats)))]
            prompt = v.chat_prompt(question)
            answer = shown = v.encode_characters(reply) + [v.ID[v.STOP]]
            weights = [0.0] * len(prompt) + [1.0] * len(answer)
        elif kind == "transcript":
            codes, text = self.listened(i, rng), self.corpus.texts[i]["text"]
            if i in self.training and rng.random() < JOINED:
                other = int(rng.choice(self.indices))
                more = self.listened(other, rng)
                if len(codes) + len(more) <= JOINED_FRAMES:
                    codes, text = np.concatenate([codes, more]), f"{text} {self.corpus.texts[other]['text']}"
            if i in self.training and rng.random() < DISTURBED:
                codes = disturbed(codes, rng)
            prompt = v.transcribe_prompt(codes)
            answer = shown = v.encode_characters(text) + [v.ID[v.STOP]]
            weights = [0.0] * len(prompt) + [TRANSCRIPT_WEIGHT] * len(answer)
        else:
            text = self.written(i, rng)
            prompt = v.speak_prompt(text)
            codes = self.speech[i].astype(int)
            length = codes.shape[1]
            answer = spoken_ids(codes)
            slips = i in self.training and rng.random() < SLIPS
            shown = spoken_ids(np.concatenate([slipped(codes[:1], SLIP_FRAMES, rng), codes[1:]])) if slips else answer
            weights = v.text_weights(text, WRITTEN_WEIGHT if i in self.training else 0.0)
            weights += [w for w in LEVEL_WEIGHTS for _ in range(length)] + [1.0, 1.0]
            if kind == "content":
                end = len(prompt) + length + 1
                answer, shown, weights = answer[:length + 1], shown[:length + 1], weights[:end]
        return prompt + shown, prompt + answer, weights

    def pool(self, rng: np.random.Generator, batches: int, batch_tokens: int, longest: int | None = None,
             polishing: bool = False):
        """Random lessons for about `batches` batches, grouped by length."""
        return grouped(self.draw_lessons(rng, batches * batch_tokens, longest, polishing), batch_tokens, rng)

    def draw_lessons(self, rng: np.random.Generator, tokens: float, longest: int | None = None, polishing: bool = False):
        """Random lessons of about so many tokens in all."""
        drawn = []
        for kind, share in MIXTURE.items():
            budget = share * tokens
            while budget > 0:
                i = self.draw(polishing, rng) if kind != "chat" else 0
                if longest and kind != "chat" and self.speech.lengths[i] > longest:
                    continue
                drawn.append(self.lesson(kind, i, rng))
                budget -= len(drawn[-1][0])
        return drawn


def grouped(drawn: list, batch_tokens: int, rng: np.random.Generator) -> list:
    """Lessons in batches of similar length, in random order."""
    drawn = sorted(drawn, key=lambda lesson: len(lesson[0]))
    groups, group = [], []
    for lesson in drawn:
        if group and (len(group) + 1) * len(lesson[0]) > batch_tokens:
            groups.append(group)
            group = []
        group.append(lesson)
    groups.append(group)
    rng.shuffle(groups)
    return [batch(group) for group in groups]


def spoken_ids(codes: np.ndarray) -> list[int]:
    """The ids that say codes [4, T], one stream after the other."""
    ids = codes + v.SPEECH_BASE + v.CODES * np.arange(v.CODEBOOKS)[:, None]
    return ids.reshape(-1).tolist() + [v.ID[v.SPEECH_END], v.ID[v.STOP]]


def slipped(codes: np.ndarray, share: float, rng: np.random.Generator) -> np.ndarray:
    """Codes [..., T] with a share of the frames replaced by others of the same utterance."""
    length = codes.shape[-1]
    return np.where(rng.random(length) < share, codes[..., rng.integers(length, size=length)], codes)


def disturbed(codes: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Content codes [T] with some frames replaced, some lost and some doubled."""
    codes = slipped(codes, DISTURBED_FRAMES, rng)
    fate = rng.random(len(codes))
    return np.repeat(codes, np.where(fate < DISTURBED_FRAMES, 0, np.where(fate > 1 - DISTURBED_FRAMES, 2, 1)))
