"""Makes photo-ops.json beside this file with PIL and torchvision: `python3 test/reference/make-photo-ops.py`.

Crops with resampling, hue and Gaussian blur on the inputs of image-ops.json; pixels are row-major [C, H, W] bytes in base64.
"""
import base64
import json
import pathlib

import numpy
import PIL
import torch
import torchvision
from PIL import Image
from torchvision.transforms import functional

HERE = pathlib.Path(__file__).parent
STORED = json.loads((HERE / "image-ops.json").read_text())["inputs"]


def picture(entry):
    array = numpy.frombuffer(base64.b64decode(entry["pixels"]), numpy.uint8).reshape(entry["shape"])
    return Image.fromarray(array[0] if len(array) == 1 else array.transpose(1, 2, 0))


def encoded(image):
    array = numpy.asarray(image)
    return base64.b64encode((array if array.ndim == 2 else array.transpose(2, 0, 1)).tobytes()).decode()


INPUTS = {name: picture(entry) for name, entry in STORED.items()}
FILTERS = {"bilinear": Image.BILINEAR, "bicubic": Image.BICUBIC}
cases = []
# Larger, smaller, one direction each, the same size, a single pixel.
CROPS = [("color", (0, 0, 21, 17), 12), ("color", (3, 2, 10, 16), 12), ("color", (5, 5, 17, 17), 12), ("color", (20, 0, 21, 17), 9), ("gray", (1, 4, 19, 9), 31), ("square", (0, 0, 32, 32), 5), ("tiny", (0, 0, 2, 2), 7)]
for name, box, side in CROPS:
    for filter_name, resample in FILTERS.items():
        for flip in (False, True):
            image = INPUTS[name].crop(box).resize((side, side), resample)
            image = image.transpose(Image.FLIP_LEFT_RIGHT) if flip else image
            cases.append({"op": "crop", "input": name, "box": box, "side": side, "interpolation": filter_name, "flip": flip, "output": encoded(image)})
for share in (-0.5, -0.1, -0.003, 0.0, 0.05, 0.1, 0.37, 0.5):
    for name in ("color", "dark", "square", "gray", "flat", "tiny"):
        cases.append({"op": "hue", "input": name, "share": share, "output": encoded(functional.adjust_hue(INPUTS[name], share))})
# torchvision blurs tensors with one matrix of weights; its size is that of ours, three deviations.
for sigma in (0.3, 0.9, 1.6):
    for name in ("color", "square", "gray"):
        size = 2 * int(numpy.ceil(3 * sigma)) + 1
        blurred = functional.gaussian_blur(functional.pil_to_tensor(INPUTS[name]), size, sigma)
        cases.append({"op": "blur", "input": name, "sigma": sigma, "output": base64.b64encode(blurred.numpy().tobytes()).decode()})

document = {"pil": PIL.__version__, "torch": torch.__version__, "torchvision": torchvision.__version__, "madeBy": "test/reference/make-photo-ops.py", "cases": cases}
(HERE / "photo-ops.json").write_text(json.dumps(document, separators=(",", ":")) + "\n")
