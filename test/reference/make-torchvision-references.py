"""Makes `torchvision/*.json` beside this file: `python3 test/reference/make-torchvision-references.py [NAME...]`.

Weights and inputs are not stored: both sides compute them from `values(name, count)`, a hash of the tensor's name and the
element's index (see test/support/torchvision.ts). What is stored, from torchvision in float64: logits, and for every
parameter (gradient of sum(logits * values("upstream"))) and every buffer (after a pass in train mode) its 2-norm and its
inner product with values("probe:" + its name).
"""
import json
import pathlib
import sys

import numpy
import torch
import torchvision

HERE = pathlib.Path(__file__).parent / "torchvision"
torch.set_num_threads(1)

STILL = {"stochastic_depth_prob": 0.0}  # and dropout: see `reference`


def quarter_convnext():
    from torchvision.models.convnext import CNBlockConfig

    return [CNBlockConfig(24, 48, 3), CNBlockConfig(48, 96, 3), CNBlockConfig(96, 192, 9), CNBlockConfig(192, None, 3)]


# name -> (constructor, image size, rows, classes). Dropout and stochastic depth must be off: both sides draw differently.
NETWORKS = {
    "resnet-18": (lambda k: torchvision.models.resnet18(num_classes=k), 64, 4, 10),
    "resnet-50": (lambda k: torchvision.models.resnet50(num_classes=k), 64, 4, 10),
    "resnext-50": (lambda k: torchvision.models.resnext50_32x4d(num_classes=k), 64, 4, 10),
    "efficientnet-b0": (lambda k: torchvision.models.efficientnet_b0(num_classes=k, **STILL), 64, 4, 10),
    "efficientnet-b7": (lambda k: torchvision.models.efficientnet_b7(num_classes=k, **STILL), 64, 4, 10),
    "resnet-34": (lambda k: torchvision.models.resnet34(num_classes=k), 64, 4, 10),
    "mobilenet-v2": (lambda k: torchvision.models.mobilenet_v2(num_classes=k), 64, 4, 10),
    "mobilenet-v3-large": (lambda k: torchvision.models.mobilenet_v3_large(num_classes=k), 64, 4, 10),
    "mobilenet-v3-small": (lambda k: torchvision.models.mobilenet_v3_small(num_classes=k), 64, 4, 10),
    # A quarter of its width: its kernels and their names are the same.
    "convnext-tiny": (lambda k: torchvision.models.ConvNeXt(quarter_convnext(), num_classes=k), 64, 4, 10),
    # Two of its twelve blocks, a quarter of its width: they are all the same.
    "vit-b16": (lambda k: torchvision.models.VisionTransformer(64, 16, 2, 3, 192, 768, num_classes=k), 64, 4, 10),
}


def values(name, count):
    """`count` numbers in [-1, 1), float64: FNV-1a of the name, then the finalizer of MurmurHash3 on seed + index * odd."""
    seed = 2166136261
    for byte in name.encode("ascii"):
        seed = ((seed ^ byte) * 16777619) & 0xFFFFFFFF
    with numpy.errstate(over="ignore"):
        x = numpy.arange(count, dtype=numpy.uint32) * numpy.uint32(0x9E3779B9) + numpy.uint32(seed)
        x ^= x >> numpy.uint32(16)
        x *= numpy.uint32(0x85EBCA6B)
        x ^= x >> numpy.uint32(13)
        x *= numpy.uint32(0xC2B2AE35)
        x ^= x >> numpy.uint32(16)
    return x / 2.0**31 - 1.0


# In train mode a channel that ReLU cuts off whole has next to no variance, and the batch norm behind it a gain of 1 / sqrt(eps): in
# networks of depthwise convolutions float32 itself is then 1e-3 away from float64. There all offsets are positive.
LIFTED = {"mobilenet-v2", "mobilenet-v3-large", "mobilenet-v3-small"}


