"""What the language model is taught about pictures: prompts in MIO's words, and the answers.

A lesson is a system prompt and a list of (text, codes of a picture, or ids of speech; whether it is an answer). Some pairs of shape and colour are never shown: what the
model says and draws of them, it has put together.
"""

import numpy as np

import vocabulary as v
import world
from world import COLOUR_NAMES, PLACES, SHAPES, SIZES

NUMBERS = "no one two three four five six seven eight nine".split()
LAYOUTS = {1: [4], 2: [3, 5], 3: [3, 4, 5], 4: [0, 2, 6, 8], 5: [0, 2, 4, 6, 8], 6: [0, 1, 2, 6, 7, 8]}
RELATIONS = {"left of": (3, 5), "right of": (5, 3), "above": (1, 7), "below": (7, 1)}
WAYS = {"from left to right": (3, 4, 5), "from right to left": (5, 4, 3), "from top to bottom": (1, 4, 7),
        "from bottom to top": (7, 4, 1)}


def held_out(shape: int, colour: int) -> bool:
    """Whether this composition is kept for judging."""
    return (3 * shape + 5 * colour) % 8 == 0


def plural(shape: str, count: int) -> str:
    return shape if count == 1 else shape + ("es" if shape == "cross" else "s")


def article(words: str) -> str:
    return ("an " if words[0] in "aeiou" else "a ") + words


