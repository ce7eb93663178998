"""Makes the reference's models, or its golden files.

    python make.py models FOLDER    every model that the golden files name, with the seeds that stand there
    python make.py golden FOLDER    searches for seeds, makes the models in FOLDER, and writes golden/*.json

`cargo xtask test` runs the first in an environment of its own and keeps the folder; the second is for people who change
something here. What is needed is in requirements.txt. See README.md.
"""

import json
import logging
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import torch

import torchvision_models
import ultralytics_models
import yolov5_models

GOLDEN = Path(__file__).parent / "golden"
MOST_SEEDS = 200


def detectors() -> Iterator[tuple[str, Callable, Callable, Callable]]:
    """For each model: its golden file's name, and what chooses thresholds for a seed, exports it, and asks it."""
    yolo, five, vision = ultralytics_models, yolov5_models, torchvision_models
    for size in yolo.SIZES:
        for name in yolo.MODELS:
            yield (
                f"{name}-{size}",
                lambda seed, scratch, name=name, size=size: yolo.settings(name, size, yolo.build(name, size, seed, scratch).model),
                lambda seed, folder, name=name, size=size: yolo.export(name, size, seed, folder),
                lambda seed, folder, chosen, name=name, size=size: yolo.golden(name, size, seed, folder, chosen),
            )
        yield (
            f"{five.NAME}-{size}",
            lambda seed, _, size=size: five.settings(size, five.build(size, seed)),
            lambda seed, folder, size=size: five.export(size, seed, folder),
            lambda seed, folder, chosen, size=size: five.golden(size, seed, folder, chosen),
        )
    for name in vision.DETECTORS:
        yield (
            name,
            lambda seed, _, name=name: vision.detector_settings(vision.build_detector(name, seed)),
            lambda seed, folder, name=name: vision.export_detector(name, seed, folder),
            lambda seed, folder, chosen, name=name: vision.golden_detector(name, seed, folder, chosen),
        )
    yield (
        vision.CLASSIFIER,
        lambda seed, _: vision.classifier_is_clear(vision.build_classifier(seed)) or None,
        lambda seed, folder: vision.export_classifier(seed, folder),
        lambda seed, _, __: vision.golden_classifier(seed, vision.build_classifier(seed)),
    )


def make_models(folder: Path) -> None:
    """Every model, with the seed of its golden file."""
    for name, _, export, _ in detectors():
        seed = json.loads((GOLDEN / f"{name}.json").read_text())["seed"]
        export(seed, folder)
        print(f"{name}: seed {seed}", flush=True)


def make_golden(folder: Path, only: list[str]) -> None:
    """Every golden file, or those of these names, with the first seed that serves; `name@seed` begins there."""
    first = {name: int(seed or 0) for name, _, seed in (one.partition("@") for one in only)}
    for name, choose, export, ask in detectors():
        if only and name not in first:
            continue
        for seed in range(first.get(name, 0), MOST_SEEDS):
            chosen = choose(seed, folder)
            if chosen:
                break
        else:
            raise SystemExit(f"{name}: none of {MOST_SEEDS} seeds serves")
        export(seed, folder)
        golden = ask(seed, folder, chosen)
        counts = [len(case.get("detections", case.get("top"))) for case in golden["cases"]]
        (GOLDEN / f"{name}.json").write_text(compact(golden))
        print(f"{name}: seed {seed}, {counts}", flush=True)


def compact(golden: dict) -> str:
    """JSON with a line for each detection: differences can be read."""
    cases = golden.pop("cases")
    head = json.dumps(golden)[1:-1]
    lines = []
    for case in cases:
        found = "detections" if "detections" in case else "top"
        rows = ",\n".join("  " + json.dumps(row, separators=(",", ":")) for row in case.pop(found))
        lines.append(f' {{{json.dumps(case)[1:-1]}, "{found}": [\n{rows}\n ]}}')
    return f'{{{head}, "cases": [\n' + ",\n".join(lines) + "\n]}\n"


def main() -> None:
    """What is asked for on the command line."""
    logging.getLogger("ultralytics").setLevel(logging.ERROR)
    torch.use_deterministic_algorithms(True, warn_only=True)
    match sys.argv[1:]:
        case ["models", folder]:
            make_models(Path(folder))
        case ["golden", folder, *only]:
            make_golden(Path(folder), only)
        case _:
            raise SystemExit(__doc__)


if __name__ == "__main__":
    main()
