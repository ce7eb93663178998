"""Measures the text models on held-out renderings: fonts and words that training never saw.

    python3 evaluate.py render --cache CACHE FOLDER          # scenes as JPEG, and what they say as truth.json
    python3 evaluate.py stream FOLDER ws://127.0.0.1:8000    # through a running daemon's yolo_ocr; prints the figures
    python3 evaluate.py crops --cache CACHE text_reader.pt   # the reader alone, on crops cut by the truth
    python3 evaluate.py fixture --cache CACHE text.jpg       # the picture of the tests: five lines, two of them slanting

A found line counts when its outline overlaps a true one's by at least half (intersection over union of the turned boxes;
the figure for upright boxes is printed beside). Character error rate is the Levenshtein distance over the true length,
summed over lines.
"""

import argparse
import json
import pathlib
import random

import cv2
import numpy as np

import fonts
import render
import words

SEED = 99
SCENES = 250
CROPS = 2000
MOST_LINES = 6
LEAST_OVERLAP = 0.5


def main() -> None:
    """The program."""
    arguments = argparse.ArgumentParser()
    commands = arguments.add_subparsers(dest="command", required=True)
    command = commands.add_parser("render")
    command.add_argument("--cache", type=pathlib.Path, required=True)
    command.add_argument("folder", type=pathlib.Path)
    command = commands.add_parser("stream")
    command.add_argument("folder", type=pathlib.Path)
    command.add_argument("server")
    command = commands.add_parser("crops")
    command.add_argument("--cache", type=pathlib.Path, required=True)
    command.add_argument("model", type=pathlib.Path)
    command = commands.add_parser("fixture")
    command.add_argument("--cache", type=pathlib.Path, required=True)
    command.add_argument("file", type=pathlib.Path)
    given = arguments.parse_args()
    cv2.setNumThreads(1)
    if given.command == "render":
        render_scenes(given.cache, given.folder)
    elif given.command == "stream":
        truth = json.loads((given.folder / "truth.json").read_text())
        score(truth, stream(given.folder, given.server, list(truth)))
    elif given.command == "crops":
        read_crops(given.cache, given.model)
    else:
        fixture(given.cache, given.file)


def render_scenes(cache: pathlib.Path, folder: pathlib.Path) -> None:
    """Scenes of 640x480 with 1 to 6 lines, as JPEGs of quality 60 to 95."""
    fonts.fetch(cache)
    folder.mkdir(parents=True, exist_ok=True)
    renderer = render.Renderer(cache, SEED, held_out=True)
    quality = random.Random(SEED)
    truth = {}
    while len(truth) < SCENES:
        picture, lines = renderer.scene(most=MOST_LINES)
        if not lines:
            continue
        name = f"{len(truth):04d}.jpg"
        cv2.imwrite(str(folder / name), picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality.randint(60, 95)])
        truth[name] = [{"polygon": line.corners.tolist(), "text": line.text, "jumble": line.jumble} for line in lines]
    (folder / "truth.json").write_text(json.dumps(truth))
    print(f"{len(truth)} scenes, {sum(map(len, truth.values()))} lines")


def fixture(cache: pathlib.Path, file: pathlib.Path) -> None:
    """Five lines of known text on a background, in five held-out families."""
    fonts.fetch(cache)
    renderer = render.Renderer(cache, SEED, held_out=True, backgrounds=8)
    picture = renderer.backgrounds[1].copy()
    for text, family, size, degrees, centre in (
        ("Platform 9", "fonts-inter/Inter-Bold.otf", 48, 0, (190, 50)),
        ("Next train 14:35", "fonts-roboto-unhinted/Roboto-Regular.ttf", 30, 0, (180, 130)),
        ("Gate B12 closed", "fonts-sil-gentium/Gentium-R.ttf", 34, -8, (330, 225)),
        ("TICKETS", "fonts-jetbrains-mono/JetBrainsMono-Medium.ttf", 40, 12, (480, 320)),
        ("Total: 12.50", "fonts-linuxlibertine/LinLibertine_RB.otf", 36, 0, (170, 420)),
    ):
        package, name = family.split("/")
        renderer.write(picture, text, next((cache / package).rglob(name)), size, degrees, centre)
    cv2.imwrite(str(file), picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 80])


def stream(folder: pathlib.Path, server: str, names: list[str]) -> dict[str, list[dict]]:
    """What the daemon finds: the detections of each picture."""
    from websockets.sync.client import connect

    found = {}
    with connect(f"{server}/ws/video/stream?pipeline_id=yolo_ocr", max_size=None) as socket:
        for name in names:
            socket.send((folder / name).read_bytes())
            while "result" not in (message := json.loads(socket.recv())):
                if "error" in message:
                    raise SystemExit(f"{name}: {message}")
            found[name] = message["result"]["detections"]
    return found


