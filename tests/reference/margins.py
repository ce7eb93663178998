"""Chooses thresholds at which no answer hangs by a thread.

Two correct programs differ in the last bits (another JPEG decoder, another order of additions). A golden file is of use
only where such a difference cannot turn a box on or off: no score within `SCORE` of the threshold, and for each box that
non-maximum suppression removes, one that removes it with `OVERLAP` to spare, and for each that it keeps, none that nearly
would.
"""

from itertools import product

import numpy as np

SCORE = 0.01
OVERLAP = 0.02
# Scores near 1 lie close together whatever the network thinks, so which is higher is asked of what sigmoid got.
LOGIT = 0.1
# Boxes per picture: enough that suppression has work, few enough for a small file.
FEWEST, MOST = 10, 80


def overlaps(boxes: np.ndarray) -> np.ndarray:
    """Intersection over union of every pair of `x1 y1 x2 y2`."""
    upper = np.maximum(boxes[:, None, :2], boxes[None, :, :2])
    lower = np.minimum(boxes[:, None, 2:], boxes[None, :, 2:])
    shared = np.clip(lower - upper, 0, None).prod(-1)
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(-1)
    return shared / (areas[:, None] + areas[None, :] - shared + 1e-9)


def logit(scores: np.ndarray) -> np.ndarray:
    """What sigmoid made these of."""
    scores = np.clip(scores.astype(np.float64), 1e-9, 1 - 1e-9)
    return np.log(scores / (1 - scores))


def survivors(boxes: np.ndarray, scores: np.ndarray, classes: np.ndarray, limit: float) -> np.ndarray | None:
    """The indices that greedy suppression within classes keeps; None where a small difference could change them."""
    order = np.argsort(-scores, kind="stable")
    overlap = overlaps(boxes) * (classes[:, None] == classes[None, :])
    logits = logit(scores)
    kept: list[int] = []
    for index in order:
        against = overlap[index, kept] if kept else np.zeros(0)
        sure = [at for at, value in zip(kept, against) if value > limit + OVERLAP and logits[at] > logits[index] + LOGIT]
        if sure:
            continue
        # Nobody removes it for sure: then nobody may come near doing so.
        if (against > limit - OVERLAP).any():
            return None
        kept.append(int(index))
    return np.array(kept, dtype=int)


def choose(boxes: np.ndarray, scores: np.ndarray, shares: np.ndarray | None = None) -> tuple[float, float, int] | None:
    """Score threshold, overlap limit and number of boxes for candidates with `scores` `[N, classes]`; None where none is safe.

    Where a score is more than what sigmoid made of one number, `shares` are those of the classes alone.
    """
    best, classes = scores.max(1), scores.argmax(1)
    first_two = logit(np.sort(scores if shares is None else shares, axis=1)[:, -2:])
    lead = first_two[:, 1] - first_two[:, 0]
    # The usual values first.
    thresholds = sorted(np.arange(0.1, 0.9, 0.005), key=lambda value: abs(value - 0.25))
    for limit, threshold in product((0.45, 0.7, 0.6, 0.5, 0.4, 0.3), thresholds):
        if (np.abs(best - threshold) < SCORE).any():
            continue
        passing = best > threshold
        if not FEWEST <= passing.sum() <= 4 * MOST or (lead < LOGIT)[passing].any():
            continue
        kept = survivors(boxes[passing], best[passing], classes[passing], limit)
        if kept is not None and FEWEST <= len(kept) <= MOST and passing.sum() >= len(kept) + 3:
            return round(float(threshold), 3), limit, len(kept)
    return None


def choose_score(scores: np.ndarray) -> tuple[float, float, int] | None:
    """The same for a model that suppresses nothing: the overlap limit has no effect."""
    for threshold in sorted(np.arange(0.05, 0.9, 0.005), key=lambda value: abs(value - 0.25)):
        passing = int((scores > threshold).sum())
        if FEWEST <= passing <= MOST and (np.abs(scores - threshold) >= SCORE).all():
            return round(float(threshold), 3), 0.7, passing
    return None
