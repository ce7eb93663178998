"""Renders the training set into a folder, once: scenes for the detector and crops for the reader.

    python3 prepare.py --cache CACHE scenes --seed 1 --count 5000 OUT.npz
    python3 prepare.py --cache CACHE crops --seed 2 --count 45000 OUT.npz
"""

import argparse
import pathlib
import time

import cv2
import numpy as np

import fonts
import render


def main() -> None:
    """The program."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--cache", type=pathlib.Path, required=True)
    arguments.add_argument("--seed", type=int, required=True)
    arguments.add_argument("--count", type=int, required=True)
    arguments.add_argument("what", choices=("scenes", "crops"))
    arguments.add_argument("out", type=pathlib.Path)
    given = arguments.parse_args()
    cv2.setNumThreads(1)
    fonts.fetch(given.cache)
    renderer = render.Renderer(given.cache, given.seed)
    (scenes if given.what == "scenes" else crops)(renderer, given.count, given.out)
    print(f"{given.count} {given.what}: {time.process_time():.0f} s of CPU")


def scenes(renderer: render.Renderer, count: int, out: pathlib.Path) -> None:
    """Pictures `[count, 480, 640, 3]`, and the corners of all lines with the number of lines of each picture."""
    pictures = np.empty((count, 480, 640, 3), np.uint8)
    corners, many = [], []
    for at in range(count):
        pictures[at], lines = renderer.scene()
        corners += [line.corners for line in lines]
        many.append(len(lines))
    np.savez(out, pictures=pictures, corners=np.array(corners, np.float32), many=np.array(many))


def crops(renderer: render.Renderer, count: int, out: pathlib.Path) -> None:
    """Grey crops one after another, each `[32, width]`; their widths and texts."""
    pictures, widths, texts = [], [], []
    for _ in range(count):
        crop, text = renderer.crop()
        pictures.append(crop.ravel())
        widths.append(crop.shape[1])
        texts.append(text)
    np.savez(out, pixels=np.concatenate(pictures), widths=np.array(widths), texts=np.array(texts))


if __name__ == "__main__":
    main()
