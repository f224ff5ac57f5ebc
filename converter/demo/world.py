"""The little world that the demo model sees: coloured shapes in nine places, and bar charts.

A scene is the 32 image codes themselves, so that a picture, its codes, its caption, and every question about it are
exact by construction:

    0        kind: background of a scene (0...2), or 3, a chart
    1        how many things there are
    2...4    always the same
    5 + 3 j  place j (reading order): the shape, or a bar's label
    6 + 3 j  its colour
    7 + 3 j  its size and where in its place it is, or a bar's height

What a code means does not depend on what stands elsewhere: the tokenizer can learn each from a part of the picture, and
the language model from a part of the words.

The codes of shapes and labels say their place, too (`placed`): a language model that writes codes from left to right has to know
where it is, and counts badly.
"""

from functools import lru_cache

import numpy as np
from PIL import Image, ImageDraw

SIDE = 64              # rows and columns of a picture
QUERIES, CODEBOOK = 32, 512
SHAPES = "circle square triangle star ring cross diamond heart".split()
COLOURS = {"red": (220, 40, 40), "green": (40, 160, 60), "blue": (40, 80, 220), "yellow": (245, 210, 40),
           "orange": (245, 140, 30), "purple": (130, 50, 170), "pink": (250, 140, 190), "brown": (125, 75, 40)}
COLOUR_NAMES = list(COLOURS)
BACKGROUNDS = {"white": (255, 255, 255), "black": (15, 15, 15), "grey": (170, 170, 170)}
SIZES = ["small", "medium", "large"]
RADII = [4.5, 7.0, 9.0]
PLACES = ["at the top left", "at the top", "at the top right", "on the left", "in the middle", "on the right",
          "at the bottom left", "at the bottom", "at the bottom right"]
CENTRES = [11, 32, 53]
SHIFT = 3              # pixels by which a thing that is not large may stand beside the centre of its place
LABELS = "ABCDEFGH"
HEIGHTS = 8            # of a bar, in steps of 5 pixels
CHART = 3
COUNT, FILLER, SHAPE, LABEL, COLOUR, FORM, HEIGHT = 8, 20, 32, 48, 64, 80, 112    # first codes of each kind
TRIPLES = 5            # position of the first place's codes
PLACED_SHAPE, PLACED_LABEL = 128, 288   # of place 0; 16 and 8 for every place
USED = sorted({0, 1, 2, 3, FILLER, *range(COUNT, COUNT + 10), *range(COLOUR, COLOUR + 9), *range(FORM, FORM + 28),
               *range(HEIGHT + 1, HEIGHT + 9), *range(PLACED_LABEL, PLACED_LABEL + 8 * 4),
               *(PLACED_SHAPE + 16 * place + shape for place in range(9) for shape in range(9))})
PLACE_SCALE = 0.5      # of what a codeword says of the place, against the shape


def empty(kind: int = 0) -> np.ndarray:
    codes = np.full(QUERIES, FILLER)
    codes[0], codes[1] = kind, COUNT
    codes[TRIPLES::3], codes[TRIPLES + 1::3], codes[TRIPLES + 2::3] = SHAPE, COLOUR, FORM
    return codes


def put(codes: np.ndarray, place: int, shape: int, colour: int, size: int = 1, dx: int = 0, dy: int = 0) -> None:
    """Sets a thing; shape, colour and size as indices, dx and dy in -1...1."""
    at = TRIPLES + 3 * place
    codes[1] += codes[at] == SHAPE
    codes[at:at + 3] = SHAPE + 1 + shape, COLOUR + 1 + colour, FORM + 1 + size + 3 * (dx + 1) + 9 * (dy + 1)


def take(codes: np.ndarray, place: int) -> None:
    at = TRIPLES + 3 * place
    codes[1] -= codes[at] != SHAPE
    codes[at:at + 3] = SHAPE, COLOUR, FORM


