"""The peer on a GPU: one Mean Teacher step as a careful PyTorch user writes it, with the data set as bytes on the card.

13-layer ConvNet, two-stream batches, Adam (fused), EMA teacher (foreach), dropout, input noise, translation and flip by one
gather on the card, autocast, channels_last. Prints one JSON line with the median step time.
  python3 torch_cuda_mean_teacher.py --width 1 --batch 100 --mode eager|compile|graphs
compile: torch.compile of network and losses; graphs: the same with mode="reduce-overhead" (CUDA graphs).
"""
import argparse, json, time
import torch, torch.nn as nn, torch.nn.functional as F

ap = argparse.ArgumentParser()
ap.add_argument('--width', type=float, default=1.0); ap.add_argument('--batch', type=int, default=100)
ap.add_argument('--labeled-batch', type=int, default=25); ap.add_argument('--steps', type=int, default=200)
ap.add_argument('--warmup', type=int, default=30); ap.add_argument('--precision', default='bf16', choices=['fp32', 'tf32', 'bf16'])
ap.add_argument('--mode', default='eager', choices=['eager', 'compile', 'graphs'])
ap.add_argument('--device', default='cuda')
a = ap.parse_args()
dev, B, n = a.device, a.batch, a.labeled_batch
torch.manual_seed(1); torch.backends.cudnn.benchmark = True
if a.precision == 'tf32': torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
bf = a.precision == 'bf16'
N = 50000
images = torch.randint(0, 256, (N, 3, 32, 32), dtype=torch.uint8, device=dev); labels = torch.randint(0, 10, (N,), device=dev)
mean, std = torch.full((1, 3, 1, 1), 120., device=dev), torch.full((1, 3, 1, 1), 60., device=dev)


class Net(nn.Module):
    def __init__(s, w):
        super().__init__(); c = lambda m: int(m * w); L = []
        def cv(i, o, k, p): L.extend([nn.Conv2d(i, o, k, padding=p, bias=False), nn.BatchNorm2d(o), nn.LeakyReLU(.1, inplace=True)])
        cv(3, c(128), 3, 1); cv(c(128), c(128), 3, 1); cv(c(128), c(128), 3, 1); L.extend([nn.MaxPool2d(2), nn.Dropout(.5)])
        cv(c(128), c(256), 3, 1); cv(c(256), c(256), 3, 1); cv(c(256), c(256), 3, 1); L.extend([nn.MaxPool2d(2), nn.Dropout(.5)])
        cv(c(256), c(512), 3, 0); cv(c(512), c(256), 1, 0); cv(c(256), c(128), 1, 0)
        s.f = nn.Sequential(*L); s.fc = nn.Linear(c(128), 10)
    def forward(s, x): return s.fc(s.f(x + .15 * torch.randn_like(x)).mean((2, 3)))


student, teacher = Net(a.width).to(dev, memory_format=torch.channels_last), Net(a.width).to(dev, memory_format=torch.channels_last)
teacher.load_state_dict(student.state_dict())
for p in teacher.parameters(): p.requires_grad_(False)
sp, tp = list(student.parameters()), list(teacher.parameters())
opt = torch.optim.Adam(sp, torch.tensor(3e-3, device=dev) if a.mode != 'eager' else 3e-3, betas=(.9, .999), fused=True)

grid = torch.arange(32, device=dev)
def reflect(i): i = i.abs(); return torch.where(i > 31, 62 - i, i)
def view(idx):
    m = idx.numel(); d = torch.randint(-2, 3, (2, m), device=dev); fl = torch.rand(m, device=dev) < .5
    xs = torch.where(fl[:, None], 31 - grid[None], grid[None]) + d[1][:, None]; ys = grid[None] + d[0][:, None]
    x = images[idx[:, None, None, None], torch.arange(3, device=dev)[None, None, None], reflect(ys)[:, :, None, None], reflect(xs)[:, None, :, None]]
    return ((x.permute(0, 3, 1, 2).float() - mean) / std)

def losses(x1, x2, y, weight):
    with torch.autocast(dev, torch.bfloat16, enabled=bf):
        o = student(x1)
        with torch.no_grad(): q = teacher(x2)
    o, q = o.float(), q.float()
    return F.cross_entropy(o[:n], y, reduction='sum') / B + weight * F.mse_loss(o.softmax(1), q.softmax(1))
if a.mode != 'eager':
    losses = torch.compile(losses, mode='reduce-overhead' if a.mode == 'graphs' else 'default')
    view = torch.compile(view)
lr_of = lambda t: 3e-3 * min(1, (t + 1) / 100)
perm = torch.randperm(N)
def step(t):
    lr = lr_of(t)
    for g in opt.param_groups:
        if a.mode == 'eager': g['lr'] = lr
        else: g['lr'].fill_(lr)
    k = t * B % (N - B); idx = perm[k:k + B].to(dev, non_blocking=True)
    loss = losses(view(idx), view(idx), labels[idx[:n]], torch.tensor(100. * min(1, t / 100), device=dev))
    opt.zero_grad(set_to_none=True); loss.backward(); opt.step()
    d = min(1 - 1 / (t + 1), .999)
    with torch.no_grad(): torch._foreach_lerp_(tp, sp, 1 - d)
    return loss

sync = torch.cuda.synchronize if dev == 'cuda' else (lambda: None)
for t in range(a.warmup): step(t)
sync(); times = []
for chunk in range(10):
    t0 = time.perf_counter()
    for t in range(a.steps // 10): loss = step(a.warmup + chunk * (a.steps // 10) + t)
    loss.item(); sync(); times.append((time.perf_counter() - t0) / (a.steps // 10))
times.sort()
print(json.dumps(dict(peer='pytorch', version=torch.__version__, mode=a.mode, width=a.width, batch=B, precision=a.precision,
                      step_ms=round(1000 * times[len(times) // 2], 3), fastest_ms=round(1000 * times[0], 3),
                      memory_mb=round(torch.cuda.max_memory_allocated() / 2**20) if dev == 'cuda' else None)))
