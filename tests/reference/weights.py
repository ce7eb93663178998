"""Gives a network of random weights answers that are worth comparing.

As it is made, such a network answers nearly the same everywhere. Here every normalisation learns what passes through it on
the pictures, and the last convolutions are scaled so that their answers spread; a shift of the classes' biases then
lets some boxes pass and most not.
"""

from collections.abc import Callable

import torch
from torch import nn


def normalise(model: nn.Module, run: Callable[[], object]) -> None:
    """Sets the statistics of every batch normalisation to those of what `run` sends through the model."""
    norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
    kept = [(norm.momentum, norm.training) for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the plain mean over all batches
        norm.train()
    with torch.no_grad():
        run()
    for norm, (momentum, training) in zip(norms, kept):
        norm.momentum = momentum
        norm.train(training)


def see_little_colour(first: nn.Conv2d) -> None:
    """Makes the first layer look at brightness first, as trained ones do: else a grey picture gives answers of its own."""
    with torch.no_grad():
        brightness = first.weight.mean(1, keepdim=True)
        first.weight.copy_(brightness + 0.25 * (first.weight - brightness))


def blur(layers: list[nn.Module]) -> None:
    """Makes each kernel of these layers its own mean, so that what they give is smooth, as trained masks are."""
    with torch.no_grad():
        for layer in layers:
            layer.weight.copy_(layer.weight.mean((2, 3), keepdim=True).expand_as(layer.weight))


def answers(layers: list[nn.Module], run: Callable[[], object]) -> list[torch.Tensor]:
    """What each layer gives while `run` runs, flat."""
    outputs: list[list[torch.Tensor]] = [[] for _ in layers]
    hooks = [
        layer.register_forward_hook(lambda _, __, output, to=to: to.append(output.detach().flatten()))
        for layer, to in zip(layers, outputs)
    ]
    with torch.no_grad():
        run()
    for hook in hooks:
        hook.remove()
    return [torch.cat(output) for output in outputs]


def spread(layers: list[nn.Module], run: Callable[[], object], deviation: float) -> None:
    """Scales the last layers' weights so that their answers have this standard deviation around 0.

    Each layer for itself: else one scale of the pyramid would give every box.
    """
    with torch.no_grad():
        for layer in layers:
            layer.bias.zero_()
        for layer, values in zip(layers, answers(layers, run)):
            scale = deviation / values.std()
            layer.weight.mul_(scale)
            layer.bias.fill_(-float(values.mean() * scale))


def let_pass(layers: list[nn.Module], run: Callable[[], object], share: float, score: float = 0.25) -> None:
    """Shifts the biases so that this share of the answers is a score (by sigmoid) over `score`."""
    values = torch.cat(answers(layers, run))
    limit = float(values.sort().values[int(len(values) * (1 - share))])
    with torch.no_grad():
        for layer in layers:
            layer.bias.add_(float(torch.logit(torch.tensor(score))) - limit)