def tensor_values(name, shape, lift=False):
    """Values for a tensor of a state dict, by its name and shape; exact in float32.

    Small gains beside larger offsets keep most activations away from the kink of ReLU: with PyTorch's own start a float32
    gradient of ResNet-50 in train mode is 2 % away from the float64 one, because rounding moves signs.
    """
    count = int(numpy.prod(shape, dtype=numpy.int64))
    v = values(name, count)
    if len(shape) >= 2:
        v = v * numpy.sqrt(6.0 / (count / shape[0]))  # uniform with variance 2 / fan-in
    elif name.endswith("running_var"):
        v = 1.0 + 0.5 * v
    elif name.endswith("running_mean"):
        v = 0.2 * v
    elif name.endswith("weight"):
        v = 0.2 + 0.05 * v
    else:
        v = (1 if lift else numpy.sign(v)) * (0.3 + 0.6 * numpy.abs(v))
    return torch.from_numpy(v.astype(numpy.float32)).reshape(shape)


def fill(model, lift=False):
    """Gives every parameter and buffer of `model` its values."""
    with torch.no_grad():
        for name, t in model.state_dict().items():
            if not name.endswith("num_batches_tracked"):
                t.copy_(tensor_values(name, tuple(t.shape), lift))


def digest(name, t):
    flat = t.detach().double().flatten()
    probe = torch.from_numpy(values("probe:" + name, flat.numel()))
    return [float(f"{v:.9g}") for v in (flat.norm().item(), flat.dot(probe).item())]


def take_statistics(model, x):
    """Running statistics of the batch `x` alone: with arbitrary ones the signal fades in networks this deep."""
    for part in model.modules():
        if isinstance(part, torch.nn.BatchNorm2d):
            part.momentum = 1.0
    with torch.no_grad():
        model.train()(x)
    model.eval()


def images(name, shape):
    pixels = values(name, int(numpy.prod(shape))) * 1.5
    return torch.from_numpy(pixels.astype(numpy.float32)).reshape(shape).double()


def clearest_input(model, shape, tries=24):
    """Name of the input whose activations keep furthest from the kinks of ReLU: one moved sign is a gradient 1 % away."""
    margins = []
    hooks = [
        module.register_forward_pre_hook(lambda _, x: margins.append((x[0].abs().min() / x[0].std()).item()))
        for module in model.modules()
        if isinstance(module, torch.nn.ReLU)
    ]
    if not hooks:
        return "input"
    state = {k: v.clone() for k, v in model.state_dict().items()}
    best = (-1.0, "input")
    for name in ["input"] + [f"input:{i}" for i in range(1, tries)]:
        margins.clear()
        with torch.no_grad():
            model(images(name, shape))
        best = max(best, (min(margins), name))
    model.load_state_dict(state)
    for hook in hooks:
        hook.remove()
    return best[1]


def reference(name):
    make, size, rows, classes = NETWORKS[name]
    shape = (rows, 3, size, size)
    upstream = torch.from_numpy(values("upstream", rows * classes)).reshape(rows, classes)
    document = {
        "torch": torch.__version__,
        "torchvision": torchvision.__version__,
        "madeBy": "test/reference/make-torchvision-references.py",
        "size": size,
        "rows": rows,
        "classes": classes,
    }
    for mode in ("train", "eval"):
        model = make(classes)
        lift = name in LIFTED and mode == "train"
        fill(model, lift)
        model = model.double().train(mode == "train")
        for part in model.modules():
            if isinstance(part, torch.nn.Dropout):
                part.p = 0.0
        if mode == "eval" and name.startswith("efficientnet"):
            take_statistics(model, images("input", shape))
        source = clearest_input(model, shape)
        logits = model(images(source, shape))
        (logits * upstream).sum().backward()
        buffers = {k: b for k, b in model.named_buffers() if not k.endswith("num_batches_tracked")}
        document[mode] = {
            "input": source,
            "lift": lift,
            "logits": [float(f"{v:.9g}") for v in logits.flatten().tolist()],
            "gradients": {k: digest(k, p.grad) for k, p in model.named_parameters()},
            "buffers": {k: digest(k, b) for k, b in buffers.items()} if mode == "train" else {},
        }
    return document


HERE.mkdir(exist_ok=True)
for name in sys.argv[1:] or NETWORKS:
    (HERE / f"{name}.json").write_text(json.dumps(reference(name), separators=(",", ":")) + "\n")
