"""Train a small classifier of the zoo on a CPU in minutes; choose nothing by the test rows.

    python small.py pneumonia-28 OUT
    python small.py resnet8-orientation OUT

OUT gets model.onnx (batch norm folded, calibrated on validation rows), training.json and calibration.npy for `fabriclens compile`.
The checkpoint is the moving average of the weights after the last epoch: no epoch is picked by its score.
"""
import argparse
import copy
import json
import math
import time
from pathlib import Path

import numpy as np
import onnx
import torch
from torch import nn
from torch.nn import functional as F

import data
from augment import augment, stress
from export import to_onnx
from model import ChestNet, mmac
from train import STRESSES

# Training rows that `fabriclens compile` calibrates with.
CALIBRATION = 256


class Pneumonia:
    """PneumoniaMNIST: 28 x 28, normal or pneumonia."""
    architecture, epochs, mean, std = 'small', 24, 146 / 255, 0.18
    flips = True

    def load(self, split):
        images, labels = data.load_small(split)
        return torch.from_numpy(images).unsqueeze(1), torch.from_numpy(labels)

    def batch(self, images, labels, g):
        return augment(images, g), labels


class Orientation:
    """Chest films at 32 x 32, turned and mirrored here: label = quarter turns clockwise + 4 where mirrored."""
    architecture, epochs, mean, std = 'resnet8', 40, 123 / 255, 0.23
    # Sides are what it tells apart.
    flips = False

    def load(self, split):
        images, labels, _ = data.load(split)
        small = F.interpolate(torch.from_numpy(images).unsqueeze(1).float(), (32, 32), mode='bilinear', antialias=True, align_corners=False)
        small = small.round().to(torch.uint8)
        return (small, torch.zeros(len(small), dtype=torch.long)) if split == 'train' else turned(small)

    def batch(self, images, labels, g):
        x = augment(images, g, flips=self.flips)
        y = torch.randint(8, (len(x),), generator=g)
        for label in range(8):
            x[y == label] = turn(x[y == label], label)
        return x, y


def turn(x, label):
    return torch.rot90(x.flip(3) if label >= 4 else x, -(label % 4), (2, 3))


def turned(images):
    """Every image in all eight ways, with labels."""
    return torch.cat([turn(images, label) for label in range(8)]), torch.arange(8).repeat_interleave(len(images))


TASKS = {'pneumonia-28': Pneumonia, 'resnet8-orientation': Orientation}


@torch.no_grad()
def logits_of(model, images, prepare, change=None):
    model.eval()
    parts = (part.float() / 255 for part in images.split(512))
    return torch.cat([model(prepare(change(part) if change else part))[0] for part in parts])


def calibrate(model, task, images, labels, prepare):
    """Scales the dense layer so that the mean log loss is least: a temperature, and for two classes an offset (Platt).

    On validation rows as they are and under random changes, half the weight each, classes weighted evenly (export.py says why).
    """
    g = torch.Generator().manual_seed(5)
    changes = [None] * STRESSES + [lambda x: stress(x, g, task.flips)] * STRESSES
    logits = torch.cat([logits_of(model, images, prepare, change) for change in changes])
    labels = labels.repeat(len(changes))
    slope, offset = torch.ones(1, requires_grad=True), torch.zeros(logits.shape[1], requires_grad=True)
    weights = 1 / torch.bincount(labels).float()
    two = logits.shape[1] == 2
    fit = torch.optim.LBFGS([slope, offset] if two else [slope], max_iter=200, line_search_fn='strong_wolfe')

    def closure():
        fit.zero_grad()
        loss = F.cross_entropy(logits * slope + (offset if two else 0), labels, weights)
        loss.backward()
        return loss
    fit.step(closure)
    with torch.no_grad():
        shift = offset - offset.mean()
        model.fc.weight *= slope
        model.fc.bias.mul_(slope).add_(shift)
    return {'slope': round(float(slope.detach()), 4), 'offset': round(float(shift[-1] - shift[0]), 4)} if two else {'slope': round(float(slope.detach()), 4)}


