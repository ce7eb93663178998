"""Trains the text detector on scenes of `prepare.py` and exports it.

    python3 train_detector.py SCENES.npz --out text_detector.pt
"""

import pathlib

import cv2
import numpy as np
import torch
from torch.nn.functional import binary_cross_entropy_with_logits

import nets
import render
import training

SIDE = 320
# The middle of a line that the map marks: its area is about this part, squared, of the line's (Liao et al., 2020).
SHRINK = 0.7
# Lines lower than this are neither asked for nor held against the detector.
LOWEST = 9.0


class Scenes:
    """Square pieces of the scenes at random scales, with what the map should show and where it counts."""

    def __init__(self, path: pathlib.Path, seed: int):
        data = np.load(path)
        self.pictures, many = data["pictures"], data["many"]
        self.corners = np.split(data["corners"], np.cumsum(many)[:-1])
        self.rng = np.random.default_rng(seed)

    def batch(self, size: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Pictures `[size, 3, 320, 320]`, targets and weights `[size, 1, 160, 160]`."""
        pictures = np.empty((size, SIDE, SIDE, 3), np.uint8)
        target, weight = np.zeros((size, SIDE // 2, SIDE // 2), np.float32), np.ones((size, SIDE // 2, SIDE // 2), np.float32)
        for at in range(size):
            self._piece(pictures[at], target[at], weight[at])
        tensor = torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 255
        return tensor.contiguous(memory_format=torch.channels_last), torch.from_numpy(target)[:, None], torch.from_numpy(weight)[:, None]

    def _piece(self, picture: np.ndarray, target: np.ndarray, weight: np.ndarray) -> None:
        rng = self.rng
        index = rng.integers(len(self.pictures))
        whole, corners = self.pictures[index], self.corners[index]
        scale = np.exp(rng.uniform(np.log(0.7), np.log(1.5)))
        side = min(int(SIDE / scale), 480)
        scale = SIDE / side
        # Often about a line, since much of a scene is empty.
        if len(corners) and rng.random() < 0.6:
            middle = corners[rng.integers(len(corners))].mean(0) + rng.uniform(-side / 2, side / 2, 2)
            x, y = np.clip(middle - side / 2, 0, [640 - side, 480 - side]).astype(int)
        else:
            x, y = rng.integers(0, 641 - side), rng.integers(0, 481 - side)
        method = cv2.INTER_AREA if scale < 1 and rng.random() < 0.5 else cv2.INTER_LINEAR
        piece = cv2.resize(whole[y:y + side, x:x + side], (SIDE, SIDE), interpolation=method)
        corners = (corners - [x, y]) * scale
        if rng.random() < 0.3:
            piece, corners = piece[:, ::-1], np.stack([SIDE - corners[..., 0], corners[..., 1]], -1)[:, [1, 0, 3, 2]]
        tint = rng.uniform(0.7, 1.25, 3) if rng.random() < 0.5 else rng.uniform(0.7, 1.25)
        mix = piece * tint + rng.uniform(-30, 30)
        if rng.random() < 0.25:
            mix = 255 - mix
        if rng.random() < 0.15:
            mix = np.repeat(mix.mean(2, keepdims=True), 3, 2)
        picture[:] = mix.clip(0, 255)
        for line in corners:
            high, wide = np.linalg.norm(line[3] - line[0]), np.linalg.norm(line[1] - line[0])
            inset = high * wide * (1 - SHRINK**2) / (2 * (high + wide))
            if min(high, wide) < LOWEST:
                _fill(weight, render.grown(line, 2, 2), 0)
            else:
                _fill(target, render.grown(line, -inset, -inset), 1)


def _fill(canvas: np.ndarray, corners: np.ndarray, value: float) -> None:
    # Half the size; sixteenths of a pixel; OpenCV's pixels have their centres at whole numbers.
    points = ((corners / 2 - 0.5) * 16).round().astype(np.int32)
    cv2.fillConvexPoly(canvas, points, value, cv2.LINE_8, 4)


def loss_of(logits: torch.Tensor, target: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Cross entropy, of the background only the three hardest pixels for each of the text, and the dice loss."""
    entropy = binary_cross_entropy_with_logits(logits, target, reduction="none") * weight
    positive = target * weight
    text = positive.sum()
    hardest = int(min(3 * text.item() + 2000, entropy.numel() / 2))
    background = (entropy * (1 - target)).flatten().topk(hardest).values.sum()
    balanced = ((entropy * target).sum() + background) / (text + hardest)
    guess = torch.sigmoid(logits) * weight
    dice = 1 - (2 * (guess * positive).sum() + 1) / (guess.sum() + text + 1)
    return balanced + dice


def main() -> None:
    """The program."""
    arguments = training.options(steps=8000, rate=3e-3, seed=20)
    arguments.add_argument("scenes", type=pathlib.Path)
    arguments.add_argument("--batch", type=int, default=8)
    given = arguments.parse_args()
    training.start(given.seed)
    scenes = Scenes(given.scenes, given.seed)
    net = nets.Detector().to(memory_format=torch.channels_last)

    def loss_of_a_batch() -> torch.Tensor:
        pictures, target, weight = scenes.batch(given.batch)
        with torch.autocast("cpu", torch.bfloat16):
            logits = net.logits(pictures)
        return loss_of(logits.float(), target, weight)

    training.train(net, given, decay=0.01, loss_of_a_batch=loss_of_a_batch)


if __name__ == "__main__":
    main()
