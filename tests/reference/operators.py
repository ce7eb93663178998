"""What torchvision's own operators give: makes operators.json beside this file, which the test `operators` compares the daemon's with.

    python3 -m pip install torch==2.11.0 torchvision==0.26.0
    python3 tests/reference/operators.py

Numbers are written so that float32 reads them back exactly; what is no number as a text.
"""

import json
import math
from pathlib import Path

import torch
import torchvision

OUT = Path(__file__).with_suffix(".json")


def floats(tensor):
    def written(value):
        return float(f"{value:.9g}") if math.isfinite(value) else str(value)

    return {"shape": list(tensor.shape), "values": [written(value) for value in tensor.flatten().tolist()]}


def boxes(count, generator):
    corners = torch.rand(count, 2, generator=generator) * 60
    return torch.cat([corners, corners + 4 + torch.rand(count, 2, generator=generator) * 40], dim=1)


def nms_cases():
    generator = torch.Generator().manual_seed(3)
    crowd, scores = boxes(48, generator), torch.rand(48, generator=generator)
    # Equal scores: the earlier box is the better one.
    ties = (scores * 4).round() / 4
    # Exactly at the threshold: half of each is shared, 1/3 of both together.
    edge = torch.tensor([[0.0, 0, 4, 4], [0, 2, 4, 6], [100, 0, 103, 1], [101, 0, 104, 1]])
    # Without area, turned round, the same twice, without end, and no numbers.
    odd = torch.tensor([[5.0, 5, 5, 5], [5, 5, 5, 5], [9, 9, 1, 1], [9, 9, 1, 1], [0, 0, 9, 9], [0, 0, 9, 9],
                        [0, 0, float("inf"), 9], [float("nan"), 0, 9, 9]])
    odd_scores = torch.tensor([0.5, 0.4, 0.9, 0.8, 0.7, 0.7, 0.3, float("nan")])
    for dets, marks, threshold in [(crowd, scores, 0.2), (crowd, scores, 0.5), (crowd, scores, 0.95), (crowd, ties, 0.4),
                                   (edge, torch.tensor([0.9, 0.8, 0.7, 0.6]), 1 / 3), (edge, torch.ones(4), 0.5),
                                   (odd, odd_scores, 0.5), (crowd[:1], scores[:1], 0.5), (crowd[:0], scores[:0], 0.5)]:
        keep = torchvision.ops.nms(dets, marks, threshold)
        yield {"boxes": floats(dets), "scores": floats(marks), "iou_threshold": threshold, "keep": keep.tolist()}


def roi_align_cases():
    generator = torch.Generator().manual_seed(5)
    picture = torch.randn(2, 3, 9, 11, generator=generator)
    rois = torch.tensor([
        [0.0, 8, 8, 60, 50],       # inside
        [1, 0, 0, 88, 72],         # everything
        [1, -30, -20, 40, 30],     # over the border
        [0, 60, 50, 200, 180],     # over the other
        [0, 300, 300, 400, 400],   # outside
        [1, 20, 20, 20, 20],       # no area
        [0, 50, 40, 30, 20],       # turned round
        [1, 3.3, 5.7, 9.1, 70.2],  # narrow
    ])
    for height, width, ratio, aligned, scale in [(3, 2, 2, False, 0.125), (3, 2, 2, True, 0.125), (2, 3, -1, False, 0.125),
                                                 (2, 3, 0, True, 0.125), (1, 1, 3, True, 0.0625)]:
        pooled = torchvision.ops.roi_align(picture, rois, (height, width), scale, ratio, aligned)
        yield {"spatial_scale": scale, "size": [height, width], "sampling_ratio": ratio, "aligned": aligned,
               "pooled": floats(pooled)["values"]}
    yield {"input": floats(picture), "rois": floats(rois)}


def main():
    *pooled, given = roi_align_cases()
    golden = {"torchvision": torchvision.__version__.split("+")[0], "nms": list(nms_cases()), "roi_align": {**given, "cases": pooled}}
    # One case a line.
    lines = json.dumps(golden).replace('}, {"boxes"', '},\n{"boxes"').replace('}, {"spatial_scale"', '},\n{"spatial_scale"')
    OUT.write_text(lines + "\n")


if __name__ == "__main__":
    main()
