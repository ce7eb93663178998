"""The two networks. Both take RGB from 0 to 1 and bring their normalisation with them.

The detector follows the idea of DBNet (Liao et al., "Real-time Scene Text Detection with Differentiable Binarization",
2020): a map of the probability that a pixel lies in the shrunken middle of a line, so that neighbouring lines stay apart.
The reader is convolutional throughout and ends in one distribution over characters and "none" for every column, as
connectionist temporal classification asks for (Graves et al., 2006).
"""

import pathlib

import torch
from torch import Tensor, nn


def conv(inputs: int, outputs: int, size: int | tuple[int, int] = 3, stride: int | tuple[int, int] = 1, groups: int = 1) -> nn.Sequential:
    """Convolution, batch normalisation (folded into it when the model is exported), ReLU."""
    pad = size // 2 if isinstance(size, int) else (size[0] // 2, size[1] // 2)
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, size, stride, pad, groups=groups, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)
    )


class Residual(nn.Module):
    """Two 3x3 convolutions beside a short cut."""

    def __init__(self, width: int):
        super().__init__()
        self.first = conv(width, width)
        self.second = nn.Sequential(nn.Conv2d(width, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width))

    def forward(self, x: Tensor) -> Tensor:
        """The same shape."""
        return torch.relu(x + self.second(self.first(x)))


class Detector(nn.Module):
    """`[B, 3, H, W]`, H and W multiples of 32, to a map of probabilities `[B, 1, H/2, W/2]`."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(conv(3, 16, 3, 2), conv(16, 24, 3, 2))
        self.quarter = Residual(24)
        self.eighth = nn.Sequential(conv(24, 48, 3, 2), Residual(48))
        self.sixteenth = nn.Sequential(conv(48, 64, 3, 2), Residual(64))
        self.thirtysecond = nn.Sequential(conv(64, 64, 3, 2), Residual(64))
        self.up16 = conv(128, 64, 1)
        self.up8 = conv(112, 48, 1)
        self.up4 = conv(72, 32, 1)
        self.mix = conv(32, 32)
        self.head = nn.Conv2d(32, 4, 3, 1, 1)

    def logits(self, x: Tensor) -> Tensor:
        """What the sigmoid is taken of."""
        a = self.quarter(self.stem((x - 0.45) / 0.25))
        b = self.eighth(a)
        c = self.sixteenth(b)
        d = self.thirtysecond(c)
        c = self.up16(torch.cat((c, nn.functional.interpolate(d, scale_factor=2.0, mode="nearest")), 1))
        b = self.up8(torch.cat((b, nn.functional.interpolate(c, scale_factor=2.0, mode="nearest")), 1))
        a = self.up4(torch.cat((a, nn.functional.interpolate(b, scale_factor=2.0, mode="nearest")), 1))
        return nn.functional.pixel_shuffle(self.head(self.mix(a)), 2)

    def forward(self, x: Tensor) -> Tensor:
        """The map of probabilities."""
        return torch.sigmoid(self.logits(x))


class Along(nn.Module):
    """A wide look along the line: depthwise over nine columns, then mixed, beside a short cut."""

    def __init__(self, width: int):
        super().__init__()
        self.look = conv(width, width, (1, 9), groups=width)
        self.mix = nn.Sequential(nn.Conv2d(width, width, 1, bias=False), nn.BatchNorm2d(width))

    def forward(self, x: Tensor) -> Tensor:
        """The same shape."""
        return torch.relu(x + self.mix(self.look(x)))


class Reader(nn.Module):
    """`[B, 3, 32, W]`, W a multiple of 4, to log-probabilities `[B, W/2, 1 + characters]`; class 0 is "none"."""

    def __init__(self, characters: int):
        super().__init__()
        self.classes = characters + 1
        self.body = nn.Sequential(
            conv(1, 32, 3, 2),  # 16 x W/2
            conv(32, 48),
            conv(48, 64, 3, 2),  # 8 x W/4
            Residual(64),
            Residual(64),
            conv(64, 96, 3, (2, 1)),  # 4 x W/4
            conv(96, 96),
            conv(96, 128, 3, (2, 1)),  # 2 x W/4
            nn.Conv2d(128, 160, (2, 1), bias=False),  # 1 x W/4
            nn.BatchNorm2d(160),
            nn.ReLU(inplace=True),
            Along(160),
            Along(160),
            Along(160),
        )
        # Two steps of the output for a column here: "ll" needs a step between its letters.
        self.head = nn.Conv2d(160, 2 * self.classes, 1)

    def logits(self, grey: Tensor) -> Tensor:
        """From `[B, 1, 32, W]`, 0 to 1."""
        # Every crop to the same brightness and contrast.
        mean = grey.mean((1, 2, 3), keepdim=True)
        spread = (grey - mean).pow(2).mean((1, 2, 3), keepdim=True).sqrt()
        x = self.head(self.body((grey - mean) / (spread + 0.03)))
        batch, _, _, columns = x.shape
        return x.view(batch, 2, self.classes, columns).permute(0, 3, 1, 2).reshape(batch, 2 * columns, self.classes)

    def forward(self, x: Tensor) -> Tensor:
        """Log-probabilities."""
        grey = 0.299 * x[:, 0:1] + 0.587 * x[:, 1:2] + 0.114 * x[:, 2:3]
        return torch.log_softmax(self.logits(grey), 2)


def export(net: nn.Module, path: pathlib.Path) -> None:
    """Writes the network as TorchScript, its normalisations folded into the convolutions before them."""
    net = net.to(memory_format=torch.contiguous_format).eval()
    for module in list(net.modules()):
        if isinstance(module, nn.Sequential):
            _fold(module)
    torch.jit.script(net).save(str(path))


def _fold(parts: nn.Sequential) -> None:
    for at in range(len(parts) - 1):
        if isinstance(parts[at], nn.Conv2d) and isinstance(parts[at + 1], nn.BatchNorm2d):
            parts[at] = nn.utils.fusion.fuse_conv_bn_eval(parts[at], parts[at + 1])
            parts[at + 1] = nn.Identity()