def score(truth: dict[str, list[dict]], found: dict[str, list[dict]]) -> None:
    """Prints precision, recall and F1 of the outlines, and the character error rates."""
    for kind, outline in (("turned", turned), ("upright", upright)):
        hits = lines = detections = 0
        read = {"all lines": Errors(), "without the jumbles": Errors(), "jumbles": Errors()}
        for name, expected in truth.items():
            pairs = dict(match([outline(line) for line in expected], [outline(line) for line in found[name]]))
            hits, lines, detections = hits + len(pairs), lines + len(expected), detections + len(found[name])
            for at, line in enumerate(expected):
                for group in ("all lines", "jumbles" if line["jumble"] else "without the jumbles"):
                    read[group].add(line["text"], found[name][pairs[at]]["text"] if at in pairs else None)
        precision, recall = hits / max(detections, 1), hits / max(lines, 1)
        f1 = 2 * precision * recall / max(precision + recall, 1e-9)
        print(f"{kind} boxes: {lines} lines, precision {precision:.3f}, recall {recall:.3f}, F1 {f1:.3f} at IoU {LEAST_OVERLAP}")
        for group, errors in read.items():
            print(f"  {group}: {errors}")


class Errors:
    """Mistakes in what was read, of lines that were found and of all."""

    def __init__(self) -> None:
        self.lines = self.whole = self.errors = self.length = self.missed = 0

    def add(self, expected: str, read: str | None) -> None:
        """Counts a line; None is one that was not found."""
        if read is None:
            self.missed += len(expected)
        else:
            self.lines, self.whole = self.lines + 1, self.whole + (expected == read)
            self.errors, self.length = self.errors + distance(expected, read), self.length + len(expected)

    def __str__(self) -> str:
        all_errors, all_length = self.errors + self.missed, self.length + self.missed
        return (f"character error rate {100 * self.errors / max(self.length, 1):.2f} % on {self.lines} found lines, "
                f"{100 * all_errors / max(all_length, 1):.2f} % with those that were missed; "
                f"{100 * self.whole / max(self.lines, 1):.1f} % of the found ones without a mistake")


def read_crops(cache: pathlib.Path, model: pathlib.Path) -> None:
    """The reader alone, on crops that are cut out a little off the truth, as the daemon pads them."""
    import torch

    fonts.fetch(cache)
    torch.set_num_threads(1)
    module = torch.jit.load(str(model))
    renderer = render.Renderer(cache, SEED + 1, held_out=True)
    read = Errors()
    with torch.no_grad():
        for _ in range(CROPS):
            crop, text = renderer.crop()
            width = next(width for width in WIDTHS if width >= crop.shape[1])
            padded = np.full((render.CROP_HEIGHT, width), round(crop.mean()), np.float32)
            padded[:, : crop.shape[1]] = crop
            rows = module(torch.from_numpy(padded / 255).expand(1, 3, -1, -1))[0].argmax(1).tolist()
            read.add(text, decode(rows))
    print(read)


# As `widths` of config/pipelines/yolo_ocr.toml.
WIDTHS = (96, 160, 256, 384, 512)


def decode(classes: list[int]) -> str:
    """The text of the likeliest classes: runs are one, class 0 is nothing."""
    kept = [now for before, now in zip([0, *classes], classes) if now != before and now]
    return "".join(words.ALPHABET[at - 1] for at in kept).strip()


def turned(line: dict) -> np.ndarray:
    """A line's four corners."""
    return np.array(line["polygon"], np.float32)


def upright(line: dict) -> np.ndarray:
    """The corners of the upright box about a line."""
    (left, top), (right, bottom) = turned(line).min(0), turned(line).max(0)
    return np.array([[left, top], [right, top], [right, bottom], [left, bottom]], np.float32)


def overlap(one: np.ndarray, other: np.ndarray) -> float:
    """Intersection over union of two convex outlines."""
    both, _ = cv2.intersectConvexConvex(one, other)
    return both / max(cv2.contourArea(one) + cv2.contourArea(other) - both, 1e-6)


def match(expected: list[np.ndarray], found: list[np.ndarray]) -> list[tuple[int, int]]:
    """Pairs that overlap enough, best first, each outline in one pair at most."""
    overlaps = sorted(((overlap(one, other), at, by) for at, one in enumerate(expected) for by, other in enumerate(found)), reverse=True)
    pairs: list[tuple[int, int]] = []
    for value, at, by in overlaps:
        if value >= LEAST_OVERLAP and all(at != pair[0] and by != pair[1] for pair in pairs):
            pairs.append((at, by))
    return pairs


def distance(one: str, other: str) -> int:
    """Levenshtein's: insertions, deletions and replacements from one to the other."""
    row = list(range(len(other) + 1))
    for at, letter in enumerate(one, 1):
        before, row[0] = row[0], at
        for by, candidate in enumerate(other, 1):
            before, row[by] = row[by], min(row[by] + 1, row[by - 1] + 1, before + (letter != candidate))
    return row[-1]


if __name__ == "__main__":
    main()