def things(codes: np.ndarray) -> list[tuple[int, int, int, int]]:
    """(place, shape, colour, size) of every thing of a scene, in reading order."""
    found = []
    for place in range(9):
        shape, colour, form = codes[TRIPLES + 3 * place:TRIPLES + 3 * place + 3]
        if SHAPE < shape < LABEL and COLOUR < colour < FORM and FORM < form < HEIGHT:
            found.append((place, int(shape - SHAPE - 1), int(colour - COLOUR - 1), int((form - FORM - 1) % 3)))
    return found


def bars(codes: np.ndarray) -> list[tuple[str, int, int]]:
    """(label, colour, height) of every bar of a chart."""
    return [(LABELS[a - LABEL], int(b - COLOUR - 1), int(c - HEIGHT))
            for a, b, c in codes[TRIPLES:].reshape(9, 3) if LABEL <= a < COLOUR]


def speaking(codes: np.ndarray) -> np.ndarray:
    """Which of the codes [32] are about a thing or a bar."""
    there = codes[TRIPLES::3] != SHAPE
    return np.concatenate([np.zeros(TRIPLES, bool), np.repeat(there, 3)])


def placed(codes: np.ndarray) -> np.ndarray:
    """The codes [..., 32] as they are written: those of shapes and labels say where they stand."""
    result = np.array(codes)
    first, place = result[..., TRIPLES::3], np.arange(9)
    label = (first >= LABEL) & (first < COLOUR)
    result[..., TRIPLES::3] = np.where(label, PLACED_LABEL + 8 * np.minimum(place, 3) + first - LABEL,
                                       PLACED_SHAPE + 16 * place + first - SHAPE)
    return result


def random_scene(rng: np.random.Generator, most: int = 6) -> np.ndarray:
    codes = empty(int(rng.choice(3, p=[0.6, 0.2, 0.2])))
    for place in rng.permutation(9)[:rng.integers(1, most + 1)]:
        size = int(rng.integers(3))
        dx, dy = (0, 0) if size == 2 or rng.random() < 0.5 else rng.integers(-1, 2, 2)
        put(codes, int(place), int(rng.integers(8)), int(rng.integers(8)), size, int(dx), int(dy))
    return codes


def random_chart(rng: np.random.Generator) -> np.ndarray:
    codes, count = empty(CHART), int(rng.integers(2, 5))
    codes[1] = COUNT + count
    heights = rng.permutation(HEIGHTS)[:count] + 1
    for i, (label, colour) in enumerate(zip(rng.permutation(8), rng.permutation(8)[:count])):
        codes[TRIPLES + 3 * i:TRIPLES + 3 * i + 3] = LABEL + label, COLOUR + 1 + colour, HEIGHT + heights[i]
    return codes


def random_codes(rng: np.random.Generator) -> np.ndarray:
    return random_chart(rng) if rng.random() < 0.15 else random_scene(rng)


@lru_cache(None)
def outline(shape: int, size: int) -> np.ndarray:
    """Coverage [25, 25] of a shape, in 0...1."""
    scale, half = 8, 12.5
    image = Image.new("L", (200, 200))
    draw, r = ImageDraw.Draw(image), RADII[size] * scale
    c = half * scale

    def polygon(points):
        draw.polygon([(c + r * x, c + r * y) for x, y in points], fill=255)

    def box(a, b, fill=255):
        draw.rectangle([c - a * r, c - b * r, c + a * r, c + b * r], fill=fill)

    name = SHAPES[shape]
    if name in ("circle", "ring"):
        draw.ellipse([c - r, c - r, c + r, c + r], fill=255)
        if name == "ring":
            draw.ellipse([c - r * 0.55, c - r * 0.55, c + r * 0.55, c + r * 0.55], fill=0)
    elif name == "square":
        box(0.88, 0.88)
    elif name == "triangle":
        polygon([(0, -1), (1, 0.85), (-1, 0.85)])
    elif name == "star":
        angles = np.pi * (np.arange(10) / 5 - 0.5)
        radii = np.where(np.arange(10) % 2 == 0, 1.1, 0.45)
        polygon(list(zip(radii * np.cos(angles), radii * np.sin(angles))))
    elif name == "cross":
        box(1, 0.36)
        box(0.36, 1)
    elif name == "diamond":
        polygon([(0, -1.1), (0.75, 0), (0, 1.1), (-0.75, 0)])
    else:
        t = np.linspace(0, 2 * np.pi, 80)
        polygon(list(zip(np.sin(t) ** 3, -(13 * np.cos(t) - 5 * np.cos(2 * t) - 2 * np.cos(3 * t) - np.cos(4 * t)) / 15)))
    return np.asarray(image.resize((25, 25), Image.BOX), np.float32) / 255


