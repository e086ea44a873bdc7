"""Train ChestNet on the training rows; choose nothing by the test rows.

    python train.py --plan 128x40,160x20,224x20 --out run.pt [--seed 1]

A plan is a list of SIZExEPOCHS (progressive resizing); an epoch is as many images as the training set holds, drawn half
from each class. The checkpoint holds the exponential moving average of the weights and batch-norm statistics after the last epoch:
no epoch is picked by its score.
"""
import argparse
import copy
import json
import math
import os
import time

import numpy as np
import torch
from sklearn.metrics import roc_auc_score
from torch import distributed as dist
from torch import nn
from torch.nn import functional as F

import data
from augment import augment, stress
from model import ChestNet

# Grey mean and standard deviation of the training rows in [0,1], rounded so that the int8 input code of an 8-bit grey is the grey - 128.
MEAN, STD = 123 / 255, 0.23


def normalise(x):
    return (x - MEAN) / STD


def resized(images: np.ndarray, size: int) -> torch.Tensor:
    """uint8 [N,224,224] -> uint8 [N,1,size,size], antialiased bilinear."""
    t = torch.from_numpy(images).unsqueeze(1)
    if size == images.shape[1]:
        return t
    parts = [F.interpolate(p.float(), (size, size), mode='bilinear', antialias=True).round().to(torch.uint8) for p in t.split(512)]
    return torch.cat(parts)


@torch.no_grad()
def scores(model, images: torch.Tensor, change=None) -> np.ndarray:
    """P(PNEUMONIA) of uint8 [N,1,H,W]."""
    model.eval()
    out = []
    for part in images.split(128):
        x = part.float() / 255
        if change:
            x = change(x)
        out.append(torch.softmax(model(normalise(x))[0], 1)[:, 1])
    return torch.cat(out).numpy()


def validate(model, images, labels) -> dict:
    result = {}
    for name, change in (('clean', None), ('stress', lambda x, g=torch.Generator().manual_seed(5): stress(x, g))):
        p = scores(model, images, change)
        nll = -np.log(np.clip(np.where(labels == 1, p, 1 - p), 1e-6, 1)).mean()
        result[name] = {'auc': round(float(roc_auc_score(labels, p)), 5), 'nll': round(float(nll), 4),
                        'sens': round(float((p[labels == 1] >= .5).mean()), 4), 'spec': round(float((p[labels == 0] < .5).mean()), 4)}
    return result


def kinds(rows) -> torch.Tensor:
    """1 bacterial, 0 viral, -1 normal."""
    return torch.tensor([-1. if r['label'] == 0 else float('bacteria' in r['file']) for r in rows])


def share(vector: torch.Tensor, world: int) -> torch.Tensor:
    dist.all_reduce(vector)
    return vector / world


