"""A YOLOv5 detector with its own head, `[B, N, 5 + classes]`: made by the package `yolov5` from its own architecture file at an
eighth of its width.

ultralytics' package gives YOLOv5 the head of v8; the older package still has the head that exports in the field have. Its
predictor is a script (`detect`), so here its steps stand one after the other, each the package's function.
"""

from pathlib import Path

import cv2
import numpy as np
import torch
import yaml
import yolov5
from yolov5.models.yolo import DetectionModel
from yolov5.utils.augmentations import letterbox
from yolov5.utils.general import non_max_suppression, scale_boxes

import margins
import pictures
import weights

PREDICTOR = f"yolov5 {yolov5.__version__}"
CLASSES = ["round", "flat", "long", "dark", "light"]
SIZES = (320, 640)
NAME = "yolov5n"
PASSING = {320: 0.0014, 640: 0.0004}


def model_file(name: str, size: int) -> str:
    """The file of an export."""
    return f"{name}-{size}.pt"


def inputs(size: int) -> torch.Tensor:
    """Every picture as the package feeds it to an exported model."""
    boxed = [letterbox(cv2.imread(str(path)), size, auto=False)[0] for path in pictures.paths()]
    planes = np.stack(boxed)[..., ::-1].transpose(0, 3, 1, 2)
    return torch.from_numpy(np.ascontiguousarray(planes)).float() / 255


def build(size: int, seed: int) -> DetectionModel:
    """A network of this architecture with the weights of this seed, for pictures of this size."""
    architecture = yaml.safe_load((Path(yolov5.__file__).parent / "models/yolov5n.yaml").read_text())
    architecture["width_multiple"] = 0.125
    torch.manual_seed(seed)
    network = DetectionModel(architecture, ch=3, nc=len(CLASSES)).eval()
    head = network.model[-1]
    head.inplace = False
    head.export = True
    weights.see_little_colour(next(module for module in network.modules() if isinstance(module, torch.nn.Conv2d)))
    sample = inputs(size)
    run = lambda: network(sample)  # noqa: E731
    weights.normalise(network, run)
    layers = list(head.m)
    weights.spread(layers, run, 1.0)
    # A layer's answers are, for each anchor, four of the box, whether there is anything, and one for each class.
    with torch.no_grad():
        for layer in layers:
            for part in (layer.weight, layer.bias):
                answers = part.view(head.na, head.no, -1)
                answers[:, :4] *= 0.4
                answers[:, 4] = answers[:, 4] * 2.0 + (3.0 if part is layer.bias else 0.0)
                answers[:, 5:] *= 6.0
        # The shift of the classes' biases at which so many scores pass: halved until it is found.
        low, high = -60.0, 60.0
        for _ in range(14):
            shift = (low + high) / 2
            for layer in layers:
                layer.bias.view(head.na, head.no)[:, 5:] += shift
            found = network(sample)[0]
            passing = float((found[..., 4:5] * found[..., 5:] > 0.25).float().mean())
            low, high = (shift, high) if passing < PASSING[size] else (low, shift)
            for layer in layers:
                layer.bias.view(head.na, head.no)[:, 5:] -= shift
        for layer in layers:
            layer.bias.view(head.na, head.no)[:, 5:] += low
    return network


def export(size: int, seed: int, folder: Path) -> None:
    """Writes the model into `folder`, as the package's own export does."""
    network = build(size, seed)
    for parameter in network.parameters():
        parameter.requires_grad_(False)
    traced = torch.jit.trace(network, torch.zeros(1, 3, size, size), strict=False)
    traced.save(str(folder / model_file(NAME, size)))


def settings(size: int, network) -> list[dict] | None:
    """Thresholds for each picture at which no answer hangs by a thread; None where a picture has none."""
    chosen = []
    with torch.no_grad():
        output = network(inputs(size))[0]
    for rows in output.numpy():
        middle, half = rows[:, :2], rows[:, 2:4] / 2
        scores = rows[:, 5:] * rows[:, 4:5]
        found = margins.choose(np.concatenate([middle - half, middle + half], 1), scores, rows[:, 5:])
        if found is None or (np.abs(rows[:, 4] - found[0])[scores.max(1) > found[0]] < margins.SCORE).any():
            return None
        chosen.append({"score_threshold": found[0], "iou_threshold": found[1]})
    return chosen


def golden(size: int, seed: int, folder: Path, chosen: list[dict]) -> dict:
    """What the package finds on every picture with these thresholds."""
    module = torch.jit.load(folder / model_file(NAME, size)).eval()
    cases = []
    for path, sample, one in zip(pictures.paths(), inputs(size), chosen):
        with torch.no_grad():
            output = module(sample[None])[0]
        found = non_max_suppression(output, one["score_threshold"], one["iou_threshold"], max_det=300)[0]
        found[:, :4] = scale_boxes((size, size), found[:, :4], cv2.imread(str(path)).shape)
        detections = [
            {"box": [round(value, 3) for value in row[:4]], "score": round(row[4], 5), "class_id": int(row[5])}
            for row in found.tolist()
        ]
        cases.append({"picture": path.name, **one, "detections": detections})
    return {
        "model": model_file(NAME, size), "seed": seed, "kind": "detect", "format": "yolov5", "input_size": [size, size],
        "labels": CLASSES, "predictor": PREDICTOR, "cases": cases,
    }