@lru_cache(None)
def letter(label: str) -> np.ndarray:
    """Coverage [7, 5] of a letter."""
    rows = {"A": "01110 10001 10001 11111 10001 10001 10001", "B": "11110 10001 10001 11110 10001 10001 11110",
            "C": "01111 10000 10000 10000 10000 10000 01111", "D": "11110 10001 10001 10001 10001 10001 11110",
            "E": "11111 10000 10000 11110 10000 10000 11111", "F": "11111 10000 10000 11110 10000 10000 10000",
            "G": "01111 10000 10000 10011 10001 10001 01110", "H": "10001 10001 10001 11111 10001 10001 10001"}[label]
    return np.array([[int(bit) for bit in row] for row in rows.split()], np.float32)


def blend(image: np.ndarray, mask: np.ndarray, top: int, left: int, colour) -> None:
    y0, x0 = max(top, 0), max(left, 0)
    y1, x1 = min(top + mask.shape[0], SIDE), min(left + mask.shape[1], SIDE)
    cut = mask[y0 - top:y1 - top, x0 - left:x1 - left, None]
    part = image[y0:y1, x0:x1]
    part += cut * (np.float32(colour) - part)


def draw(codes: np.ndarray) -> np.ndarray:
    """The picture [SIDE, SIDE, 3], uint8."""
    chart = codes[0] == CHART
    back = BACKGROUNDS[list(BACKGROUNDS)[0 if chart else int(codes[0]) % 3]]
    image = np.empty((SIDE, SIDE, 3), np.float32)
    image[:] = back
    if chart:
        image[52:53, 4:61] = 60
        for i, (label, colour, height) in enumerate(bars(codes)[:4]):
            left = 6 + 14 * i
            image[52 - 5 * height:52, left:left + 10] = COLOURS[COLOUR_NAMES[colour]]
            blend(image, letter(label), 55, left + 3, (40, 40, 40))
    else:
        for place in range(9):
            shape, colour, form = codes[TRIPLES + 3 * place:TRIPLES + 3 * place + 3]
            if shape == SHAPE:
                continue
            form = int(form) - FORM - 1
            size, dx, dy = form % 3, form // 3 % 3 - 1, form // 9 - 1
            blend(image, outline(int(shape) - SHAPE - 1, size), CENTRES[place // 3] + SHIFT * dy - 12,
                  CENTRES[place % 3] + SHIFT * dx - 12, COLOURS[COLOUR_NAMES[int(colour) - COLOUR - 1]])
    return (image + 0.5).astype(np.uint8)


@lru_cache(None)
def codebook() -> np.ndarray:
    """The codewords [CODEBOOK, 32]; those without a meaning are so far away that they are never the nearest."""
    words = np.random.default_rng(77).normal(0, 1, (CODEBOOK, 32)).astype(np.float32)
    places = np.random.default_rng(78).normal(0, PLACE_SCALE, (9, 32)).astype(np.float32)
    for place in range(9):
        at = PLACED_SHAPE + 16 * place
        words[at:at + 9] = words[SHAPE:SHAPE + 9] + places[place]
        if place < 4:
            at = PLACED_LABEL + 8 * place
            words[at:at + 8] = words[LABEL:LABEL + 8] + places[place]
    words[[i for i in range(CODEBOOK) if i not in USED]] += 100
    return words