def main():
    args = argparse.ArgumentParser()
    args.add_argument('--plan', default='128x40,160x20,224x20', help='SIZExEPOCHS, in order')
    args.add_argument('--minutes', type=float, help='run the plan in so many minutes instead, keeping the proportions of its epochs')
    args.add_argument('--stop', type=int, help='end after this epoch of the plan')
    args.add_argument('--out', required=True)
    args.add_argument('--init', help='start from the weights of this checkpoint')
    args.add_argument('--seed', type=int, default=1)
    args.add_argument('--lr', type=float, default=2e-3)
    args.add_argument('--batch', type=int, default=64)
    args.add_argument('--decay', type=float, default=0.05)
    args.add_argument('--mixup', type=float, default=0.3)
    args.add_argument('--smooth', type=float, default=0.05)
    args = args.parse_args()
    # Under torchrun: local SGD (Stich 2019), a process a core, weights averaged every eighth step. On cores that others
    # use too it loses far less than one process with two threads, which meet at the end of every operation.
    world, rank = int(os.environ.get('WORLD_SIZE', 1)), int(os.environ.get('RANK', 0))
    if world > 1:
        dist.init_process_group('gloo')
        torch.set_num_threads(1)
    torch.manual_seed(args.seed)
    g = torch.Generator().manual_seed(1000 * rank + args.seed)
    mixer = np.random.default_rng(1000 * rank + args.seed)

    train_u8, labels, rows = data.load('train')
    val_u8, val_labels, _ = data.load('val')
    kind = kinds(rows)
    target = torch.from_numpy(labels)
    of_class = [torch.from_numpy(np.flatnonzero(labels == c)) for c in (0, 1)]

    model = ChestNet().to(memory_format=torch.channels_last)
    stages = []
    if args.init:
        before = torch.load(args.init)
        model.load_state_dict(before['model'])
        stages = before['stages']
    ema = copy.deepcopy(model)
    shared = [t for t in model.state_dict().values() if t.dtype.is_floating_point]
    decayed = [p for p in model.parameters() if p.ndim > 1]
    plain = [p for p in model.parameters() if p.ndim <= 1]
    optimiser = torch.optim.AdamW([{'params': decayed, 'weight_decay': args.decay}, {'params': plain, 'weight_decay': 0}], lr=args.lr)
    plan = [size for part in args.plan.split(',') for size in [int(part.split('x')[0])] * int(part.split('x')[1])]
    steps_an_epoch = len(rows) // (args.batch * world)
    step, epoch, began, size = 0, 0, time.time(), 0

    def save(path, **more):
        stage = {k: v for k, v in vars(args).items() if k not in ('out', 'init')}
        stage |= {'processes': world, 'epochs': epoch, 'seconds': round(time.time() - began)}
        software = {'torch': str(torch.__version__), 'numpy': np.__version__}
        torch.save({'model': ema.state_dict(), 'stages': [*stages, stage], 'software': software, **more}, path)

    while True:
        # Position in the plan, [0,1); rank 0's clock decides for all.
        at = (time.time() - began) / (60 * args.minutes) if args.minutes else epoch / len(plan)
        if world > 1:
            clock = torch.tensor([at])
            dist.broadcast(clock, 0)
            at = clock.item()
        if at >= 1 or epoch == args.stop:
            break
        if plan[int(at * len(plan) + 1e-6)] != size:
            size = plan[int(at * len(plan) + 1e-6)]
            images = resized(train_u8, size)
        model.train()
        losses = []
        for _ in range(steps_an_epoch):
            half = args.batch // 2
            index = torch.cat([c[torch.randint(len(c), (half,), generator=g)] for c in of_class])
            index = index[torch.randperm(len(index), generator=g)]
            x = normalise(augment(images[index].float() / 255, g))
            y = F.one_hot(target[index], 2).float()
            k = kind[index]
            if args.mixup and mixer.random() < 0.5:
                part = float(mixer.beta(args.mixup, args.mixup))
                other = torch.randperm(len(index), generator=g)
                x, y = part * x + (1 - part) * x[other], part * y + (1 - part) * y[other]
                k = torch.where(k == k[other], k, torch.tensor(-1.))
            warm = min(1, (step + 1) / (2 * steps_an_epoch))
            for group in optimiser.param_groups:
                group['lr'] = args.lr * warm * (0.5 + 0.5 * math.cos(math.pi * at) + 1e-3)
            with torch.autocast('cpu', torch.bfloat16):
                logits, bacterial = model.train_heads(x.contiguous(memory_format=torch.channels_last))
            loss = F.cross_entropy(logits.float(), y, label_smoothing=args.smooth)
            known = k >= 0
            if known.any():
                loss = loss + 0.2 * F.binary_cross_entropy_with_logits(bacterial.float()[known], k[known])
            optimiser.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 2.0)
            optimiser.step()
            with torch.no_grad():
                if world > 1 and step % 8 == 7:
                    mean = share(torch.cat([t.reshape(-1) for t in shared]), world)
                    for t, part in zip(shared, mean.split([t.numel() for t in shared])):
                        t.copy_(part.view_as(t))
                keep = min(1 - 0.002 * world, (step + 1) / (step + 20))
                for a, b in zip(ema.state_dict().values(), model.state_dict().values()):
                    if a.dtype.is_floating_point:
                        a.lerp_(b, 1 - keep)
            losses.append(loss.item())
            step += 1
        epoch += 1
        if rank:
            continue
        line = {'epoch': epoch, 'size': size, 'loss': round(float(np.mean(losses)), 4), 's': round(time.time() - began)}
        if epoch % 6 == 0:
            line |= validate(ema, resized(val_u8, size), val_labels)
            save(args.out + '.part')
        print(json.dumps(line), flush=True)
    if rank == 0:
        final = validate(ema, resized(val_u8, data.SIZE), val_labels)
        print(json.dumps({'final': final, 's': round(time.time() - began)}), flush=True)
        save(args.out, validation=final)


if __name__ == '__main__':
    main()
