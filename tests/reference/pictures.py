"""Draws the pictures that the reference is asked about: landscape, portrait and greyscale, none a multiple of an input size.

Seeded, but committed all the same: another OpenCV may write other JPEG bytes.
"""

from pathlib import Path

import cv2
import numpy as np

FOLDER = Path(__file__).parent / "pictures"

# name -> (width, height, seed, grey)
PICTURES = {
    "landscape.jpg": (631, 407, 1, False),
    "portrait.jpg": (379, 557, 2, False),
    "grey.jpg": (500, 333, 3, True),
}


def draw(width: int, height: int, seed: int) -> np.ndarray:
    """A picture with slopes, edges, round and sharp things of many sizes, and some grain; BGR."""
    random = np.random.default_rng(seed)
    down, across = np.mgrid[0:height, 0:width].astype(np.float32)
    base = np.stack([128 + 100 * np.sin(across / random.uniform(40, 120) + down / random.uniform(40, 120) + phase)
                     for phase in random.uniform(0, 6, 3)], axis=-1)
    picture = np.clip(base, 0, 255).astype(np.uint8)
    for number in range(70):
        colour = tuple(int(value) for value in random.integers(0, 256, 3))
        x, y = int(random.integers(0, width)), int(random.integers(0, height))
        size = int(random.integers(6, 90))
        filled = -1 if number % 3 else 2
        match number % 4:
            case 0:
                cv2.rectangle(picture, (x, y), (x + size, y + int(size * random.uniform(0.4, 1.6))), colour, filled)
            case 1:
                cv2.circle(picture, (x, y), size // 2, colour, filled, cv2.LINE_AA)
            case 2:
                cv2.ellipse(picture, (x, y), (size // 2, size // 4), float(random.uniform(0, 180)), 0, 360, colour, filled)
            case _:
                cv2.putText(picture, "R7", (x, y), cv2.FONT_HERSHEY_SIMPLEX, size / 30, colour, 2, cv2.LINE_AA)
    grain = random.normal(0, 4, picture.shape)
    return np.clip(picture + grain, 0, 255).astype(np.uint8)


def make() -> None:
    """Writes every picture."""
    FOLDER.mkdir(exist_ok=True)
    for name, (width, height, seed, grey) in PICTURES.items():
        picture = draw(width, height, seed)
        if grey:
            picture = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
        cv2.imwrite(str(FOLDER / name), picture, [cv2.IMWRITE_JPEG_QUALITY, 88])


def paths() -> list[Path]:
    """The pictures, in the order of the table."""
    return [FOLDER / name for name in PICTURES]


if __name__ == "__main__":
    make()
