"""Makes the reference arrays beside this file with PyTorch: `python3 test/reference/make-references.py`.

Every file records the PyTorch version it came from. Arrays are {"shape": [...], "data": [...]}, row-major, float32 printed
with nine digits (exact). Inputs are drawn here and stored, so that the tests need no generator of PyTorch's.
"""
import json
import pathlib

import torch
import torch.nn.functional as F
from torch.optim.swa_utils import AveragedModel

HERE = pathlib.Path(__file__).parent
torch.manual_seed(20240)
torch.set_num_threads(1)


def array(t):
    t = t.detach()
    values = t.flatten().tolist()
    if t.is_floating_point():
        values = [float(f"{v:.9g}") for v in values]
    return {"shape": list(t.shape), "data": values}


def save(name, cases):
    document = {"torch": torch.__version__, "madeBy": "test/reference/make-references.py", "cases": cases}
    (HERE / f"{name}.json").write_text(json.dumps(document, separators=(",", ":")) + "\n")


def leaf(*shape, scale=1.0):
    return (torch.randn(*shape) * scale).requires_grad_()


def forward_backward(output, leaves, **extra):
    """Output, a random upstream gradient, and the gradients it sends to the leaves."""
    upstream = torch.randn_like(output)
    grads = torch.autograd.grad(output, list(leaves.values()), upstream)
    return {
        **{name: array(t) for name, t in leaves.items()},
        **extra,
        "output": array(output),
        "upstream": array(upstream),
        "gradients": {name: array(g) for name, g in zip(leaves, grads)},
    }