class Teacher:
    """Makes lessons from random numbers; `testing` gives held-out compositions only, `asked` speaks what is asked,
    `easy` gives scenes of one thing."""

    def __init__(self, rng: np.random.Generator, testing: bool = False, asked=None, easy: bool = False):
        self.rng, self.testing, self.asked, self.easy = rng, testing, asked, easy

    def pick(self, items):
        return items[int(self.rng.integers(len(items)))]

    def thing(self) -> tuple[int, int]:
        while True:
            shape, colour = (int(n) for n in self.rng.integers(8, size=2))
            if held_out(shape, colour) == self.testing:
                return shape, colour

    def different(self, count: int) -> list[tuple[int, int]]:
        """Things that have no shape in common."""
        things: list[tuple[int, int]] = []
        while len(things) < count:
            thing = self.thing()
            if thing[0] not in [other[0] for other in things]:
                things.append(thing)
        return things

    def name(self, thing, size: int = 1) -> str:
        words = f"{COLOUR_NAMES[thing[1]]} {SHAPES[thing[0]]}"
        return words if size == 1 else f"{SIZES[size]} {words}"

    def scene(self, most: int = 4) -> np.ndarray:
        codes = world.empty(int(self.rng.choice(3, p=[0.6, 0.2, 0.2])))
        for place in self.rng.permutation(9)[:self.rng.integers(1, (1 if self.easy else most) + 1)]:
            size = int(self.rng.integers(3))
            dx, dy = (0, 0) if size == 2 or self.rng.random() < 0.7 else self.rng.integers(-1, 2, 2)
            world.put(codes, int(place), *self.thing(), size, int(dx), int(dy))
        return codes

    # What is drawn.

    def caption(self) -> tuple[str, np.ndarray]:
        """A description and the one scene that it stands for."""
        kind = int(self.rng.choice(3, p=[0.7, 0.15, 0.15]))
        codes, form = world.empty(kind), 0 if self.easy else self.rng.random()
        if form < 0.3:
            thing, size, place = self.thing(), int(self.rng.integers(3)), int(self.rng.integers(9))
            world.put(codes, place, *thing, size)
            words = article(self.name(thing, size)) + ("" if place == 4 and self.rng.random() < 0.7 else f" {PLACES[place]}")
        elif form < 0.6:
            (relation, places), things = self.pick(list(RELATIONS.items())), self.different(2)
            sizes = [int(self.rng.choice(3, p=[0.1, 0.8, 0.1])) for _ in range(2)]
            for place, thing, size in zip(places, things, sizes):
                world.put(codes, place, *thing, size)
            words = f" {relation} ".join(article(self.name(t, s)) for t, s in zip(things, sizes))
        elif form < 0.8:
            count, thing = int(self.rng.integers(2, 7)), self.thing()
            for place in LAYOUTS[count]:
                world.put(codes, place, *thing)
            words = f"{NUMBERS[count]} {COLOUR_NAMES[thing[1]]} {plural(SHAPES[thing[0]], count)}"
        elif form < 0.9:
            things = [self.thing() for _ in range(int(self.rng.integers(2, 4)))]
            for place, thing in zip(LAYOUTS[len(things)], things):
                world.put(codes, place, *thing)
            names = [article(self.name(thing)) for thing in things]
            words = ", ".join(names[:-1]) + " and " + names[-1]
        else:
            places, things = self.rng.permutation(9)[:2], [self.thing(), self.thing()]
            for place, thing in zip(places, things):
                world.put(codes, int(place), *thing)
            words = " and ".join(f"{article(self.name(t))} {PLACES[p]}" for t, p in zip(things, places))
        if kind:
            words += f" on a {list(world.BACKGROUNDS)[kind]} background"
        return words, codes

    def describe(self, codes) -> str:
        if codes[0] == world.CHART:
            return "a bar chart: " + ", ".join(f"{a} is {height}" for a, _, height in world.bars(codes))
        names = [f"{article(self.name((s, c), size))} {PLACES[p]}" for p, s, c, size in world.things(codes)]
        text = names[0] if len(names) == 1 else ", ".join(names[:-1]) + " and " + names[-1]
        return f"{text} on a {list(world.BACKGROUNDS)[int(codes[0])]} background"

    # Lessons. The task's words come from the prompt recipes.

    def imagine(self):
        words, codes = self.caption()
        return v.STANDARD, [(v.IMAGINE + self.typed(words), False), (codes, True)]

    def see(self):
        codes = world.random_chart(self.rng) if self.rng.random() < 0.15 and not self.testing else self.scene()
        return v.STANDARD, [(v.DESCRIBE, False), (codes, False), (self.describe(codes), True)]

    def about(self, codes) -> tuple[str, str]:
        """A question about a scene, and its answer."""
        things = world.things(codes)
        place, shape, colour, _ = self.pick(things)
        alone = [t[1] for t in things].count(shape) == 1
        kind = self.rng.random()
        if kind < 0.3 and alone:
            words, answer = f"What colour is the {SHAPES[shape]}?", COLOUR_NAMES[colour]
        elif kind < 0.55 and alone:
            words, answer = f"Where is the {SHAPES[shape]}?", PLACES[place]
        elif kind < 0.65:
            words, answer = "How many things are there?", NUMBERS[len(things)]
        elif kind < 0.8:
            if self.rng.random() < 0.5:
                shape = int(self.rng.integers(8))
                count, what = sum(t[1] == shape for t in things), plural(SHAPES[shape], 2)
            else:
                colour = int(self.rng.integers(8))
                count, what = sum(t[2] == colour for t in things), f"{COLOUR_NAMES[colour]} things"
            words, answer = f"How many {what} are there?", NUMBERS[count]
        else:
            if self.rng.random() < 0.5:
                shape, colour = (int(n) for n in self.rng.integers(8, size=2))
            there = any(t[1:3] == (shape, colour) for t in things)
            words, answer = f"Is there {article(self.name((shape, colour)))}?", "yes" if there else "no"
        return words, answer

    def question(self):
        codes = self.scene()
        words, answer = self.about(codes)
        if self.testing or self.rng.random() < 0.7:
            return v.STANDARD, [(words + "\n", False), (codes, False), (answer, True)]
        return v.STANDARD, [(codes, False), (words, False), (answer, True)]

    def heard(self):
        """The question is spoken."""
        codes = self.scene()
        words, answer = self.about(codes)
        return v.STANDARD, [(codes, False), (self.asked.heard(words, self.rng), False), (answer, True)]

    # Few examples, and steps that are written down.

    def examples(self):
        """Two pictures with what is asked for, and a third."""
        scenes = []
        while len(scenes) < 3:
            codes = world.empty(int(self.rng.choice(3, p=[0.7, 0.15, 0.15])))
            thing, place = self.thing(), int(self.rng.integers(9))
            if scenes and any(thing[0] == other[1] or thing[1] == other[2] for _, other in scenes):
                continue
            world.put(codes, place, *thing)
            scenes.append((codes, (place, *thing)))
        tell = self.pick([lambda t: SHAPES[t[1]], lambda t: COLOUR_NAMES[t[2]], lambda t: PLACES[t[0]],
                          lambda t: self.name(t[1:])])
        parts = [part for codes, thing in scenes for part in (codes, tell(thing))]
        return v.STANDARD, [(part, False) for part in parts[:-1]] + [(parts[-1], True)]

    def reason(self):
        """Counts by naming."""
        codes = self.scene(6)
        things = world.things(codes)
        if self.rng.random() < 0.5:
            chosen = self.pick(things)[1] if self.rng.random() < 0.8 else int(self.rng.integers(8))
            counted, what = [t for t in things if t[1] == chosen], plural(SHAPES[chosen], 2)
        else:
            chosen = self.pick(things)[2] if self.rng.random() < 0.8 else int(self.rng.integers(8))
            counted, what = [t for t in things if t[2] == chosen], f"{COLOUR_NAMES[chosen]} things"
        steps = [f"{article(self.name((s, c)))} {PLACES[p]}" for p, s, c, _ in counted]
        answer = f"{', '.join(steps)}: {NUMBERS[len(steps)]}" if steps else "no"
        return v.STANDARD, [(codes, False), (f"How many {what} are there?" + v.REASON, False), (answer, True)]

    def steps(self):
        """Two changes, one after the other, each with what it gives."""
        codes = world.empty(int(self.rng.choice(3, p=[0.6, 0.2, 0.2])))
        for place, thing in zip(self.rng.permutation(9), self.different(int(self.rng.integers(1, 3)))):
            world.put(codes, int(place), *thing)
        first, middle = self.change(codes)
        second, last = self.change(middle)
        answer = [(f"{first[0].upper()}{first[1:]}.", True), (middle, True), (f"{second[0].upper()}{second[1:]}.", True), (last, True)]
        return v.STANDARD, [(codes, False), (f"{first}, then {second}" + v.THINK_IN_IMAGES, False), *answer]

    def chart(self):
        codes = world.random_chart(self.rng)
        bars = world.bars(codes)
        label, colour, height = self.pick(bars)
        words, answer = self.pick([
            ("Which bar is the highest?", max(bars, key=lambda bar: bar[2])[0]),
            ("Which bar is the lowest?", min(bars, key=lambda bar: bar[2])[0]),
            (f"How high is bar {label}?", str(height)), (f"What colour is bar {label}?", COLOUR_NAMES[colour]),
            ("How many bars are there?", NUMBERS[len(bars)])])
        if self.rng.random() < 0.5:
            return v.STANDARD, [(words + "\n", False), (codes, False), (answer, True)]
        return v.STANDARD, [(v.CHART_QUESTION, False), (codes, False), ("\n" + words, False), (answer, True)]


    def edit(self):
        codes = world.empty(int(self.rng.integers(3)))
        shapes = self.different(int(self.rng.integers(1, 4)))
        for place, thing in zip(self.rng.permutation(9), shapes):
            world.put(codes, int(place), *thing, int(self.rng.integers(3)))
        words, after = self.change(codes)
        return v.STANDARD, [(v.EDIT, False), (codes, False), ("\n" + words, False), (after, True)]

    def change(self, codes) -> tuple[str, np.ndarray]:
        """An instruction, and the scene that it makes of another, in which no two things have a shape in common."""
        if not world.things(codes):
            after, thing = codes.copy(), self.thing()
            world.put(after, 4, *thing)
            return f"add {article(self.name(thing))} {PLACES[4]}", after
        after = codes.copy()
        place, shape, colour, size = self.pick(world.things(codes))
        name, chance = SHAPES[shape], self.rng.random()
        world.take(after, place)
        if chance < 0.35:
            colour = self.thing()[1] if not self.testing else colour
            world.put(after, place, shape, colour, size)
            words = f"make the {name} {COLOUR_NAMES[colour]}"
        elif chance < 0.5:
            free = [p for p in range(9) if codes[world.TRIPLES + 3 * p] == world.SHAPE]
            to = self.pick(free)
            world.put(after, to, shape, colour, size)
            words = f"move the {name} {PLACES[to].replace('at the', 'to the').replace('on the', 'to the').replace('in the', 'to the')}"
        elif chance < 0.65:
            words = f"remove the {name}"
        elif chance < 0.8:
            after = codes.copy()
            thing, to = self.thing(), self.pick([p for p in range(9) if codes[world.TRIPLES + 3 * p] == world.SHAPE])
            world.put(after, to, *thing)
            words = f"add {article(self.name(thing))} {PLACES[to]}"
        elif chance < 0.9:
            size = self.pick([s for s in range(3) if s != size])
            world.put(after, place, shape, colour, size)
            words = f"make the {name} {SIZES[size]}"
        else:
            after = codes.copy()
            after[0] = int(self.rng.integers(3))
            words = f"make the background {list(world.BACKGROUNDS)[int(after[0])]}"
        return words, after

    def motion(self) -> tuple[str, str, list[np.ndarray]]:
        """What moves, what it does, and three pictures of it."""
        thing = self.thing()
        if self.rng.random() < 0.7:
            way, places = self.pick(list(WAYS.items()))
            verb, forms = f"moves {way}", [(place, 1) for place in places]
        else:
            grows = self.rng.random() < 0.5
            verb, forms = "grows" if grows else "shrinks", [(4, s) for s in (0, 1, 2)]
            forms = forms if grows else forms[::-1]
        frames = []
        for place, size in forms:
            codes = world.empty()
            world.put(codes, place, *thing, size)
            frames.append(codes)
        return article(self.name(thing)), verb, frames

    def film(self):
        name, verb, frames = self.motion()
        return v.STANDARD, [(f"{v.FILM}{name} {verb}''", False), *((codes, True) for codes in frames)]

    def watch(self):
        """Says what a film shows, of which some frames may stand still."""
        name, verb, frames = self.motion()
        shown = [frames[i] for i in sorted([0, 2, *self.rng.integers(3, size=self.rng.integers(4))])]
        if self.rng.random() < 0.6:
            return v.STANDARD, [(v.DESCRIBE_FILM, False), *((codes, False) for codes in shown), (f"{name} {verb}", True)]
        words, answer = self.pick([("What is this?", name), ("What happens?", f"{name} {verb}"), ("What does it do?", f"it {verb}")])
        return v.STANDARD, [(words + "\n", False), *((codes, False) for codes in shown), (answer, True)]

    def apart(self):
        """Words and pictures in turns: each thing alone."""
        things, codes, parts = self.different(int(self.rng.integers(2, 4))), world.empty(), []
        for place, thing in zip(LAYOUTS[len(things)], things):
            world.put(codes, place, *thing)
            alone = world.empty()
            world.put(alone, 4, *thing)
            name = article(self.name(thing))
            parts += [(f"{name[0].upper()}{name[1:]}.", True), (alone, True)]
        return v.STANDARD, [(codes, False), ("Show each thing alone.", False), *parts]

    def story(self):
        first, second = self.different(2)
        parts = []
        for words, present in ((f"{article(self.name(first))} is alone.", [first]),
                               (f"{article(self.name(second))} comes.", [first, second]),
                               (f"now the {SHAPES[second[0]]} is alone.", [second])):
            codes = world.empty()
            for place, thing in zip(LAYOUTS[len(present)], present):
                world.put(codes, place, *thing)
            parts += [(words[0].upper() + words[1:], True), (codes, True)]
        return v.STANDARD, [(f"{v.STORY}{article(self.name(first))} and {article(self.name(second))}", False), *parts]

    def typed(self, words: str) -> str:
        """As people type: sometimes a capital, sometimes a full stop."""
        if self.rng.random() < 0.3:
            words = words[0].upper() + words[1:]
        return words + "." if self.rng.random() < 0.2 else words


