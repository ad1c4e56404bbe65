#!/usr/bin/env python3
"""Turns a PyTorch state dict (.pth, .pt) into a safetensors file: `python3 scripts/torch-to-safetensors.py IN.pth OUT.safetensors`.

Needs torch, nothing else: the format is written here. A checkpoint that holds the state dict below "state_dict", "model" or
"model_state_dict" is unwrapped, and the prefix "module." of DataParallel is removed. See docs/models.md.
"""
import argparse
import inspect
import json
import os
import struct
import sys

import torch

# torch dtype -> name in the format, bytes of an element
DTYPES = {
    torch.float64: ("F64", 8),
    torch.int64: ("I64", 8),
    torch.float32: ("F32", 4),
    torch.int32: ("I32", 4),
    torch.float16: ("F16", 2),
    torch.bfloat16: ("BF16", 2),
    torch.uint8: ("U8", 1),
    torch.int8: ("I8", 1),
    torch.bool: ("BOOL", 1),
}
WRAPPERS = ("state_dict", "model_state_dict", "model")


def fail(message):
    sys.exit(f"torch-to-safetensors: {message}")


def load(path):
    """The state dict of a file: name -> tensor on the CPU. Unpickles tensors only, where this PyTorch can (1.13 and later)."""
    safe = {"weights_only": True} if "weights_only" in inspect.signature(torch.load).parameters else {}
    try:
        loaded = torch.load(path, map_location="cpu", **safe)
    except Exception as error:  # whatever the pickle holds
        fail(f"{path}: cannot be read as a state dict ({error}). Save it with torch.save(model.state_dict(), PATH)")
    for key in WRAPPERS:
        if isinstance(loaded, dict) and isinstance(loaded.get(key), dict):
            loaded = loaded[key]
    if not isinstance(loaded, dict):
        fail(f"{path}: expected a state dict, got {type(loaded).__name__}. Save it with torch.save(model.state_dict(), PATH)")
    tensors = {name: t.detach() for name, t in loaded.items() if isinstance(t, torch.Tensor)}
    others = [str(name) for name in loaded if name not in tensors]
    if others:
        print(f"torch-to-safetensors: left out, not tensors: {', '.join(others)}", file=sys.stderr)
    if not tensors:
        fail(f"{path}: holds no tensors")
    if all(name.startswith("module.") for name in tensors):
        tensors = {name[len("module.") :]: t for name, t in tensors.items()}
    return tensors


def data(t):
    """Little-endian, row-major bytes."""
    t = t.contiguous()
    if t.dtype == torch.bfloat16:
        t = t.view(torch.int16)  # numpy has no bfloat16
    array = t.numpy()
    return array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes()


def write(path, tensors):
    unknown = [f"{name} ({t.dtype})" for name, t in tensors.items() if t.dtype not in DTYPES]
    if unknown:
        fail(f"safetensors has no type for {', '.join(unknown)}")
    # Wide types first, so that every tensor starts at a multiple of its element's size.
    order = sorted(tensors.items(), key=lambda item: -DTYPES[item[1].dtype][1])
    header, offset = {"__metadata__": {"format": "pt"}}, 0
    for name, t in order:
        kind, width = DTYPES[t.dtype]
        end = offset + t.numel() * width
        header[name] = {"dtype": kind, "shape": list(t.shape), "data_offsets": [offset, end]}
        offset = end
    text = json.dumps(header, separators=(",", ":")).encode("utf-8")
    text += b" " * (-len(text) % 8)
    temporary = f"{path}.tmp"
    with open(temporary, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for _, t in order:
            file.write(data(t))
    os.replace(temporary, path)


def main():
    parser = argparse.ArgumentParser(description="Turns a PyTorch state dict into a safetensors file.")
    parser.add_argument("input", help="file written by torch.save(model.state_dict(), PATH)")
    parser.add_argument("output", help="file to write, usually NAME.safetensors")
    parser.add_argument(
        "--dtype", choices=["float32", "float16", "bfloat16"], help="store floating-point tensors in this type (default: as they are)"
    )
    given = parser.parse_args()
    tensors = load(given.input)
    if given.dtype:
        wanted = getattr(torch, given.dtype)
        tensors = {name: t.to(wanted) if t.is_floating_point() else t for name, t in tensors.items()}
    write(given.output, tensors)
    print(f"{given.output}: {len(tensors)} tensors, {sum(t.numel() for t in tensors.values()):,} values")


main()
