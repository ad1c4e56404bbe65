"""Makes image-ops.json beside this file with PIL: `python3 test/reference/make-image-ops.py`.

Every case is an operation of methods.md 4.4 on one of the inputs; pixels are row-major [C, H, W] bytes in base64. Rows drawn
here and stored, so that the tests need no generator of Python's.
"""
import base64
import json
import pathlib
import random

import PIL
from PIL import Image, ImageDraw, ImageEnhance, ImageOps

HERE = pathlib.Path(__file__).parent
random.seed(20240)
GRAY_FILL, BLACK = 128, 0


def planes(image):
    return b"".join(band.tobytes() for band in image.split())


def encoded(data):
    return base64.b64encode(data).decode()


def picture(mode, width, height, low, high, noise):
    """A ramp with noise, different in every channel."""
    bands = []
    for c in range(len(Image.new(mode, (1, 1)).getbands())):
        dx, dy = random.uniform(-1, 1), random.uniform(-1, 1)
        ramp = [dx * x / width + dy * y / height for y in range(height) for x in range(width)]
        lo, hi = min(ramp), max(ramp)
        values = [low + (high - low) * (v - lo) / (hi - lo) + random.uniform(-noise, noise) for v in ramp]
        band = Image.new("L", (width, height))
        band.putdata([max(0, min(255, int(v))) for v in values])
        bands.append(band)
    return bands[0] if mode == "L" else Image.merge(mode, bands)


FLAT = Image.merge("RGB", [Image.new("L", (8, 6), v) for v in (7, 255, 0)])
DARK = picture("RGB", 21, 17, 30, 140, 12)
INPUTS = {
    "color": picture("RGB", 21, 17, 0, 255, 60),
    "dark": DARK,
    "square": picture("RGB", 32, 32, 20, 235, 40),
    "gray": picture("L", 20, 18, 10, 200, 30),
    "flat": FLAT,
    "tiny": picture("RGB", 2, 2, 0, 255, 90),
}


def fill(image, value):
    return value if image.mode == "L" else (value,) * 3


def affine(values, resample, value):
    return lambda i: i.transform(i.size, Image.AFFINE, values, resample, fillcolor=fill(i, value))


def rectangle(x0, y0, x1, y1):
    def draw(image):
        image = image.copy()
        ImageDraw.Draw(image).rectangle((x0, y0, x1, y1), fill(image, GRAY_FILL))
        return image

    return draw


OPS = {"autocontrast": [(None, ImageOps.autocontrast)], "equalize": [(None, ImageOps.equalize)], "invert": [(None, ImageOps.invert)]}
OPS["posterize"] = [(b, lambda i, b=b: ImageOps.posterize(i, b)) for b in (0, 1, 2, 4, 6, 8)]
OPS["solarize"] = [(t, lambda i, t=t: ImageOps.solarize(i, t)) for t in (-154, 0, 26, 153, 200.5, 256)]
for name in ("Color", "Contrast", "Brightness", "Sharpness"):
    OPS[name.lower()] = [(f, lambda i, f=f, n=name: getattr(ImageEnhance, n)(i).enhance(f)) for f in (0.0, 0.05, 0.28, 0.7312345, 1.0, 1.72, 2.98)]
for filter_name, resample in (("Nearest", Image.NEAREST), ("Bicubic", Image.BICUBIC)):
    OPS["rotate" + filter_name] = [
        (d, lambda i, d=d, r=resample: i.rotate(d, r, fillcolor=fill(i, GRAY_FILL))) for d in (0, 3, -27, 48, -48, 90, 17.3)
    ]
    OPS["shearX" + filter_name] = [(v, lambda i, v=v, r=resample: affine((1, v, 0, 0, 1, 0), r, GRAY_FILL)(i)) for v in (0.03, -0.27, 0.48)]
    OPS["shearY" + filter_name] = [(v, lambda i, v=v, r=resample: affine((1, 0, 0, v, 1, 0), r, GRAY_FILL)(i)) for v in (0.03, -0.27, 0.48)]
    OPS["translateX" + filter_name] = [(v, lambda i, v=v, r=resample: affine((1, 0, v, 0, 1, 0), r, BLACK)(i)) for v in (1, -9, 6.4, -6.4, 100)]
    OPS["translateY" + filter_name] = [(v, lambda i, v=v, r=resample: affine((1, 0, 0, 0, 1, v), r, BLACK)(i)) for v in (1, -9, 6.4, -6.4, 100)]
# Corners of the rectangle as PIL takes them; x1, y1 belong to it.
OPS["rectangle"] = [((x, y, x + 6, y + 6), rectangle(x, y, x + 6, y + 6)) for x, y in ((0, 0), (3, 5), (-3, 12), (18, -2))]

cases = []
for op, variants in OPS.items():
    # The slow ones and the many on fewer inputs: the file is to stay small.
    names = INPUTS if len(variants) < 3 else ["color", "gray", "tiny"] + (["square"] if op.startswith("rotate") else [])
    for value, apply in variants:
        for name in names:
            cases.append({"op": op, "value": value, "input": name, "output": encoded(planes(apply(INPUTS[name])))})

inputs = {
    name: {"shape": [len(image.getbands()), image.height, image.width], "pixels": encoded(planes(image))} for name, image in INPUTS.items()
}
document = {"pil": PIL.__version__, "madeBy": "test/reference/make-image-ops.py", "inputs": inputs, "cases": cases}
(HERE / "image-ops.json").write_text(json.dumps(document, separators=(",", ":")) + "\n")
