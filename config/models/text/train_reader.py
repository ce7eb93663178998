"""Trains the reader on crops of `prepare.py` and exports it.

    python3 train_reader.py CROPS.npz… --out text_reader.pt
"""

import pathlib

import cv2
import numpy as np
import torch

import nets
import training
import words

HEIGHT = 32
# Pixels of a batch's crops together: as many narrow ones as make up for few wide ones.
AREA_WIDTH = 32 * 256
WIDTHS = (96, 160, 256, 384, 512)


class Crops:
    """The crops in batches of similar widths, changed a little every time."""

    def __init__(self, paths: list[pathlib.Path], seed: int):
        self.rng = np.random.default_rng(seed)
        index = {letter: at + 1 for at, letter in enumerate(words.ALPHABET)}
        self.crops, self.labels = [], []
        for path in paths:
            data = np.load(path)
            pixels, widths, texts = data["pixels"], data["widths"], data["texts"]
            at = 0
            for width, text in zip(widths, texts, strict=True):
                self.crops.append(pixels[at:at + HEIGHT * width].reshape(HEIGHT, width))
                self.labels.append([index[letter] for letter in str(text)])
                at += HEIGHT * int(width)

    def batches(self):
        """Batches without end: grey `[N, 1, 32, W]`, labels one after another, and their lengths."""
        rng = self.rng
        while True:
            # Sorted by width up to a jitter, so that a batch's crops are alike but not always the same ones.
            order = np.argsort([crop.shape[1] * rng.uniform(0.85, 1.15) for crop in self.crops])
            groups, start = [], 0
            while start < len(order):
                width = self.crops[order[start]].shape[1]
                count = int(np.clip(AREA_WIDTH // max(width, 32), 8, 128))
                groups.append(order[start:start + count])
                start += count
            for at in rng.permutation(len(groups)):
                yield self._batch(groups[at])

    def _batch(self, members: np.ndarray) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        rng = self.rng
        changed = [self._changed(self.crops[at]) for at in members]
        width = max(crop.shape[1] for crop in changed)
        if rng.random() < 0.3:
            width = next((fixed for fixed in WIDTHS if fixed >= width), width)
        width = min(-(-width // 16) * 16, max(WIDTHS))
        grey = np.empty((len(members), 1, HEIGHT, width), np.float32)
        for row, crop in zip(grey, changed, strict=True):
            crop = crop[:, :width]
            row[0] = crop.mean()
            row[0, :, : crop.shape[1]] = crop
        labels = [self.labels[at] for at in members]
        flat = torch.tensor([label for line in labels for label in line])
        return torch.from_numpy(grey / 255), flat, torch.tensor([len(line) for line in labels])

    def _changed(self, crop: np.ndarray) -> np.ndarray:
        rng = self.rng
        if rng.random() < 0.6:
            width = int(np.clip(crop.shape[1] * np.exp(rng.uniform(-0.2, 0.2)), 8, max(WIDTHS)))
            crop = cv2.resize(crop, (width, HEIGHT), interpolation=cv2.INTER_LINEAR)
        if rng.random() < 0.3:
            rows = np.clip(np.arange(HEIGHT) * rng.uniform(0.9, 1.1) + rng.uniform(-2, 2), 0, HEIGHT - 1).astype(int)
            crop = crop[rows]
        crop = crop.astype(np.float32)
        if rng.random() < 0.3:
            crop = 255 * (crop / 255) ** rng.uniform(0.6, 1.6)
        if rng.random() < 0.2:
            crop = cv2.GaussianBlur(crop, (0, 0), rng.uniform(0.3, 1.0))
        if rng.random() < 0.3:
            crop = crop + rng.standard_normal(crop.shape, dtype=np.float32) * rng.uniform(1, 10)
        return 255 - crop if rng.random() < 0.5 else crop


def main() -> None:
    """The program."""
    arguments = training.options(steps=20000, rate=2e-3, seed=21)
    arguments.add_argument("crops", type=pathlib.Path, nargs="+")
    given = arguments.parse_args()
    training.start(given.seed)
    batches = Crops(given.crops, given.seed).batches()
    net = nets.Reader(len(words.ALPHABET)).to(memory_format=torch.channels_last)
    criterion = torch.nn.CTCLoss(zero_infinity=True)

    def loss_of_a_batch() -> torch.Tensor:
        grey, labels, lengths = next(batches)
        with torch.autocast("cpu", torch.bfloat16):
            logits = net.logits(grey)
        likely = torch.log_softmax(logits.float(), 2).transpose(0, 1)
        steps = torch.full((len(lengths),), likely.shape[0])
        return criterion(likely, labels, steps, lengths)

    training.train(net, given, decay=0.02, loss_of_a_batch=loss_of_a_batch)


if __name__ == "__main__":
    main()
