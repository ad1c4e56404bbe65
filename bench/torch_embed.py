"""Features of picture files in PyTorch, for bench/embed.mjs: what `fewlabels embed` does, as one would write it with torchvision.

    torch_embed.py NETWORK WEIGHTS FOLDER [--threads 2] [--batch 32] [--init]

--init writes WEIGHTS (random, seed 1) and ends. Else prints one JSON line: pictures a second from files to features, pictures a second of
the network alone on one batch, and the first features. float32, channels_last; files are decoded by PIL in a process for each thread.
DINOv2's network is written here after facebookresearch/dinov2 (vision_transformer.py), with its names.
"""
import argparse
import json
import pathlib
import time

import torch
import torch.nn.functional as F
import torchvision
from PIL import Image
from torch import nn
from torchvision import transforms

D, HEADS, DEPTH, PATCH, TABLE = 384, 6, 12, 14, 37


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.qkv, self.proj = nn.Linear(D, 3 * D), nn.Linear(D, D)

    def forward(self, x):
        B, N, C = x.shape
        q, k, v = self.qkv(x).reshape(B, N, 3, HEADS, C // HEADS).permute(2, 0, 3, 1, 4)
        attn = (q * (C // HEADS) ** -0.5 @ k.transpose(-2, -1)).softmax(dim=-1)
        return self.proj((attn @ v).transpose(1, 2).reshape(B, N, C))


class Mlp(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(D, 4 * D), nn.Linear(4 * D, D)

    def forward(self, x):
        return self.fc2(F.gelu(self.fc1(x)))


class Scale(nn.Module):
    def __init__(self):
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(D))

    def forward(self, x):
        return x * self.gamma


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm1, self.attn, self.ls1 = nn.LayerNorm(D, eps=1e-6), Attention(), Scale()
        self.norm2, self.mlp, self.ls2 = nn.LayerNorm(D, eps=1e-6), Mlp(), Scale()

    def forward(self, x):
        x = x + self.ls1(self.attn(self.norm1(x)))
        return x + self.ls2(self.mlp(self.norm2(x)))


class PatchEmbed(nn.Module):
    def __init__(self):
        super().__init__()
        self.proj = nn.Conv2d(3, D, PATCH, PATCH)

    def forward(self, x):
        return self.proj(x).flatten(2).transpose(1, 2)


class DinoV2(nn.Module):
    def __init__(self):
        super().__init__()
        self.cls_token = nn.Parameter(0.02 * torch.randn(1, 1, D))
        self.pos_embed = nn.Parameter(0.02 * torch.randn(1, TABLE * TABLE + 1, D))
        self.mask_token = nn.Parameter(torch.zeros(1, D))
        self.patch_embed = PatchEmbed()
        self.blocks = nn.ModuleList([Block() for _ in range(DEPTH)])
        self.norm = nn.LayerNorm(D, eps=1e-6)

    def forward(self, x):
        side = x.shape[-1] // PATCH
        grid = self.pos_embed[:, 1:].reshape(1, TABLE, TABLE, D).permute(0, 3, 1, 2)
        scale = (side + 0.1) / TABLE
        grid = F.interpolate(grid, scale_factor=(scale, scale), mode="bicubic")
        positions = torch.cat([self.pos_embed[:, :1], grid.permute(0, 2, 3, 1).reshape(1, -1, D)], dim=1)
        x = torch.cat([self.cls_token.expand(x.shape[0], -1, -1), self.patch_embed(x)], dim=1) + positions
        for block in self.blocks:
            x = block(x)
        return self.norm(x)[:, 0]


def build(name):
    torch.manual_seed(1)
    if name == "vit-s14":
        return DinoV2()
    return getattr(torchvision.models, {"resnet-18": "resnet18", "resnet-50": "resnet50", "mobilenet-v3-large": "mobilenet_v3_large"}[name])()


def features_of(name, net):
    """The module that gives what the head is given (of MobileNetV3: what its last layer is given)."""
    if name.startswith("resnet"):
        net.fc = nn.Identity()
    elif name.startswith("mobilenet"):
        net.classifier[3] = nn.Identity()
    return net


class Pictures(torch.utils.data.Dataset):
    def __init__(self, folder):
        self.files = sorted(pathlib.Path(folder).iterdir())
        normalize = transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
        self.prepare = transforms.Compose([transforms.Resize(256), transforms.CenterCrop(224), transforms.ToTensor(), normalize])

    def __len__(self):
        return len(self.files)

    def __getitem__(self, i):
        return self.prepare(Image.open(self.files[i]).convert("RGB"))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("network")
    parser.add_argument("weights")
    parser.add_argument("folder")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--init", action="store_true")
    a = parser.parse_args()
    torch.set_num_threads(a.threads)
    net = build(a.network)
    if a.init:
        torch.save(net.state_dict(), a.weights)
        return
    net.load_state_dict(torch.load(a.weights))
    net = features_of(a.network, net).eval().to(memory_format=torch.channels_last)
    pictures = Pictures(a.folder)
    with torch.no_grad():
        x = torch.randn(a.batch, 3, 224, 224).contiguous(memory_format=torch.channels_last)
        net(x)
        started = time.perf_counter()
        net(x)
        alone = a.batch / (time.perf_counter() - started)
        started = time.perf_counter()
        loader = torch.utils.data.DataLoader(pictures, batch_size=a.batch, num_workers=a.threads)
        rows = [net(batch.contiguous(memory_format=torch.channels_last)) for batch in loader]
        seconds = time.perf_counter() - started
    print(json.dumps({"files": len(pictures) / seconds, "network": alone, "first": torch.cat(rows)[0].tolist()}))


main()