MIXTURE = {"imagine": 0.25, "see": 0.17, "question": 0.14, "chart": 0.06, "edit": 0.11, "film": 0.04, "story": 0.05,
           "heard": 0.08, "examples": 0.03, "reason": 0.04, "steps": 0.03, "watch": 0.05, "apart": 0.02}
EASY_MIXTURE = {"imagine": 0.2, "see": 0.45, "question": 0.35}
SPEAKING_WEIGHT = 4.0
ENDS = {system: [v.encode(part) for part in v.prompt(system, "{}").split("{}")] for system in (v.STANDARD, v.VOICE)}


def ids(lesson) -> tuple[list[int], list[float]]:
    """Ids and, per id, whether predicting it is learnt."""
    system, parts = lesson
    head, tail = ENDS[system]
    sequence, weights = list(head), [0.0] * len(head)
    opened = False
    for part, answer in parts + [(None, True)]:
        if answer and not opened:
            sequence += tail
            weights += [0.0] * len(tail)
            opened = True
        if part is None:
            more = [v.ID[v.STOP]]
        elif isinstance(part, str):
            more = v.encode(part)
        elif isinstance(part, list):
            more = part
        else:
            more = v.picture_ids(part)
        sequence += more
        weights += [float(answer)] * len(more)
        if answer and isinstance(part, str):
            # The first letter tells which word it is; the others follow from it.
            starts = [i for i in range(len(more)) if i == 0 or more[i - 1] == v.ID[" "]]
            for i in starts:
                weights[i - len(more)] = SPEAKING_WEIGHT
        if answer and isinstance(part, np.ndarray):
            # Most codes of a picture say that nothing is there.
            weights[-1 - world.QUERIES:-1] = np.where(world.speaking(part), SPEAKING_WEIGHT, 1.0).tolist()
    return sequence, weights


def mixture(easy: bool, asked) -> dict[str, float]:
    """How often each kind of lesson comes; without what was spoken, none about spoken questions."""
    return EASY_MIXTURE if easy else {kind: share for kind, share in MIXTURE.items() if asked or kind != "heard"}


def lessons(rng: np.random.Generator, count: int, kind: str | None = None, testing: bool = False, asked=None, easy: bool = False):
    teacher, shares = Teacher(rng, testing, asked, easy), mixture(easy, asked)
    total = sum(shares.values())
    kinds = [kind] * count if kind else rng.choice(list(shares), count, p=np.array(list(shares.values())) / total)
    return [ids(getattr(teacher, str(k))()) for k in kinds]


def spoken_texts() -> list[str]:
    """All that is asked aloud."""
    names = [f"{colour} {shape}" for colour in COLOUR_NAMES for shape in SHAPES]
    texts = [f"What colour is the {shape}?" for shape in SHAPES] + [f"Where is the {shape}?" for shape in SHAPES]
    texts += ["How many things are there?"] + [f"How many {plural(shape, 2)} are there?" for shape in SHAPES]
    texts += [f"How many {colour} things are there?" for colour in COLOUR_NAMES]
    texts += [f"Is there {article(name)}?" for name in names]
    return texts
