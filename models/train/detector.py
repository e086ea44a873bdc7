"""A YOLOv5n-shaped detector of opacities that are painted into films or rendered into phantoms: training and export.

    python detector.py --rendered learn.npz --out painted.pt [--device cuda]
    python detector.py --rendered learn.npz --start painted.pt --out opacities.pt --lr 1e-3 --batch 32

The graph is YOLOv5 v6's smallest (Jocher et al., 2020-2022, doi:10.5281/zenodo.3908559) with one grey channel and two classes; written from its
description. What it is trained on is made: films labelled normal (training rows; validation rows to measure on) and clear phantoms, with soft patches
and nodules painted into the lungs' place (here), then phantoms with opacities rendered into them too (rendered.py). No label of a person's disease is
in it, and it finds nothing but what is painted or rendered so.
"""
import argparse
import json
import math
import time
from functools import cache
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

import data
from rendered import CLASSES, load, SIDE as SIZE

STRIDES = (8, 16, 32)
# Pixels at 320: nodules of 12 to 30, patches of 30 to 120.
ANCHORS = [[(13, 13), (19, 19), (27, 27)], [(36, 40), (50, 44), (46, 62)], [(66, 66), (90, 72), (74, 104)]]


class Conv(nn.Module):
    def __init__(self, cin, cout, k=1, s=1, p=None):
        super().__init__()
        self.conv = nn.Conv2d(cin, cout, k, s, k // 2 if p is None else p, bias=False)
        self.bn = nn.BatchNorm2d(cout, eps=1e-3, momentum=0.03)

    def forward(self, x):
        return F.silu(self.bn(self.conv(x)))


class Bottleneck(nn.Module):
    def __init__(self, c, shortcut):
        super().__init__()
        self.cv1, self.cv2, self.shortcut = Conv(c, c), Conv(c, c, 3), shortcut

    def forward(self, x):
        y = self.cv2(self.cv1(x))
        return x + y if self.shortcut else y


class C3(nn.Module):
    def __init__(self, cin, cout, n=1, shortcut=True):
        super().__init__()
        half = cout // 2
        self.cv1, self.cv2, self.cv3 = Conv(cin, half), Conv(cin, half), Conv(2 * half, cout)
        self.m = nn.Sequential(*(Bottleneck(half, shortcut) for _ in range(n)))

    def forward(self, x):
        return self.cv3(torch.cat((self.m(self.cv1(x)), self.cv2(x)), 1))


class SPPF(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.cv1, self.cv2 = Conv(c, c // 2), Conv(2 * c, c)

    def forward(self, x):
        x = self.cv1(x)
        a = F.max_pool2d(x, 5, 1, 2)
        b = F.max_pool2d(a, 5, 1, 2)
        return self.cv2(torch.cat((x, a, b, F.max_pool2d(b, 5, 1, 2)), 1))


class Detector(nn.Module):
    """image float32 [N,1,320,320] in [0,1] -> in training three maps [N,3,H,W,7]; else predictions [N,6300,7]: cx, cy, w, h in pixels, objectness, class scores."""

    def __init__(self, w=16):
        super().__init__()
        self.stem = Conv(1, w, 6, 2, 2)
        self.b = nn.ModuleList([
            Conv(w, 2 * w, 3, 2), C3(2 * w, 2 * w, 1), Conv(2 * w, 4 * w, 3, 2), C3(4 * w, 4 * w, 2), Conv(4 * w, 8 * w, 3, 2), C3(8 * w, 8 * w, 3),
            Conv(8 * w, 16 * w, 3, 2), C3(16 * w, 16 * w, 1), SPPF(16 * w)])
        self.up5, self.n4, self.up4, self.n3 = Conv(16 * w, 8 * w), C3(16 * w, 8 * w, 1, False), Conv(8 * w, 4 * w), C3(8 * w, 4 * w, 1, False)
        self.d3, self.m4, self.d4, self.m5 = Conv(4 * w, 4 * w, 3, 2), C3(8 * w, 8 * w, 1, False), Conv(8 * w, 8 * w, 3, 2), C3(16 * w, 16 * w, 1, False)
        self.outputs = 5 + len(CLASSES)
        self.heads = nn.ModuleList(nn.Conv2d(c, 3 * self.outputs, 1) for c in (4 * w, 8 * w, 16 * w))
        self.register_buffer('anchors', torch.tensor(ANCHORS, dtype=torch.float32))
        for head, stride in zip(self.heads, STRIDES):
            bias = head.bias.data.view(3, -1)
            bias[:, 4] = math.log(2 / (SIZE / stride) ** 2)
            bias[:, 5:] = 0

    def maps(self, x):
        x = self.stem(x)
        kept = []
        for i, block in enumerate(self.b):
            x = block(x)
            if i in (3, 5):
                kept.append(x)
        p3, p4 = kept
        t5 = self.up5(x)
        t4 = self.up4(self.n4(torch.cat((F.interpolate(t5, scale_factor=2.0, mode='nearest'), p4), 1)))
        o3 = self.n3(torch.cat((F.interpolate(t4, scale_factor=2.0, mode='nearest'), p3), 1))
        o4 = self.m4(torch.cat((self.d3(o3), t4), 1))
        return [head(o) for head, o in zip(self.heads, (o3, o4, self.m5(torch.cat((self.d4(o4), t5), 1))))]

    def forward(self, x):
        split = [m.view(m.shape[0], 3, self.outputs, m.shape[2], m.shape[3]).permute(0, 1, 3, 4, 2).contiguous() for m in self.maps(x)]
        return split if self.training else torch.cat([self.decode(s, i) for i, s in enumerate(split)], 1)

    def decode(self, p, i):
        n, _, h, w, _ = p.shape
        gy, gx = torch.meshgrid(torch.arange(h, device=p.device), torch.arange(w, device=p.device), indexing='ij')
        grid = (torch.stack((gx, gy), 2).float() - 0.5).expand(1, 3, h, w, 2)
        sizes = self.anchors[i].view(1, 3, 1, 1, 2).expand(1, 3, h, w, 2)
        xy, wh, rest = p.sigmoid().split((2, 2, self.outputs - 4), 4)
        return torch.cat(((xy * 2 + grid) * STRIDES[i], (wh * 2) ** 2 * sizes, rest), 4).view(n, 3 * h * w, self.outputs)


def ciou(a, b):
    """Complete IoU (Zheng et al. 2020) of boxes cx, cy, w, h."""
    lo = torch.maximum(a[:, :2] - a[:, 2:] / 2, b[:, :2] - b[:, 2:] / 2)
    hi = torch.minimum(a[:, :2] + a[:, 2:] / 2, b[:, :2] + b[:, 2:] / 2)
    inter = (hi - lo).clamp(min=0).prod(1)
    iou = inter / (a[:, 2:].prod(1) + b[:, 2:].prod(1) - inter + 1e-7)
    outer = torch.maximum(a[:, :2] + a[:, 2:] / 2, b[:, :2] + b[:, 2:] / 2) - torch.minimum(a[:, :2] - a[:, 2:] / 2, b[:, :2] - b[:, 2:] / 2)
    v = 4 / math.pi ** 2 * (torch.atan(b[:, 2] / b[:, 3]) - torch.atan(a[:, 2] / a[:, 3])) ** 2
    with torch.no_grad():
        alpha = v / (v - iou + 1 + 1e-7)
    return iou - ((a[:, :2] - b[:, :2]) ** 2).sum(1) / ((outer ** 2).sum(1) + 1e-7) - v * alpha


def loss_of(maps, boxes, anchors):
    """boxes [M,6]: image, class, cx, cy, w, h in pixels. YOLOv5's assignment: anchors within a factor of 4, the cell and its two nearest neighbours."""
    total = 0.
    for i, p in enumerate(maps):
        stride = STRIDES[i]
        n, _, h, w, _ = p.shape
        target = torch.zeros(p.shape[:4], device=p.device)
        scaled = boxes[:, 2:] / stride
        a = anchors[i] / stride
        ratio = scaled[:, None, 2:] / a[None]
        row, anchor = torch.nonzero(torch.maximum(ratio, 1 / ratio).amax(2) < 4, as_tuple=True)
        centre = scaled[row, :2]
        part = centre % 1
        shifts = torch.stack([torch.zeros_like(centre), *(torch.stack(s, 1) for s in (
            (-(part[:, 0] < 0.5).float(), 0 * part[:, 0]), ((part[:, 0] >= 0.5).float(), 0 * part[:, 0]),
            (0 * part[:, 0], -(part[:, 1] < 0.5).float()), (0 * part[:, 0], (part[:, 1] >= 0.5).float())))])
        keep = torch.cat([torch.ones(1, len(row), dtype=torch.bool, device=p.device), (shifts[1:] != 0).any(2)])
        cell = (centre.floor()[None] + shifts)[keep].long()
        index = torch.arange(len(row), device=p.device).expand(5, -1)[keep]
        fits = (cell[:, 0] >= 0) & (cell[:, 0] < w) & (cell[:, 1] >= 0) & (cell[:, 1] < h)
        cell, index = cell[fits], index[fits]
        if len(index):
            b, k, which = boxes[row[index], 0].long(), anchor[index], boxes[row[index], 1].long()
            found = p[b, k, cell[:, 1], cell[:, 0]].float()
            xy = found[:, :2].sigmoid() * 2 - 0.5 + cell
            wh = (found[:, 2:4].sigmoid() * 2) ** 2 * a[k]
            iou = ciou(torch.cat((xy, wh), 1), scaled[row[index]])
            total = total + 0.05 * 3 * (1 - iou).mean()
            target[b, k, cell[:, 1], cell[:, 0]] = iou.detach().clamp(min=0)
            total = total + 0.25 * F.binary_cross_entropy_with_logits(found[:, 5:], F.one_hot(which, len(CLASSES)).float())
        total = total + (4.0, 1.0, 0.4)[i] * F.binary_cross_entropy_with_logits(p[..., 4].float(), target)
    return total


@cache
def fields(cells, device):
    """Smooth noise of unit deviation [512,SIZE,SIZE] from three octaves."""
    g, total = torch.Generator('cpu').manual_seed(cells), 0
    for k in range(3):
        grid = torch.randn((512, 1, cells << k, cells << k), generator=g)
        total = total + 0.6 ** k * F.interpolate(grid, (SIZE, SIZE), mode='bicubic', align_corners=False)[:, 0]
    return (total / total.flatten(1).std(1).view(-1, 1, 1)).to(device)


def noise(n, g, cells):
    return fields(cells, g.device)[torch.randint(512, (n,), generator=g, device=g.device)]


def paint(x, g):
    """x [N,1,SIZE,SIZE] in [0,1] -> the same with up to three painted findings each, and boxes [M,6] (image, class, cx, cy, w, h)."""
    n = len(x)
    rand = lambda *shape: torch.rand(shape, generator=g, device=g.device)
    axis = (torch.arange(SIZE, device=x.device) + 0.5) / SIZE
    dark = F.avg_pool2d(F.avg_pool2d(x, (41, 1), 1, (20, 0), count_include_pad=False), (1, 41), 1, (0, 20), count_include_pad=False)[:, 0]
    image, boxes = x[:, 0], []
    for k in range(3):
        # Of 12 places in the lungs' part of a film the darkest: aerated lung is dark.
        cx, cy = rand(n, 12) * 0.28 + 0.13 + (rand(n, 12) < 0.5) * 0.46, rand(n, 12) * 0.5 + 0.2
        tone = dark[torch.arange(n, device=x.device)[:, None], (cy * SIZE).long(), (cx * SIZE).long()]
        best = tone.argmin(1, keepdim=True)
        cx, cy = cx.gather(1, best).view(n, 1, 1), cy.gather(1, best).view(n, 1, 1)
        nodule = (rand(n) < 0.45).view(n, 1, 1)
        radius = torch.where(nodule, rand(n, 1, 1) * 0.025 + 0.022, rand(n, 1, 1) * 0.12 + 0.06)
        aspect = torch.exp((rand(n, 1, 1) - 0.5) * torch.where(nodule, 0.25, 0.9))
        rx, ry = radius * aspect.sqrt(), radius / aspect.sqrt()
        d = torch.sqrt(((axis[None, None, :] - cx) / rx) ** 2 + ((axis[None, :, None] - cy) / ry) ** 2)
        d = d + torch.where(nodule, 0.05, 0.22) * noise(n, g, 6)
        edge = torch.where(nodule, 0.35, 0.9)
        t = ((1 + edge / 2 - d) / edge).clamp(0, 1)
        mask = t * t * (3 - 2 * t)
        strength = rand(n, 1, 1) * 0.45 + 0.3
        present = (rand(n) < 0.5).view(n, 1, 1)
        level = 0.62 + 0.25 * rand(n, 1, 1) + 0.05 * noise(n, g, 16)
        share = mask * strength * present
        image = image + share * (torch.maximum(level, image) - image)
        seen = mask > 0.35
        rows, columns = seen.any(2), seen.any(1)
        top, left = rows.float().argmax(1), columns.float().argmax(1)
        bottom, right = SIZE - rows.flip(1).float().argmax(1), SIZE - columns.flip(1).float().argmax(1)
        who = torch.nonzero(present.flatten() & rows.any(1)).flatten()
        boxes.append(torch.stack([who, 1 * nodule.flatten()[who], (left + right)[who] / 2, (top + bottom)[who] / 2, (right - left)[who], (bottom - top)[who]], 1).float())
    return image.clamp(0, 1).unsqueeze(1), torch.cat(boxes)


def vary(x, g, boxes=None):
    """Exposure, contrast, flip, turn and zoom of films, and of the ellipses in `boxes` with them; a box that is half out of the film goes."""
    n = len(x)
    u = lambda lo, hi, *shape: torch.rand((n, *shape), generator=g, device=g.device) * (hi - lo) + lo
    theta = torch.zeros(n, 2, 3, device=x.device)
    zoom, flip = torch.exp(u(-0.15, 0.12)), torch.where(u(0, 1) < 0.5, -1.0, 1.0)
    angle = u(-0.1, 0.1)
    cos, sin = angle.cos(), angle.sin()
    theta[:, 0, 0], theta[:, 0, 1], theta[:, 1, 0], theta[:, 1, 1] = zoom * flip * cos, -zoom * sin, zoom * flip * sin, zoom * cos
    theta[:, :, 2] = u(-0.05, 0.05, 2)
    x = F.grid_sample(x, F.affine_grid(theta, x.shape, align_corners=False), mode='bilinear', padding_mode='border', align_corners=False)
    x = x.clamp(1e-4, 1) ** torch.exp(u(-0.35, 0.35, 1, 1, 1))
    x = ((x - 0.5) * u(0.8, 1.2, 1, 1, 1) + 0.5 + u(-0.06, 0.06, 1, 1, 1) + 0.015 * torch.randn(x.shape, generator=g, device=g.device)).clamp(0, 1)
    return x if boxes is None else (x, moved(boxes, theta, zoom))


def moved(boxes, theta, zoom):
    """Where grid_sample's theta takes boxes [M,6] of ellipses."""
    i = boxes[:, 0].long()
    inverse = torch.linalg.inv(theta[i, :, :2])
    middle = torch.einsum('mij,mj->mi', inverse, boxes[:, 2:4] * 2 / SIZE - 1 - theta[i, :, 2])
    cx, cy = ((middle + 1) * SIZE / 2).unbind(1)
    w, h = torch.sqrt(torch.einsum('mij,mj->mi', inverse ** 2, boxes[:, 4:] ** 2)).unbind(1)
    left, right, top, bottom = (v.clamp(0, SIZE) for v in (cx - w / 2, cx + w / 2, cy - h / 2, cy + h / 2))
    inside = (right - left) * (bottom - top) > 0.5 * w * h
    return torch.stack((boxes[:, 0], boxes[:, 1], (left + right) / 2, (top + bottom) / 2, right - left, bottom - top), 1)[inside]


def films(split, device):
    images, labels, _ = data.load(split)
    normal = torch.from_numpy(images[labels == 0]).unsqueeze(1).float() / 255
    return F.interpolate(normal, (SIZE, SIZE), mode='bilinear', align_corners=False).to(device)


class Rendered:
    """rendered.py's films, 8 bit, and the rows of their boxes; `clear` are those without."""

    def __init__(self, folder, device):
        images, boxes = (torch.from_numpy(a).to(device) for a in load(folder))
        self.images = images.unsqueeze(1)
        self.boxes = [boxes[boxes[:, 0] == i] for i in range(len(self.images))]
        self.clear = self.images[[i for i, rows in enumerate(self.boxes) if len(rows) == 0]].float() / 255

    def draw(self, n, g):
        chosen = torch.randint(len(self.images), (n,), generator=g, device=g.device)
        rows = [self.boxes[i].clone() for i in chosen.tolist()]
        for k, mine in enumerate(rows):
            mine[:, 0] = k
        return self.images[chosen].float() / 255, torch.cat(rows)


def main():
    args = argparse.ArgumentParser()
    args.add_argument('--rendered', required=True, help='folder of rendered.py learn')
    args.add_argument('--out', required=True, help='name.pt; name.onnx and name.json beside it')
    args.add_argument('--start', help='weights to go on from; half of every batch is then rendered, before all is painted')
    args.add_argument('--steps', type=int, default=3600)
    args.add_argument('--device', default='cpu')
    args.add_argument('--seed', type=int, default=1)
    args.add_argument('--batch', type=int, default=64)
    args.add_argument('--lr', type=float, default=3e-3)
    args = args.parse_args()
    device, out = torch.device(args.device), Path(args.out)
    rendered = Rendered(args.rendered, device)
    backgrounds = torch.cat((films('train', device), rendered.clear))
    torch.manual_seed(args.seed)
    g = torch.Generator(device).manual_seed(args.seed)
    model = Detector().to(device)
    if args.start:
        model.load_state_dict(torch.load(args.start, map_location=device, weights_only=True))
    model = model.to(memory_format=torch.channels_last)
    average = torch.optim.swa_utils.AveragedModel(model, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(1 - 8 / args.steps), use_buffers=True)
    optimiser = torch.optim.AdamW(model.parameters(), lr=args.lr, weight_decay=0.02)
    began, losses, known = time.time(), [], args.batch // 2 if args.start else 0
    for step in range(args.steps):
        model.train()
        for group in optimiser.param_groups:
            group['lr'] = args.lr * min(1, (step + 1) / 100) * (0.5 + 0.5 * math.cos(math.pi * step / args.steps) + 1e-3)
        with torch.no_grad():
            x, boxes = paint(vary(backgrounds[torch.randint(len(backgrounds), (args.batch - known,), generator=g, device=device)], g), g)
            if known:
                seen, mine = rendered.draw(known, g)
                seen, mine = vary(seen, g, mine)
                mine[:, 0] += len(x)
                x, boxes = torch.cat((x, seen)), torch.cat((boxes, mine))
        with torch.autocast(device.type, torch.bfloat16, enabled=device.type == 'cpu'):
            maps = model(x.contiguous(memory_format=torch.channels_last))
        loss = loss_of([m.float() for m in maps], boxes, model.anchors)
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 10.0)
        optimiser.step()
        average.update_parameters(model)
        losses.append(float(loss.detach()))
        if (step + 1) % 50 == 0:
            print(json.dumps({'step': step + 1, 'loss': round(sum(losses[-50:]) / 50, 4), 's': round(time.time() - began)}), flush=True)
            # A long run on a CPU: what there is so far can be looked at.
            torch.save(average.module.state_dict(), out)
    trained = average.module.eval().cpu().to(memory_format=torch.contiguous_format)
    torch.save(trained.state_dict(), out)
    torch.onnx.export(trained, torch.zeros(1, 1, SIZE, SIZE), out.with_suffix('.onnx'), input_names=['images'], output_names=['output0'], opset_version=17, dynamo=False)
    stage = {'learns': 'painted and rendered' if args.start else 'painted', 'steps': args.steps, 'batch': args.batch, 'lr': args.lr, 'seed': args.seed, 'device': args.device, 'seconds': round(time.time() - began)}
    out.with_suffix('.json').write_text(json.dumps(stage) + '\n')


if __name__ == '__main__':
    main()
