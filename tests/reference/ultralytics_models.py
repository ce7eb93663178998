"""YOLO detectors and a segmenter: made by ultralytics from its own architecture files at an eighth of their width, answered
by its own predictor.

The narrowed description differs from the package's in `width` and the number of classes only, so every layer, the head and
the export are the package's.
"""

import os
import shutil
import tempfile
from pathlib import Path

import cv2
import numpy as np
import torch
import yaml

os.environ.setdefault("YOLO_OFFLINE", "true")  # nothing is asked of the network

from ultralytics import YOLO, __version__  # noqa: E402
from ultralytics.data.augment import LetterBox  # noqa: E402
from ultralytics.nn import tasks  # noqa: E402

import margins  # noqa: E402
import pictures  # noqa: E402
import weights  # noqa: E402

PREDICTOR = f"ultralytics {__version__}"
CLASSES = ["round", "flat", "long", "dark", "light"]
SIZES = (320, 640)
# The share of scores over 0.25, before suppression.
PASSING = {320: 0.004, 640: 0.001}
# name -> (architecture file, the format that the daemon calls it)
MODELS = {
    "yolov8n": ("yolov8n.yaml", "yolo"),
    "yolo11n": ("yolo11n.yaml", "yolo"),
    "yolov10n": ("yolov10n.yaml", "yolo-end2end"),
    "yolo26n": ("yolo26n.yaml", "yolo-end2end"),
    "yolov8n-seg": ("yolov8n-seg.yaml", "yolo"),
}


def model_file(name: str, size: int) -> str:
    """The file of an export."""
    return f"{name}-{size}.torchscript"


def task(name: str) -> str:
    """What ultralytics calls what this model does."""
    return "segment" if name.endswith("-seg") else "detect"


def end2end(name: str) -> bool:
    """Whether its head needs no suppression."""
    return MODELS[name][1] == "yolo-end2end"


def inputs(size: int) -> torch.Tensor:
    """Every picture as the predictor feeds it to an exported model."""
    letterbox = LetterBox((size, size), auto=False)
    boxed = [letterbox(image=cv2.imread(str(path)))[..., ::-1].transpose(2, 0, 1) for path in pictures.paths()]
    return torch.from_numpy(np.ascontiguousarray(np.stack(boxed))).float() / 255


def build(name: str, size: int, seed: int, folder: Path) -> YOLO:
    """A network of this architecture with the weights of this seed, for pictures of this size."""
    architecture = tasks.yaml_model_load(MODELS[name][0])
    architecture["scales"] = {"n": [0.33, 0.125, 1024]}
    architecture["nc"] = len(CLASSES)
    narrowed = folder / MODELS[name][0]
    narrowed.write_text(yaml.safe_dump(architecture))
    torch.manual_seed(seed)
    yolo = YOLO(narrowed, task=task(name), verbose=False)
    network = yolo.model.eval()
    network.end2end = end2end(name)
    head = network.model[-1]
    weights.see_little_colour(next(module for module in network.modules() if isinstance(module, torch.nn.Conv2d)))
    if task(name) == "segment":
        weights.blur([head.proto.cv1.conv, head.proto.upsample, head.proto.cv2.conv])
    sample = inputs(size)
    run = lambda: network(sample)  # noqa: E731
    weights.normalise(network, run)
    boxes = [branch[-1] for branch in (head.one2one_cv2 if end2end(name) else head.cv2)]
    scores = [branch[-1] for branch in (head.one2one_cv3 if end2end(name) else head.cv3)]
    weights.spread(boxes, run, 1.5)
    with torch.no_grad():
        for layer in boxes:
            # Sides of a few strides, so that neighbours overlap more or less: each side is the mean bin of a softmax, or
            # without bins the answer itself.
            slope = -0.3 * torch.arange(head.reg_max) if head.reg_max > 1 else torch.tensor([2.0])
            layer.bias.add_(slope.repeat(4))
    weights.spread(scores, run, 5.0)
    weights.let_pass(scores, run, PASSING[size])
    if task(name) == "segment":
        weights.spread([branch[-1] for branch in head.cv4], run, 1.0)
    network.names = dict(enumerate(CLASSES))
    return yolo


