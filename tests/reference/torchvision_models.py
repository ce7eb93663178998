"""torchvision's detectors and its resnet18: its own code with seeded weights, scripted, answered by its own `forward`.

The detectors have few classes and a narrow box head; resnet18 has a quarter of its channels after the first layer. That
keeps the files small and the code what it is.
"""

from pathlib import Path

import numpy as np
import torch
import torchvision
from PIL import Image
from torchvision.models import resnet
from torchvision.models.detection import fasterrcnn_mobilenet_v3_large_320_fpn, ssdlite320_mobilenet_v3_large
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead

import margins
import pictures
import weights

PREDICTOR = f"torchvision {torchvision.__version__.split('+')[0]}"
CLASSES = ["background", "round", "flat", "long", "dark", "light"]
DETECTORS = ("fasterrcnn_mobilenet_v3_large_320_fpn", "ssdlite320_mobilenet_v3_large")
CLASSIFIER = "resnet18"
CLASSIFIER_SIZE = 224
MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]


def decoded(path: Path) -> Image.Image:
    """The picture, three channels."""
    return Image.open(path).convert("RGB")


def unit(picture: Image.Image) -> torch.Tensor:
    """`[3, H, W]`, 0 to 1."""
    return torch.from_numpy(np.array(picture)).permute(2, 0, 1).float() / 255


def build_detector(name: str, seed: int) -> torch.nn.Module:
    """A detector with the weights of this seed."""
    torch.manual_seed(seed)
    options = {"weights": None, "weights_backbone": None, "num_classes": len(CLASSES)}
    samples = [unit(decoded(path)) for path in pictures.paths()]
    if name == "ssdlite320_mobilenet_v3_large":
        model = ssdlite320_mobilenet_v3_large(**options, score_thresh=0.05, detections_per_img=100).eval()
        last = [branch[-1] for branch in model.head.classification_head.module_list]
        boxes = [branch[-1] for branch in model.head.regression_head.module_list]
    else:
        model = fasterrcnn_mobilenet_v3_large_320_fpn(**options, box_score_thresh=0.05).eval()
        model.roi_heads.box_head = TwoMLPHead(model.backbone.out_channels * 7 * 7, 64)
        model.roi_heads.box_predictor = FastRCNNPredictor(64, len(CLASSES))
        last = [model.roi_heads.box_predictor.cls_score]
        boxes = [model.roi_heads.box_predictor.bbox_pred]
    run = lambda: model(samples)  # noqa: E731
    weights.see_little_colour(next(module for module in model.modules() if isinstance(module, torch.nn.Conv2d)))
    weights.normalise(model, run)
    if name != "ssdlite320_mobilenet_v3_large":
        weights.spread([model.rpn.head.cls_logits], run, 2.0)
        weights.spread([model.rpn.head.bbox_pred], run, 0.3)
    weights.spread(boxes, run, 0.5)
    weights.spread(last, run, 2.5)
    # Most of what it looks at is background: so much that no picture has more than a golden file takes.
    with torch.no_grad():
        while max(int((found["scores"] > 0.25).sum()) for found in run()) > margins.MOST:
            for layer in last:
                layer.bias.view(-1, len(CLASSES))[:, 0] += 1.0
    return model


def export_detector(name: str, seed: int, folder: Path) -> None:
    """Writes the scripted model into `folder`."""
    torch.jit.script(build_detector(name, seed)).save(str(folder / f"{name}.pt"))


def detector_settings(model: torch.nn.Module) -> list[dict] | None:
    """A score threshold for each picture that no score comes near; suppression is the model's own.

    The scripted model is asked: it may scale a picture to a size that differs by a pixel from the plain one's.
    """
    model = torch.jit.script(model)
    chosen = []
    for path in pictures.paths():
        with torch.no_grad():
            found = model([unit(decoded(path))])[1][0]
        threshold = margins.choose_score(found["scores"].numpy())
        if threshold is None:
            return None
        chosen.append({"score_threshold": threshold[0]})
    return chosen


def golden_detector(name: str, seed: int, folder: Path, chosen: list[dict]) -> dict:
    """What the scripted model itself gives for every picture, over these thresholds."""
    model = torch.jit.load(folder / f"{name}.pt").eval()
    cases = []
    for path, one in zip(pictures.paths(), chosen):
        with torch.no_grad():
            found = model([unit(decoded(path))])[1][0]
        detections = [
            {"box": [round(value, 3) for value in box], "score": round(score, 5), "class_id": label}
            for box, score, label in zip(found["boxes"].tolist(), found["scores"].tolist(), found["labels"].tolist())
            if score > one["score_threshold"]
        ]
        cases.append({"picture": path.name, **one, "detections": detections})
    return {
        "model": f"{name}.pt", "seed": seed, "kind": "detect", "format": "torchvision", "labels": CLASSES,
        "predictor": PREDICTOR, "cases": cases,
    }


class Narrow(resnet.ResNet):
    """torchvision's ResNet with a quarter of the channels in every block."""

    def _make_layer(self, block, planes, *rest, **named):
        return super()._make_layer(block, planes // 4, *rest, **named)


def build_classifier(seed: int) -> torch.nn.Module:
    """A resnet18 with the weights of this seed."""
    torch.manual_seed(seed)
    model = Narrow(resnet.BasicBlock, [2, 2, 2, 2]).eval()
    model.fc = torch.nn.Linear(512 // 4, 20)
    samples = torch.stack([classifier_input(path) for path in pictures.paths()])
    run = lambda: model(samples)  # noqa: E731
    weights.normalise(model, run)
    weights.spread([model.fc], run, 2.5)
    return model


def classifier_input(path: Path) -> torch.Tensor:
    """The whole picture at the input's size, by Pillow's filter that looks at every pixel, then less the mean over the deviation."""
    picture = unit(decoded(path).resize((CLASSIFIER_SIZE, CLASSIFIER_SIZE), Image.Resampling.BILINEAR))
    return (picture - torch.tensor(MEAN)[:, None, None]) / torch.tensor(STD)[:, None, None]


def export_classifier(seed: int, folder: Path) -> None:
    """Writes the scripted model into `folder`."""
    torch.jit.script(build_classifier(seed)).save(str(folder / f"{CLASSIFIER}.pt"))


def top_five(model: torch.nn.Module, path: Path) -> list[dict]:
    """The five best classes of a picture, best first."""
    with torch.no_grad():
        scores = model(classifier_input(path)[None]).softmax(1)[0]
    best = scores.topk(5)
    return [{"class_id": at, "score": round(score, 5)} for score, at in zip(best.values.tolist(), best.indices.tolist())]


def classifier_is_clear(model: torch.nn.Module) -> bool:
    """Whether no two neighbours among the best are near each other."""
    for path in pictures.paths():
        with torch.no_grad():
            best = model(classifier_input(path)[None])[0].topk(6).values.numpy()
        if (best[:-1] - best[1:] < margins.LOGIT).any():
            return False
    return True


def golden_classifier(seed: int, model: torch.nn.Module) -> dict:
    """The five best classes of every picture."""
    return {
        "model": f"{CLASSIFIER}.pt", "seed": seed, "kind": "classify", "input_size": [CLASSIFIER_SIZE, CLASSIFIER_SIZE],
        "mean": MEAN, "std": STD, "predictor": PREDICTOR,
        "cases": [{"picture": path.name, "top": top_five(model, path)} for path in pictures.paths()],
    }
