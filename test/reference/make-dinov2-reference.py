"""Makes `torchvision/dinov2.json`: a small DINOv2 written here in PyTorch after facebookresearch/dinov2 (vision_transformer.py, its
names and its way of resampling the table of positions), with the values of make-torchvision-references.py. Stored, in float64: the
normalized class token of 2 pictures of 56 pixels from a table of 6 x 6 positions, and digests of some gradients.
"""
import json
import pathlib

import torch
import torch.nn.functional as F
from torch import nn

source = pathlib.Path(__file__).with_name("make-torchvision-references.py").read_text()
exec(source.split("HERE.mkdir(exist_ok=True)\nfor name")[0])

D, HEADS, DEPTH, PATCH, TABLE, SIZE, ROWS = 48, 3, 2, 14, 6, 56, 2


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.qkv = nn.Linear(D, 3 * D)
        self.proj = nn.Linear(D, D)

    def forward(self, x):
        B, N, C = x.shape
        q, k, v = self.qkv(x).reshape(B, N, 3, HEADS, C // HEADS).permute(2, 0, 3, 1, 4)
        attn = (q * (C // HEADS) ** -0.5 @ k.transpose(-2, -1)).softmax(dim=-1)
        return self.proj((attn @ v).transpose(1, 2).reshape(B, N, C))


class Mlp(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(D, 4 * D)
        self.fc2 = nn.Linear(4 * D, D)

    def forward(self, x):
        return self.fc2(F.gelu(self.fc1(x)))


class LayerScale(nn.Module):
    def __init__(self):
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(D))

    def forward(self, x):
        return x * self.gamma


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm1, self.attn, self.ls1 = nn.LayerNorm(D, eps=1e-6), Attention(), LayerScale()
        self.norm2, self.mlp, self.ls2 = nn.LayerNorm(D, eps=1e-6), Mlp(), LayerScale()

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
        self.cls_token = nn.Parameter(torch.zeros(1, 1, D))
        self.pos_embed = nn.Parameter(torch.zeros(1, TABLE * TABLE + 1, D))
        self.mask_token = nn.Parameter(torch.zeros(1, D))
        self.patch_embed = PatchEmbed()
        self.blocks = nn.ModuleList([Block() for _ in range(DEPTH)])
        self.norm = nn.LayerNorm(D, eps=1e-6)

    def positions(self, side):
        grid = self.pos_embed[:, 1:].reshape(1, TABLE, TABLE, D).permute(0, 3, 1, 2)
        scale = (side + 0.1) / TABLE
        grid = F.interpolate(grid, scale_factor=(scale, scale), mode="bicubic")
        return torch.cat([self.pos_embed[:, :1], grid.permute(0, 2, 3, 1).reshape(1, -1, D)], dim=1)

    def forward(self, x):
        tokens = torch.cat([self.cls_token.expand(x.shape[0], -1, -1), self.patch_embed(x)], dim=1)
        x = tokens + self.positions(SIZE // PATCH)
        for block in self.blocks:
            x = block(x)
        return self.norm(x)[:, 0]


model = DinoV2()
fill(model)
model = model.double()
out = model(images("input", (ROWS, 3, SIZE, SIZE)))
upstream = torch.from_numpy(values("upstream", ROWS * D)).reshape(ROWS, D)
(out * upstream).sum().backward()
gradients = {k: digest(k, p.grad) for k, p in model.named_parameters() if k not in ("mask_token", "pos_embed")}
document = {
    "torch": torch.__version__,
    "madeBy": "test/reference/make-dinov2-reference.py",
    "shapes": {k: list(v.shape) for k, v in model.state_dict().items()},
    "features": [float(f"{v:.9g}") for v in out.flatten().tolist()],
    "gradients": gradients,
}
(pathlib.Path(__file__).parent / "torchvision" / "dinov2.json").write_text(json.dumps(document, separators=(",", ":")) + "\n")
