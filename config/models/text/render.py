"""Renders what the text models are trained on and measured with: scenes with lines of text, and crops of single lines.

Everything is made here: backgrounds of noise octaves, gradients and shapes, text drawn with Debian's fonts, then blur,
noise and JPEG. The same seed gives the same pictures.
"""

import dataclasses
import functools
import pathlib
import random

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

import fonts
import words

CROP_HEIGHT = 32
LONGEST_CROP = 512
LUMA = np.array([0.299, 0.587, 0.114], np.float32)


@dataclasses.dataclass
class Line:
    """A line of text in a picture: its corners clockwise from the reading direction's top left, what it says, and whether that
    is a jumble of characters."""

    corners: np.ndarray
    text: str
    jumble: bool


class Renderer:
    """A source of pictures; `held_out` takes the fonts and words that training never sees."""

    def __init__(self, cache: pathlib.Path, seed: int, held_out: bool = False, backgrounds: int = 160):
        self.rng = random.Random(seed)
        self.noise = np.random.default_rng(seed)
        self.families = fonts.faces(cache, fonts.HELD_OUT if held_out else fonts.TRAINING)
        self.lexicon = words.Lexicon(cache, held_out)
        self.backgrounds = [self._background(640, 480) for _ in range(backgrounds)]

    # Pictures

    def scene(self, width: int = 640, height: int = 480, most: int = 9) -> tuple[np.ndarray, list[Line]]:
        """An RGB picture with up to `most` lines of text, and those lines."""
        rng = self.rng
        picture = self._backdrop(width, height)
        taken = np.zeros((height, width), np.uint8)
        lines: list[Line] = []
        angle = rng.choice((0.0, rng.uniform(-15, 15)))
        style = self._style()
        for _ in range(rng.randint(1, most)):
            if rng.random() < 0.6:
                style = self._style()
            if rng.random() < 0.4:
                angle = rng.choice((0.0, rng.uniform(-15, 15)))
            line = self._place(picture, taken, style, angle)
            if line:
                lines.append(line)
        return self._degrade(picture, min((_height(line.corners) for line in lines), default=40)), lines

    def crop(self) -> tuple[np.ndarray, str]:
        """A grey crop of one line, as a detector would cut it out: 32 high, as wide as it comes."""
        rng = self.rng
        while True:
            text, _ = self.lexicon.line(rng, rng.choice((12, 24, 24, 34)))
            style = self._style()
            alpha = self._ink(text, style)
            if alpha is None:
                continue
            angle = rng.choice((0.0, rng.uniform(-15, 15)))
            high, wide = alpha.shape
            bound = 2 * int(0.5 * (wide * 0.3 + high) + 0.35 * high + 6), int(wide + 1.3 * high + 12)
            picture = self._backdrop(bound[1], bound[0])
            corners = _rotated(wide, high, angle, bound[1] / 2, bound[0] / 2)
            self._draw(picture, alpha, corners, style)
            picture = self._degrade(picture, high)
            return _cut(picture, self._loosened(corners)), text

    def write(self, picture: np.ndarray, text: str, face: pathlib.Path, size: int, degrees: float, centre: tuple[int, int]) -> None:
        """Draws one plain line about a point, in a colour that stands out."""
        style = {"face": str(face), "size": size, "spacing": 0, "outline": False, "shadow": False, "panel": False}
        alpha = self._ink(text, style)
        high, wide = alpha.shape
        self._draw(picture, alpha, _rotated(wide, high, degrees, *centre), style)

    # Parts

    def _style(self) -> dict:
        rng = self.rng
        size = int(round(14 * (88 / 14) ** (rng.random() ** 1.25)))
        return {
            "face": fonts.pick(rng, self.families), "size": size, "spacing": rng.choice((0, 0, 0, 0, rng.uniform(0.02, 0.2))),
            "outline": rng.random() < 0.08, "shadow": rng.random() < 0.1, "panel": rng.random() < 0.15,
        }

    def _ink(self, text: str, style: dict) -> np.ndarray | None:
        """The text's coverage, 0 to 255, cut to its ink; None when there is none."""
        font = _font(style["face"], style["size"])
        gap = style["spacing"] * style["size"]
        if gap:
            placed, x = [], 0.0
            for letter in text:
                placed.append((x, letter))
                x += font.getlength(letter) + gap
        else:
            placed, x = [(0.0, text)], font.getlength(text)
        image = Image.new("L", (int(x) + 2 * style["size"], 2 * style["size"] + 8))
        draw = ImageDraw.Draw(image)
        for at, part in placed:
            draw.text((at + style["size"] / 2, style["size"] / 2), part, 255, font)
        box = image.getbbox()
        if box is None or box[2] - box[0] < 3 or box[3] - box[1] < 3:
            return None
        return np.asarray(image.crop(box))

    def _place(self, picture: np.ndarray, taken: np.ndarray, style: dict, angle: float) -> Line | None:
        """Draws a line where it fits and is not close to another; gives it up after some tries."""
        rng = self.rng
        height, width = taken.shape
        for attempt in range(8):
            text, jumble = self.lexicon.line(rng, 34 if attempt < 3 else 12)
            alpha = self._ink(text, style)
            if alpha is None:
                continue
            high, wide = alpha.shape
            corners = _rotated(wide, high, angle, rng.uniform(0, width), rng.uniform(0, height))
            if corners.min() < 3 or corners[:, 0].max() > width - 4 or corners[:, 1].max() > height - 4:
                continue
            # Clear of other lines: a third of a height above and below, more than a height beside.
            wider = grown(corners, 1.2 * high, 0.33 * max(high, 10)).astype(np.int32)
            mask = np.zeros_like(taken)
            cv2.fillConvexPoly(mask, wider, 1)
            if (taken & mask).any():
                continue
            cv2.fillConvexPoly(taken, grown(corners, 2, 2).astype(np.int32), 1)
            self._draw(picture, alpha, corners, style)
            return Line(corners, text, jumble)
        return None

    def _draw(self, picture: np.ndarray, alpha: np.ndarray, corners: np.ndarray, style: dict) -> None:
        """Puts the ink on the picture between these corners, in a colour that stands out from what is there."""
        rng = self.rng
        left, top = np.maximum(np.floor(corners.min(0)).astype(int) - 4, 0)
        right, bottom = np.ceil(corners.max(0)).astype(int) + 5
        patch = picture[top:bottom, left:right]
        if style["panel"]:
            panel = grown(corners, rng.uniform(3, 20), rng.uniform(2, 12))
            cv2.fillConvexPoly(picture, panel.astype(np.int32), [rng.randint(0, 255) for _ in range(3)], cv2.LINE_AA)
        high, wide = alpha.shape
        source = np.array([[0, 0], [wide, 0], [wide, high]], np.float32)
        shift = cv2.getAffineTransform(source, (corners[:3] - [left, top]).astype(np.float32))
        shape = (patch.shape[1], patch.shape[0])
        cover = cv2.warpAffine(alpha, shift, shape, flags=cv2.INTER_LINEAR).astype(np.float32) / 255
        under = patch.astype(np.float32)
        bright = under @ LUMA
        level = float(bright.mean())
        ink = self._colour(level, min(56 + 1.5 * float(bright.std()), 115))
        if style["outline"]:
            thick = max(1, int(style["size"] / 16))
            edge = cv2.dilate(cover, np.ones((2 * thick + 1,) * 2, np.uint8))[..., None]
            rim = self._colour(float(ink @ LUMA), 64)
            under = under * (1 - edge) + rim * edge
        elif style["shadow"]:
            step = max(1, int(style["size"] / rng.uniform(10, 24)))
            dark = np.roll(cover, (step, step), (0, 1))[..., None] * rng.uniform(0.3, 0.8)
            under = under * (1 - dark) + (0 if ink @ LUMA > level else 255) * dark
        cover = (cover * rng.choice((1, 1, rng.uniform(0.75, 1))))[..., None]
        if rng.random() < 0.1:
            ramp = np.linspace(0, 1, patch.shape[1], dtype=np.float32)[None, :, None]
            ink = ink * (1 - ramp) + np.clip(ink + self.noise.uniform(-50, 50, 3), 0, 255) * ramp
        patch[:] = (under * (1 - cover) + ink * cover).clip(0, 255).astype(np.uint8)

    def _colour(self, level: float, apart: float) -> np.ndarray:
        """A colour whose brightness is at least `apart` from `level`."""
        while True:
            colour = self.noise.uniform(0, 255, 3)
            if self.rng.random() < 0.5:
                colour = np.full(3, self.rng.choice((self.rng.uniform(0, 60), self.rng.uniform(195, 255)))) + self.noise.uniform(-8, 8, 3)
            if abs(float(colour @ LUMA) - level) > apart:
                return colour.clip(0, 255).astype(np.float32)

    def _backdrop(self, width: int, height: int) -> np.ndarray:
        """A piece of a background at a random scale, with its colours shifted."""
        rng = self.rng
        whole = rng.choice(self.backgrounds)
        scale = rng.uniform(0.4, 1.0)
        wide, high = min(640, max(16, int(width * scale))), min(480, max(16, int(height * scale)))
        x, y = rng.randint(0, 640 - wide), rng.randint(0, 480 - high)
        piece = cv2.resize(whole[y:y + high, x:x + wide], (width, height), interpolation=cv2.INTER_LINEAR)
        if rng.random() < 0.5:
            piece = piece[:, ::-1]
        mix = piece.astype(np.float32) * rng.uniform(0.5, 1.1) + self.noise.uniform(-40, 60, 3).astype(np.float32)
        return np.ascontiguousarray(mix.clip(0, 255).astype(np.uint8))

    def _background(self, width: int, height: int) -> np.ndarray:
        """A picture without text: noise in octaves between colours, gradients, shapes, and gratings."""
        rng, noise = self.rng, self.noise
        field = np.zeros((height, width), np.float32)
        strength = 1.0
        for octave in range(2, rng.randint(4, 9)):
            cells = noise.standard_normal((2 ** octave * 3 // 4 + 1, 2 ** octave + 1)).astype(np.float32)
            field += strength * cv2.resize(cells, (width, height), interpolation=cv2.INTER_CUBIC)
            strength *= rng.uniform(0.35, 0.75)
        field = (field - field.min()) / (np.ptp(field) + 1e-6)
        low, high = noise.uniform(0, 255, 3), noise.uniform(0, 255, 3)
        reach = rng.choice((0.0, 0.15, 0.4, 0.8))
        across = np.linspace(0, 1, width)[None, :] * rng.uniform(-1, 1) + np.linspace(0, 1, height)[:, None] * rng.uniform(-1, 1)
        blend = (reach * field + rng.choice((0, 0.5)) * across)[..., None]
        picture = (low * (1 - blend) + high * blend).clip(0, 255).astype(np.uint8)
        for _ in range(rng.choice((0, 0, 4, 12, 30))):
            self._shape(picture)
        if rng.random() < 0.15:
            self._grating(picture)
        if rng.random() < 0.6:
            picture = cv2.GaussianBlur(picture, (0, 0), rng.uniform(0.5, 3))
        return picture

    def _shape(self, picture: np.ndarray) -> None:
        rng = self.rng
        height, width = picture.shape[:2]
        colour = [rng.randint(0, 255) for _ in range(3)]
        x, y = rng.randint(0, width), rng.randint(0, height)
        size = rng.choice((rng.randint(4, 30), rng.randint(20, 220)))
        fill = rng.choice((-1, -1, rng.randint(1, 6)))
        kind = rng.randrange(5)
        if kind == 0:
            cv2.rectangle(picture, (x, y), (x + size, y + int(size * rng.uniform(0.1, 2))), colour, fill, cv2.LINE_AA)
        elif kind == 1:
            cv2.ellipse(picture, (x, y), (size, max(2, int(size * rng.uniform(0.2, 1)))), rng.uniform(0, 180), 0, 360, colour, fill, cv2.LINE_AA)
        elif kind == 2:
            end = (rng.randint(0, width), rng.randint(0, height))
            cv2.line(picture, (x, y), end, colour, rng.randint(1, 8), cv2.LINE_AA)
        elif kind == 3:
            points = np.array([[x + rng.randint(-size, size), y + rng.randint(-size, size)] for _ in range(rng.randint(3, 7))])
            cv2.fillPoly(picture, [points], colour, cv2.LINE_AA)
        else:
            # A row of small shapes: what a detector takes for letters when it has never seen one.
            for step in range(rng.randint(3, 9)):
                centre = (x + step * size // 3, y + rng.randint(-2, 2))
                cv2.circle(picture, centre, max(2, size // 8), colour, rng.choice((-1, 1, 2)), cv2.LINE_AA)

    def _grating(self, picture: np.ndarray) -> None:
        rng = self.rng
        rows, columns = np.mgrid[: picture.shape[0], : picture.shape[1]]
        angle, period = rng.uniform(0, np.pi), rng.uniform(6, 60)
        wave = np.sin((rows * np.sin(angle) + columns * np.cos(angle)) * 2 * np.pi / period)
        picture[:] = (picture + rng.uniform(8, 50) * wave[..., None]).clip(0, 255)

    def _degrade(self, picture: np.ndarray, high: float) -> np.ndarray:
        """Blur in proportion to the smallest text's height, noise, and JPEG."""
        rng = self.rng
        if rng.random() < 0.4:
            picture = cv2.GaussianBlur(picture, (0, 0), rng.uniform(0.3, 0.35 + 0.045 * high))
        if rng.random() < 0.5:
            grain = self.noise.standard_normal(picture.shape, dtype=np.float32) * rng.uniform(1, 12)
            picture = (picture + grain).clip(0, 255).astype(np.uint8)
        if rng.random() < 0.75:
            _, jpeg = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, rng.randint(40, 95)])
            picture = cv2.imdecode(jpeg, cv2.IMREAD_COLOR)
        return picture

    def _loosened(self, corners: np.ndarray) -> np.ndarray:
        """Corners as a detector finds them: a little off, more often too wide than too tight."""
        rng = self.rng
        high = _height(corners)
        along, up = rng.uniform(-0.03, 0.35) * high, rng.uniform(-0.05, 0.22) * high
        centre = corners.mean(0)
        turned = _turn(grown(corners, along, up) - centre, rng.gauss(0, 0.6)) + centre
        shake = [rng.gauss(0, 0.08) * high, rng.gauss(0, 0.06) * high]
        return turned + shake


def luma(picture: np.ndarray) -> np.ndarray:
    """The brightness of an RGB picture."""
    return (picture.astype(np.float32) @ LUMA).round().clip(0, 255).astype(np.uint8)


@functools.lru_cache(maxsize=600)
def _font(face: str, size: int) -> ImageFont.FreeTypeFont:
    # The plain layout: with ligatures, "->" in a programmer's font would be one arrow.
    return ImageFont.truetype(face, size, layout_engine=ImageFont.Layout.BASIC)


def _turn(points: np.ndarray, degrees: float) -> np.ndarray:
    sine, cosine = np.sin(np.radians(degrees)), np.cos(np.radians(degrees))
    return points @ np.array([[cosine, sine], [-sine, cosine]])


def _rotated(wide: float, high: float, degrees: float, x: float, y: float) -> np.ndarray:
    """The corners of a box turned about its centre."""
    box = np.array([[-wide, -high], [wide, -high], [wide, high], [-wide, high]]) / 2
    return _turn(box, degrees) + [x, y]


def _height(corners: np.ndarray) -> float:
    return float(np.linalg.norm(corners[3] - corners[0]))


def grown(corners: np.ndarray, along: float, up: float) -> np.ndarray:
    """The box with `along` more at both ends and `up` more above and below."""
    right = corners[1] - corners[0]
    right = right / max(np.linalg.norm(right), 1e-6)
    down = np.array([-right[1], right[0]])
    return corners + np.stack([-right * along - down * up, right * along - down * up,
                               right * along + down * up, -right * along + down * up])


def _cut(picture: np.ndarray, corners: np.ndarray) -> np.ndarray:
    """The grey crop between these corners, 32 high; a wide one is squeezed to the longest there is."""
    high = max(_height(corners), 1.0)
    wide = max(float(np.linalg.norm(corners[1] - corners[0])), 1.0)
    width = int(np.clip(round(wide * CROP_HEIGHT / high), 8, LONGEST_CROP))
    # Several samples for a pixel where the crop is smaller than its source, as the daemon takes them.
    dense = max(1, int(np.ceil(high / CROP_HEIGHT)))
    target = np.array([[0, 0], [width, 0], [width, CROP_HEIGHT], [0, CROP_HEIGHT]], np.float32) * dense
    shift = cv2.getPerspectiveTransform(corners.astype(np.float32), target)
    # OpenCV's pixels have their centres at whole numbers, the corners here at halves.
    half = np.array([[1, 0, -0.5], [0, 1, -0.5], [0, 0, 1]])
    shift = half @ shift @ np.linalg.inv(half)
    grey = luma(picture)
    crop = cv2.warpPerspective(grey, shift, (width * dense, CROP_HEIGHT * dense), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return cv2.resize(crop, (width, CROP_HEIGHT), interpolation=cv2.INTER_AREA) if dense > 1 else crop
