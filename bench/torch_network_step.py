"""One training step of a network in PyTorch, for bench/networks.mjs: forward, cross-entropy, backward, SGD with Nesterov momentum.

Prints one JSON line: median seconds of a step and the process's peak memory. Networks come from torchvision where it has
them; Shake-Shake and WideResNet are written here from the papers' tables. bfloat16 autocast and channels_last by default.
"""
import argparse
import json
import resource
import time

import torch
import torchvision
from torch import nn
from torch.nn import functional as F


class WideBlock(nn.Module):
    def __init__(self, c_in, c_out, stride):
        super().__init__()
        self.bn1, self.bn2 = nn.BatchNorm2d(c_in), nn.BatchNorm2d(c_out)
        self.conv1 = nn.Conv2d(c_in, c_out, 3, stride, 1, bias=False)
        self.conv2 = nn.Conv2d(c_out, c_out, 3, 1, 1, bias=False)
        self.skip = nn.Conv2d(c_in, c_out, 1, stride, bias=False) if c_in != c_out else None
        self.activate_before = c_in == 16

    def forward(self, x):
        h = F.leaky_relu(self.bn1(x), 0.1, inplace=True)
        if self.skip is None:
            skip = x
        else:
            skip = self.skip(h if self.activate_before else x)
        h = F.leaky_relu(self.bn2(self.conv1(h)), 0.1, inplace=True)
        return skip + self.conv2(h)


def wide_resnet(depth, width, classes):
    n = (depth - 4) // 6
    layers, c = [nn.Conv2d(3, 16, 3, 1, 1, bias=False)], 16
    for group, stride in enumerate((1, 2, 2)):
        for block in range(n):
            out = 16 * width * 2**group
            layers.append(WideBlock(c, out, stride if block == 0 else 1))
            c = out
    tail = [nn.BatchNorm2d(c), nn.LeakyReLU(0.1, inplace=True), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(c, classes)]
    return nn.Sequential(*layers, *tail)


def shake(a, b, training):
    if not training:
        return 0.5 * (a + b)
    shape = (a.shape[0], 1, 1, 1)
    alpha, beta = torch.rand(shape, dtype=a.dtype), torch.rand(shape, dtype=a.dtype)
    forward, backward = alpha * a + (1 - alpha) * b, beta * a + (1 - beta) * b
    return (forward - backward).detach() + backward


class ShakeBlock(nn.Module):
    def __init__(self, c_in, c_out, stride):
        super().__init__()

        def branch():
            return nn.Sequential(
                nn.ReLU(), nn.Conv2d(c_in, c_out, 3, stride, 1, bias=False), nn.BatchNorm2d(c_out),
                nn.ReLU(inplace=True), nn.Conv2d(c_out, c_out, 3, 1, 1, bias=False), nn.BatchNorm2d(c_out))

        self.a, self.b, self.stride, self.same = branch(), branch(), stride, c_in == c_out
        if stride == 2:
            self.skip = nn.Sequential(nn.ReLU(), nn.Conv2d(2 * c_in, c_out, 1, groups=2), nn.BatchNorm2d(c_out))
        elif not self.same:
            self.skip = nn.Sequential(nn.Conv2d(c_in, c_out, 1, bias=False), nn.BatchNorm2d(c_out))

    def forward(self, x):
        y = shake(self.a(x), self.b(x), self.training)
        if self.stride == 2:
            return y + self.skip(torch.cat([x[:, :, ::2, ::2], x[:, :, 1::2, 1::2]], 1))
        return y + (x if self.same else self.skip(x))


def shake_shake(width, classes):
    layers, c = [nn.Conv2d(3, 16, 3, 1, 1, bias=False)], 16
    for stage, stride in enumerate((1, 2, 2)):
        for block in range(4):
            layers.append(ShakeBlock(c, width * 2**stage, stride if block == 0 else 1))
            c = width * 2**stage
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(c, classes))


def build(name, classes):
    tv = torchvision.models
    if name.startswith("wrn-"):
        depth, width = map(int, name[4:].split("-"))
        return wide_resnet(depth, width, classes)
    if name.startswith("shake-shake-26"):
        return shake_shake(32 if name.endswith("2x32d") else 96, classes)
    if name == "resnext-152":
        return tv.resnet.ResNet(tv.resnet.Bottleneck, [3, 8, 36, 3], classes, groups=32, width_per_group=4)
    if name == "resnext-50":
        return tv.resnext50_32x4d(num_classes=classes)
    if name == "vit-b16":
        return tv.vit_b_16(num_classes=classes)
    if name == "vit-s16":  # torchvision has no small one, and its class makes any
        return tv.VisionTransformer(
            image_size=224, patch_size=16, num_layers=12, num_heads=6, hidden_dim=384, mlp_dim=1536, num_classes=classes)
    separator = "" if name.startswith("resnet-") else "_"
    return getattr(tv, name.replace("-", separator))(num_classes=classes)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name")
    parser.add_argument("--size", type=int, default=32)
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--classes", type=int, default=10)
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--warmup", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--precision", choices=["bf16", "fp32"], default="bf16")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    model = build(args.name, args.classes).to(memory_format=torch.channels_last).train()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9, nesterov=True, weight_decay=1e-4)
    x = torch.randn(args.batch, 3, args.size, args.size).to(memory_format=torch.channels_last)
    y = torch.randint(args.classes, (args.batch,))
    times, cpu = [], []
    for _ in range(args.warmup + args.steps):
        start, cpu_start = time.perf_counter(), time.process_time()
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=args.precision == "bf16"):
            logits = model(x)
        loss = F.cross_entropy(logits.float(), y)
        loss.backward()
        optimizer.step()
        loss.item()
        times.append(time.perf_counter() - start)
        cpu.append(time.process_time() - cpu_start)
    times, cpu = sorted(times[args.warmup:]), sorted(cpu[args.warmup:])
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    parameters = sum(p.numel() for p in model.parameters())
    print(json.dumps({"seconds": times[len(times) // 2], "cpuSeconds": cpu[len(cpu) // 2], "peakMemoryMB": peak, "parameters": parameters, "loss": loss.item()}))


main()