def export(name: str, size: int, seed: int, folder: Path) -> None:
    """Writes the model into `folder`."""
    with tempfile.TemporaryDirectory() as scratch:
        yolo = build(name, size, seed, Path(scratch))
        # nms=False keeps the head that needs no suppression, where the architecture has one.
        nms = {"nms": False} if end2end(name) else {}
        written = yolo.export(format="torchscript", imgsz=size, device="cpu", verbose=False, **nms)
        shutil.move(written, folder / model_file(name, size))


def candidates(output: torch.Tensor, name: str) -> tuple[np.ndarray, np.ndarray]:
    """The boxes and the scores of all classes of one picture's raw answer."""
    if end2end(name):
        rows = output.numpy()
        scores = np.zeros((len(rows), len(CLASSES)))
        scores[np.arange(len(rows)), rows[:, 5].astype(int)] = rows[:, 4]
        return rows[:, :4], scores
    rows = output.T.numpy()
    middle, half = rows[:, :2], rows[:, 2:4] / 2
    return np.concatenate([middle - half, middle + half], 1), rows[:, 4:4 + len(CLASSES)]


def settings(name: str, size: int, network) -> list[dict] | None:
    """Thresholds for each picture at which no answer hangs by a thread; None where a picture has none."""
    chosen = []
    with torch.no_grad():
        output = network(inputs(size))
    while isinstance(output, tuple):
        output = output[0]
    for answer in output:
        boxes, scores = candidates(answer, name)
        found = margins.choose_score(scores.max(1)) if end2end(name) else margins.choose(boxes, scores)
        if found is None:
            return None
        chosen.append({"score_threshold": found[0], "iou_threshold": found[1]})
    return chosen


def golden(name: str, size: int, seed: int, folder: Path, chosen: list[dict]) -> dict:
    """What the package's own predictor finds on every picture with these thresholds."""
    yolo = YOLO(folder / model_file(name, size), task=task(name))
    yolo.overrides["imgsz"] = size
    cases = []
    for path, one in zip(pictures.paths(), chosen):
        variants = [{}]
        if name == "yolov8n":
            variants += [{"classes": [0, 3]}, {"max_detections": 5}]
        for variant in variants:
            result = yolo.predict(
                path, imgsz=size, conf=one["score_threshold"], iou=one["iou_threshold"], device="cpu", verbose=False,
                classes=variant.get("classes"), max_det=variant.get("max_detections", 300),
            )[0]
            detections = [
                {"box": [round(value, 3) for value in box], "score": round(score, 5), "class_id": int(label)}
                for box, score, label in zip(result.boxes.xyxy.tolist(), result.boxes.conf.tolist(), result.boxes.cls.tolist())
            ]
            if result.masks is not None:
                masks = [to_frame(mask, result.orig_shape) for mask in result.masks.data.numpy()]
                for detection, mask in zip(detections, masks):
                    detection["mask"] = run_lengths(mask > 0.5)
            cases.append({"picture": path.name, **one, **variant, "detections": detections})
    return {
        "model": model_file(name, size), "seed": seed, "kind": task(name),
        "format": MODELS[name][1], "input_size": [size, size], "labels": CLASSES, "predictor": PREDICTOR, "cases": cases,
    }


def to_frame(mask: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """A mask of the input's size in its frame: for each pixel there the one under its middle.

    By the same scale and border as the package takes boxes and outlines (`Masks.xy`) to the frame.
    """
    size, scale = np.array(mask.shape), min(np.array(mask.shape) / shape)
    border = np.round((size - np.round(np.array(shape) * scale)) / 2 - 0.1)
    rows, columns = (((np.arange(side) + 0.5) * scale + before).astype(int) for side, before in zip(shape, border))
    return mask[np.ix_(rows.clip(0, size[0] - 1), columns.clip(0, size[1] - 1))]


def run_lengths(mask: np.ndarray) -> list[int]:
    """Lengths of the runs down the columns, beginning with pixels outside, as COCO counts them."""
    flat = np.concatenate([[False], mask.T.flatten(), [False]])
    turns = np.flatnonzero(flat[1:-1] != flat[:-2])
    return np.diff(np.concatenate([[0], turns, [mask.size]])).tolist()
