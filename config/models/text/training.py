"""What both trainings share: the options, the seeds, and the steps from a loss to the exported model."""

import argparse
import pathlib
import time
from collections.abc import Callable

import cv2
import torch

import nets


def options(steps: int, rate: float, seed: int) -> argparse.ArgumentParser:
    """A command line with these defaults, to which each training adds its own."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--out", type=pathlib.Path, required=True)
    arguments.add_argument("--steps", type=int, default=steps)
    arguments.add_argument("--rate", type=float, default=rate)
    arguments.add_argument("--seed", type=int, default=seed)
    return arguments


def start(seed: int) -> None:
    """One thread, and random numbers of this seed: the same training each time."""
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    torch.manual_seed(seed)


def train(net: torch.nn.Module, given: argparse.Namespace, decay: float, loss_of_a_batch: Callable[[], torch.Tensor]) -> None:
    """Trains with AdamW on a one-cycle schedule, keeps a checkpoint every 1000 steps, and exports to `given.out`."""
    optimiser = torch.optim.AdamW(net.parameters(), lr=given.rate, weight_decay=decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, given.rate, total_steps=given.steps, pct_start=0.05)
    total = 0.0
    for step in range(1, given.steps + 1):
        loss = loss_of_a_batch()
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 5.0)
        optimiser.step()
        schedule.step()
        total += loss.item()
        if step % 100 == 0:
            print(f"step {step} loss {total / 100:.4f} after {time.process_time():.0f} s of CPU", flush=True)
            total = 0.0
        if step % 1000 == 0 or step == given.steps:
            torch.save(net.state_dict(), given.out.with_suffix(".checkpoint"))
    nets.export(net, given.out)
