"""Makes `torch-files/*` beside this file with Debian's PyTorch: `/usr/bin/python3 test/reference/make-torch-files.py`.

Small files of torch.save in every form that fewlabels reads, and `values.json` with what is in them; two pickles of NumPy.
"""
import collections
import json
import pathlib
import pickle

import numpy
import torch

HERE = pathlib.Path(__file__).parent / "torch-files"
HERE.mkdir(exist_ok=True)
torch.manual_seed(1)

shared = torch.arange(12, dtype=torch.float32)
weights = collections.OrderedDict(
    [
        ("conv.weight", torch.randn(2, 3, 2, 2)),
        ("conv.bias", torch.nn.Parameter(torch.randn(2))),
        ("transposed", torch.randn(3, 4).t()),
        ("part", shared[2:6]),
        ("columns", shared.view(3, 4)[:, 1:3]),
        ("repeated", torch.tensor([1.5]).expand(2, 3)),
        ("channels.last", torch.randn(1, 2, 2, 2).contiguous(memory_format=torch.channels_last)),
        ("double", torch.randn(2, dtype=torch.float64)),
        ("half", torch.randn(3).half()),
        ("brain", torch.randn(3).bfloat16()),
        ("num_batches_tracked", torch.tensor(7)),
        ("bytes", torch.tensor([1, 255], dtype=torch.uint8)),
        ("flags", torch.tensor([True, False])),
        ("empty", torch.zeros(0, 3)),
    ]
)
weights._metadata = {"": {"version": 1}}
other = {k: torch.zeros_like(v) for k, v in weights.items()}
prefixed = {f"module.{k}": v for k, v in weights.items()}

files = {
    "plain": weights,
    "wrapped": {"epoch": 3, "best": 91.5, "lr": [0.1, 0.01], "state_dict": prefixed, "name": "net", "none": None},
    "averaged": {"model": other, "model_ema": weights, "size": torch.Size([2, 3]), "type": torch.float16},
}
for name, value in files.items():
    torch.save(value, HERE / f"{name}.zip.pth")
    torch.save(value, HERE / f"{name}.stream.pth", _use_new_zipfile_serialization=False)
# A state of Adam lies beside the weights in many files; a whole module is code.
torch.save(torch.nn.Linear(2, 2), HERE / "module.zip.pth")

document = {k: {"dtype": str(v.dtype), "shape": list(v.shape), "values": v.double().flatten().tolist()} for k, v in weights.items()}
document = {"torch": torch.__version__, "madeBy": "test/reference/make-torch-files.py", "tensors": document}
(HERE / "values.json").write_text(json.dumps(document, separators=(",", ":")) + "\n")

rows = {b"data": numpy.arange(6, dtype=numpy.uint8).reshape(2, 3) * 50, b"labels": [3, 8], b"batch_label": b"\xff one"}
rows[b"floats"] = numpy.array([1.5, -2.0], dtype=numpy.float32)
rows[b"mean"] = numpy.float64(0.25)
(HERE / "numpy.protocol2.pkl").write_bytes(pickle.dumps(rows, protocol=2))
(HERE / "numpy.protocol4.pkl").write_bytes(pickle.dumps(rows, protocol=4))