def main():
    args = argparse.ArgumentParser()
    args.add_argument('task', choices=list(TASKS))
    args.add_argument('out')
    args.add_argument('--epochs', type=int)
    args.add_argument('--seed', type=int, default=1)
    args.add_argument('--batch', type=int, default=64)
    args.add_argument('--lr', type=float, default=3e-3)
    args = args.parse_args()
    task, out = TASKS[args.task](), Path(args.out)
    epochs = args.epochs or task.epochs
    out.mkdir(parents=True, exist_ok=True)
    # One: sums do not depend on how many cores there are, and threads that wait for one another are slow on a shared machine.
    torch.set_num_threads(1)
    torch.manual_seed(args.seed)
    g = torch.Generator().manual_seed(args.seed)
    mixer = np.random.default_rng(args.seed)
    images, labels = task.load('train')
    val, val_labels = task.load('val')
    model = ChestNet(task.architecture)
    channels = model.architecture.channels

    def prepare(x):
        return ((x - task.mean) / task.std).expand(-1, channels, -1, -1)

    ema = copy.deepcopy(model)
    averaged = [(a, b) for a, b in zip(ema.state_dict().values(), model.state_dict().values()) if a.dtype.is_floating_point]
    groups = [{'params': [p for p in model.parameters() if p.ndim > 1], 'weight_decay': 0.05}, {'params': [p for p in model.parameters() if p.ndim <= 1], 'weight_decay': 0}]
    optimiser = torch.optim.AdamW(groups, lr=args.lr)
    of_class = [torch.nonzero(labels == c)[:, 0] for c in labels.unique()]
    steps, step, began = len(labels) // args.batch, 0, time.time()
    for epoch in range(epochs):
        model.train()
        total = 0.
        for _ in range(steps):
            at = step / (steps * epochs)
            for group in optimiser.param_groups:
                group['lr'] = args.lr * min(1, (step + 1) / (2 * steps)) * (0.5 + 0.5 * math.cos(math.pi * at) + 1e-3)
            share = args.batch // len(of_class)
            index = torch.cat([c[torch.randint(len(c), (share,), generator=g)] for c in of_class])
            x, y = task.batch(images[index].float() / 255, labels[index], g)
            y = F.one_hot(y, model.architecture.classes).float()
            if mixer.random() < 0.5:
                part, other = float(mixer.beta(0.3, 0.3)), torch.randperm(len(x), generator=g)
                x, y = part * x + (1 - part) * x[other], part * y + (1 - part) * y[other]
            with torch.autocast('cpu', torch.bfloat16):
                logits = model(prepare(x))[0]
            loss = F.cross_entropy(logits.float(), y, label_smoothing=0.05)
            optimiser.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 2.0)
            optimiser.step()
            keep = min(1 - 0.002 * args.batch / 64, (step + 1) / (step + 20))
            with torch.no_grad():
                torch._foreach_lerp_([a for a, _ in averaged], [b for _, b in averaged], 1 - keep)
            total += float(loss.detach())
            step += 1
        line = {'epoch': epoch + 1, 'loss': round(total / steps, 4), 's': round(time.time() - began)}
        if (epoch + 1) % 4 == 0:
            line['accuracy'] = round(float((logits_of(ema, val, prepare).argmax(1) == val_labels).float().mean()), 4)
        print(json.dumps(line), flush=True)
    calibration = calibrate(ema, task, val, val_labels, prepare)
    exported = to_onnx(ema, args.task)
    onnx.save(exported, out / 'model.onnx')
    chosen = np.concatenate([c.numpy()[np.linspace(0, len(c) - 1, CALIBRATION // len(of_class)).astype(int)] for c in of_class])
    seen = images[torch.from_numpy(chosen)]
    if args.task == 'resnet8-orientation':
        seen = torch.cat([turn(seen[i::8], i) for i in range(8)])
    np.save(out / 'calibration.npy', prepare(seen.float() / 255).contiguous().numpy().astype(np.float32))
    (out / 'training.json').write_text(json.dumps({
        'stages': [{'architecture': task.architecture, 'epochs': epochs, 'batch': args.batch, 'lr': args.lr, 'seed': args.seed, 'device': 'cpu', 'seconds': round(time.time() - began)}],
        'images': {'train': len(images), 'val': len(val)}, 'mean': task.mean, 'std': task.std, 'software': {'torch': str(torch.__version__), 'numpy': np.__version__},
        'calibration': calibration, 'mmac': round(mmac(ema), 1), 'parameters': sum(int(np.prod(t.dims)) for t in exported.graph.initializer)}, indent=2) + '\n')


if __name__ == '__main__':
    main()