def layers():
    cases = {}
    for name, in_c, out_c, groups, stride, padding, kernel, bias in [
        ("conv 3x3 same", 3, 4, 1, 1, 1, 3, True),
        ("conv 3x3 valid, no bias", 3, 4, 1, 1, 0, 3, False),
        ("conv 1x1", 4, 3, 1, 1, 0, 1, True),
        ("conv 3x3 stride 2, groups 2", 4, 6, 2, 2, 1, 3, True),
    ]:
        leaves = {"x": leaf(2, in_c, 6, 5), "weight": leaf(out_c, in_c // groups, kernel, kernel, scale=0.3)}
        if bias:
            leaves["bias"] = leaf(out_c)
        y = F.conv2d(leaves["x"], leaves["weight"], leaves.get("bias"), stride, padding, 1, groups)
        options = {"inChannels": in_c, "outChannels": out_c, "kernel": kernel, "stride": stride, "padding": padding, "groups": groups, "bias": bias}
        cases[name] = forward_backward(y, leaves, kind="conv", options=options)

    leaves = {"x": leaf(5, 7), "weight": leaf(3, 7, scale=0.4), "bias": leaf(3)}
    cases["linear"] = forward_backward(F.linear(leaves["x"], leaves["weight"], leaves["bias"]), leaves, kind="linear")

    for training, kept, eps in [(True, 0.9, 1e-5), (True, 0.999, 1e-3), (False, 0.9, 1e-5)]:
        mean, var = torch.randn(3) * 0.1, torch.rand(3) + 0.5
        before = {"runningMean": array(mean), "runningVar": array(var)}
        leaves = {"x": leaf(4, 3, 3, 2), "weight": leaf(3), "bias": leaf(3)}
        y = F.batch_norm(leaves["x"], mean, var, leaves["weight"], leaves["bias"], training, 1 - kept, eps)
        extra = {
            "kind": "batchNorm",
            "options": {"training": training, "kept": kept, "eps": eps},
            "before": before,
            "after": {"runningMean": array(mean), "runningVar": array(var)},
        }
        cases[f"batch norm, {'train' if training else 'eval'}, kept {kept}"] = forward_backward(y, leaves, **extra)

    leaves = {"x": leaf(4, 3, 3, 2), "weight": leaf(3), "bias": leaf(3)}
    mean, var = torch.zeros(3), torch.ones(3)
    y = F.leaky_relu(F.batch_norm(leaves["x"], mean, var, leaves["weight"], leaves["bias"], True, 0.1, 1e-5), 0.1)
    extra = {
        "kind": "batchNorm",
        "options": {"training": True, "kept": 0.9, "eps": 1e-5, "leakySlope": 0.1},
        "before": {"runningMean": array(torch.zeros(3)), "runningVar": array(torch.ones(3))},
        "after": {"runningMean": array(mean), "runningVar": array(var)},
    }
    cases["batch norm with leaky relu, train"] = forward_backward(y, leaves, **extra)

    leaves = {"x": leaf(2, 3, 4, 4)}
    cases["leaky relu 0.1"] = forward_backward(F.leaky_relu(leaves["x"], 0.1), leaves, kind="leakyRelu")
    leaves = {"x": leaf(2, 3, 6, 6)}
    cases["max pool 2"] = forward_backward(F.max_pool2d(leaves["x"], 2, 2), leaves, kind="maxPool")
    leaves = {"x": leaf(2, 3, 4, 5)}
    cases["global average pool"] = forward_backward(F.adaptive_avg_pool2d(leaves["x"], 1).flatten(1), leaves, kind="globalAvgPool")
    save("layers", cases)


def losses():
    cases = {}
    logits = torch.randn(6, 10) * 2
    labels = torch.randint(10, (6,))
    soft = torch.softmax(torch.randn(6, 10) * 2, 1)
    for name, target, smoothing, loss in [
        ("cross entropy", labels, 0.0, lambda z: F.cross_entropy(z, labels)),
        ("cross entropy, smoothing 0.15", labels, 0.15, lambda z: F.cross_entropy(z, labels, label_smoothing=0.15)),
        ("cross entropy, soft target", soft, 0.0, lambda z: F.cross_entropy(z, soft)),
        ("cross entropy, soft target, smoothing 0.1", soft, 0.1, lambda z: F.cross_entropy(z, soft, label_smoothing=0.1)),
        ("kl", soft, 0.0, lambda z: F.kl_div(F.log_softmax(z, 1), soft, reduction="batchmean")),
        ("softmax mse", soft, 0.0, lambda z: F.mse_loss(F.softmax(z, 1), soft)),
    ]:
        z = logits.clone().requires_grad_()
        value = loss(z)
        value.backward()
        cases[name] = {"smoothing": smoothing, "logits": array(z), "target": array(target), "value": value.item(), "gradient": array(z.grad)}
    save("losses", cases)


def optimizers():
    """Softmax regression for ten steps; the rate is lr / (1 + step), so that a schedule is seen to be followed."""
    cases = {}
    x, y = torch.randn(12, 5), torch.randint(4, (12,))
    start = {"weight": torch.randn(4, 5) * 0.5, "bias": torch.randn(4) * 0.1}
    for name, options in [
        ("sgd", {"name": "sgd", "lr": 0.5, "momentum": 0.0, "nesterov": False, "weightDecay": 0.0}),
        ("sgd, momentum, weight decay", {"name": "sgd", "lr": 0.2, "momentum": 0.9, "nesterov": False, "weightDecay": 0.05}),
        ("sgd, nesterov, weight decay", {"name": "sgd", "lr": 0.2, "momentum": 0.9, "nesterov": True, "weightDecay": 0.05}),
        ("sgd, nesterov, clipped", {"name": "sgd", "lr": 0.5, "momentum": 0.9, "nesterov": True, "weightDecay": 0.01, "clipNorm": 0.1}),
        ("adam", {"name": "adam", "lr": 0.1, "beta1": 0.9, "beta2": 0.999, "eps": 1e-8, "weightDecay": 0.0}),
        ("adam, weight decay, large eps", {"name": "adam", "lr": 0.1, "beta1": 0.5, "beta2": 0.99, "eps": 1e-2, "weightDecay": 0.1}),
    ]:
        params = {k: v.clone().requires_grad_() for k, v in start.items()}
        common = {"lr": options["lr"], "weight_decay": options["weightDecay"]}
        if options["name"] == "sgd":
            opt = torch.optim.SGD(params.values(), momentum=options["momentum"], nesterov=options["nesterov"], **common)
        else:
            opt = torch.optim.Adam(params.values(), betas=(options["beta1"], options["beta2"]), eps=options["eps"], **common)
        steps, norms = [], []
        for step in range(10):
            opt.param_groups[0]["lr"] = options["lr"] / (1 + step)
            opt.zero_grad()
            F.cross_entropy(F.linear(x, params["weight"], params["bias"]), y).backward()
            if options.get("clipNorm"):
                norms.append(torch.nn.utils.clip_grad_norm_(params.values(), options["clipNorm"]).item())
            opt.step()
            steps.append({k: array(v) for k, v in params.items()})
        cases[name] = {"options": options, "x": array(x), "y": array(y), "start": {k: array(v) for k, v in start.items()}, "steps": steps, "norms": norms}
    save("optimizers", cases)


def ema():
    """PyTorch's own averaged model with a constant decay, started as a copy of the student."""
    decay = 0.9
    student = torch.nn.Linear(3, 2)
    averaged = AveragedModel(student, avg_fn=lambda old, new, n: decay * old + (1 - decay) * new)
    averaged.update_parameters(student)  # the first call copies
    snap = lambda m: {k: array(v) for k, v in m.named_parameters()}
    start = snap(student)
    steps = []
    for _ in range(5):
        with torch.no_grad():
            for p in student.parameters():
                p.add_(torch.randn_like(p))
        averaged.update_parameters(student)
        steps.append({"student": snap(student), "teacher": snap(averaged.module)})
    save("ema", {"constant decay": {"decay": decay, "start": start, "steps": steps}})


layers()
losses()
optimizers()
ema()
