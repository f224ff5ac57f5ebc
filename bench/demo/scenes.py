"""What a picture of the demo model's world shows, told by OpenCV: what differs from the background, connected areas of it,
their outlines and mean colours. Nothing here was trained, and nothing is taken from the networks.
"""

import sys
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2] / "converter/demo"))
import world  # noqa: E402

LEAST_AREA = 14        # pixels; smaller areas are noise
CONTRAST = 26          # of a pixel of a thing against the background, in CIELAB
OUTLINE = 24           # rows and columns that outlines are compared at


@dataclass(frozen=True)
class Thing:
    shape: str
    colour: str
    place: int


def lab(rgb: np.ndarray) -> np.ndarray:
    return cv2.cvtColor(rgb.astype(np.float32)[None] / 255, cv2.COLOR_RGB2LAB)[0]


def normal(mask: np.ndarray) -> np.ndarray:
    """A mask cut out, at the size that outlines are compared at; its proportions stay."""
    rows, columns = np.where(mask)
    cut = mask[rows.min():rows.max() + 1, columns.min():columns.max() + 1].astype(np.float32)
    side = max(cut.shape)
    top, left = (side - cut.shape[0]) // 2, (side - cut.shape[1]) // 2
    square = np.zeros((side, side), np.float32)
    square[top:top + cut.shape[0], left:left + cut.shape[1]] = cut
    return cv2.resize(square, (OUTLINE, OUTLINE), interpolation=cv2.INTER_AREA)


TEMPLATES = [(shape, normal(world.outline(i, size) > 0.5)) for i, shape in enumerate(world.SHAPES) for size in range(3)]
COLOURS = lab(np.array(list(world.COLOURS.values())))
BACKGROUNDS = np.array(list(world.BACKGROUNDS.values()))


def background(picture: np.ndarray) -> int:
    edge = np.concatenate([picture[0], picture[-1], picture[:, 0], picture[:, -1]])
    return int(np.abs(BACKGROUNDS - np.median(edge, 0)).sum(1).argmin())


def things(picture: np.ndarray) -> tuple[str, list[Thing]]:
    """Background and things, in reading order, of an RGB picture [S, S, 3] of any size."""
    if picture.shape[0] != world.SIDE:
        picture = cv2.resize(picture, (world.SIDE, world.SIDE), interpolation=cv2.INTER_AREA)
    edge = np.concatenate([picture[0], picture[-1], picture[:, 0], picture[:, -1]])
    ground = np.median(edge, 0)
    difference = np.linalg.norm(lab(picture.reshape(-1, 3)) - lab(ground[None]), axis=1).reshape(world.SIDE, world.SIDE)
    # Grown by a pixel: what noise has torn belongs together, and things stand further apart.
    mask = (difference > CONTRAST).astype(np.uint8)
    count, labels, stats, centres = cv2.connectedComponentsWithStats(mask, connectivity=8)
    found = []
    for i in range(1, count):
        if stats[i, cv2.CC_STAT_AREA] < LEAST_AREA:
            continue
        own = labels == i
        column, row = stats[i, 0] + stats[i, 2] / 2, stats[i, 1] + stats[i, 3] / 2
        inner = cv2.erode(own.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
        sample = picture[inner if inner.sum() >= 6 else own]
        colour = np.linalg.norm(COLOURS - lab(np.median(sample, 0)[None]), axis=1).argmin()
        outline = normal(own)
        score = [float(np.minimum(outline, t).sum() / np.maximum(outline, t).sum()) for _, t in TEMPLATES]
        at = [int(np.abs(np.array(world.CENTRES) - x).argmin()) for x in (row - 0.5, column - 0.5)]
        found.append(Thing(TEMPLATES[int(np.argmax(score))][0], world.COLOUR_NAMES[colour], 3 * at[0] + at[1]))
    return list(world.BACKGROUNDS)[background(picture)], sorted(found, key=lambda thing: thing.place)


def expected(codes: np.ndarray) -> tuple[str, list[Thing]]:
    """The same of the codes of a scene."""
    return (list(world.BACKGROUNDS)[int(codes[0])],
            [Thing(world.SHAPES[s], world.COLOUR_NAMES[c], place) for place, s, c, _ in world.things(codes)])


def read(path) -> np.ndarray:
    return cv2.cvtColor(cv2.imread(str(path), cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
