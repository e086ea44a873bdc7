"""Train ChestNet on the training rows; choose nothing by the test rows.

    python train.py --out run.pt [--architecture student] [--teachers a.pt b.pt] [--seed 1] [--device cuda]

A plan is a list of SIZExEPOCHS (progressive resizing); an epoch is as many images as the training set holds, drawn half
from each class. The checkpoint holds the exponential moving average of the weights and batch-norm statistics after the last epoch:
no epoch is picked by its score. With teachers, the answers of their ensemble to the same augmented images are learnt beside the labels.
"""
import argparse
import copy
import json
import math
import time

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

import data
from augment import augment, stress
from model import ARCHITECTURES, ChestNet

# Grey mean and standard deviation of the training rows in [0,1], rounded so that the int8 input code of an 8-bit grey is the grey - 128.
MEAN, STD = 123 / 255, 0.23
# Draws of the changes under which validation rows are scored.
STRESSES = 4


def normalise(x):
    return (x - MEAN) / STD


def resized(images: torch.Tensor, size: int) -> torch.Tensor:
    """uint8 [N,1,224,224] -> uint8 [N,1,size,size], antialiased bilinear."""
    if size == images.shape[2]:
        return images
    return torch.cat([F.interpolate(p.float(), (size, size), mode='bilinear', antialias=True).round().to(torch.uint8) for p in images.split(512)])


@torch.no_grad()
def differences(model, images: torch.Tensor, change=None) -> np.ndarray:
    """Logit of PNEUMONIA less that of NORMAL, of uint8 [N,1,H,W]."""
    model.eval()
    out = []
    for part in images.split(128):
        x = part.float() / 255
        if change:
            x = change(x)
        logits = model(normalise(x))[0].float()
        out.append(logits[:, 1] - logits[:, 0])
    return torch.cat(out).cpu().numpy()


def scores(model, images: torch.Tensor, change=None) -> np.ndarray:
    """P(PNEUMONIA) of uint8 [N,1,H,W]."""
    return 1 / (1 + np.exp(-differences(model, images, change).astype(np.float64)))


def auc(labels: np.ndarray, p: np.ndarray) -> float:
    """Area under the ROC curve: share of pairs in the right order, ties half (Hanley & McNeil 1982)."""
    positive, negative = p[labels == 1][:, None], p[labels == 0][None]
    return float((positive > negative).mean() + 0.5 * (positive == negative).mean())


def validate(model, images, labels) -> dict:
    """Figures on the rows as they are, and the mean over STRESSES draws of the changes of augment.stress."""
    def figures(change):
        p = scores(model, images, change)
        nll = -np.log(np.clip(np.where(labels == 1, p, 1 - p), 1e-6, 1)).mean()
        return [auc(labels, p), nll, (p[labels == 1] >= .5).mean(), (p[labels == 0] < .5).mean()]

    g = torch.Generator(images.device).manual_seed(5)
    found = {'clean': figures(None), 'stress': np.mean([figures(lambda x: stress(x, g)) for _ in range(STRESSES)], 0)}
    return {name: {k: round(float(v), 5) for k, v in zip(('auc', 'nll', 'sens', 'spec'), values)} for name, values in found.items()}


def kinds(rows) -> torch.Tensor:
    """1 bacterial, 0 viral, -1 normal."""
    return torch.tensor([-1. if r['label'] == 0 else float('bacteria' in r['file']) for r in rows])


def read(path: str, device) -> tuple[ChestNet, dict]:
    checkpoint = torch.load(path, map_location='cpu')
    model = ChestNet(checkpoint['architecture'])
    model.load_state_dict(checkpoint['model'])
    return model.eval().to(device), checkpoint


def main():
    args = argparse.ArgumentParser()
    args.add_argument('--plan', default='128x36,160x24,224x30', help='SIZExEPOCHS, in order')
    args.add_argument('--minutes', type=float, help='run the plan in so many minutes instead, keeping the proportions of its epochs')
    args.add_argument('--out', required=True)
    args.add_argument('--architecture', choices=list(ARCHITECTURES), default='student')
    args.add_argument('--teachers', nargs='*', default=[], help='checkpoints whose mean answer is learnt')
    args.add_argument('--seed', type=int, default=1)
    args.add_argument('--device', default='cpu')
    args.add_argument('--lr', type=float, default=2e-3)
    args.add_argument('--batch', type=int, default=64)
    args.add_argument('--decay', type=float, default=0.05)
    args.add_argument('--mixup', type=float, default=0.3)
    args.add_argument('--smooth', type=float, default=0.05)
    args.add_argument('--taught', type=float, default=0.7, help='weight of the teachers beside the labels')
    args.add_argument('--strength', type=float, default=1.0, help='of the augmentation')
    args = args.parse_args()
    device = torch.device(args.device)
    torch.manual_seed(args.seed)
    g = torch.Generator(device).manual_seed(args.seed)
    mixer = np.random.default_rng(args.seed)

    train_u8, labels, rows = data.load('train')
    val_u8, val_labels, _ = data.load('val')
    train_u8, val_u8 = (torch.from_numpy(images).unsqueeze(1).to(device) for images in (train_u8, val_u8))
    kind = kinds(rows).to(device)
    target = torch.from_numpy(labels).to(device)
    of_class = [torch.from_numpy(np.flatnonzero(labels == c)).to(device) for c in (0, 1)]

    model = ChestNet(args.architecture).to(device, memory_format=torch.channels_last)
    teachers = [read(path, device)[0].to(memory_format=torch.channels_last) for path in args.teachers]
    ema = copy.deepcopy(model)
    decayed = [p for p in model.parameters() if p.ndim > 1]
    plain = [p for p in model.parameters() if p.ndim <= 1]
    optimiser = torch.optim.AdamW([{'params': decayed, 'weight_decay': args.decay}, {'params': plain, 'weight_decay': 0}], lr=args.lr)
    plan = [size for part in args.plan.split(',') for size in [int(part.split('x')[0])] * int(part.split('x')[1])]
    steps_an_epoch = len(rows) // args.batch
    step, epoch, began, size = 0, 0, time.time(), 0
    averaged = [(a, b) for a, b in zip(ema.state_dict().values(), model.state_dict().values()) if a.dtype.is_floating_point]

    def save(path, **more):
        stage = {k: v for k, v in vars(args).items() if k not in ('out', 'teachers')} | {'teachers': len(teachers), 'epochs': epoch, 'seconds': round(time.time() - began)}
        software = {'torch': str(torch.__version__), 'numpy': np.__version__}
        weights = {k: v.cpu().contiguous() for k, v in ema.state_dict().items()}
        torch.save({'architecture': args.architecture, 'model': weights, 'stages': [stage], 'software': software, **more}, path)

    while True:
        # Position in the plan, [0,1).
        at = (time.time() - began) / (60 * args.minutes) if args.minutes else epoch / len(plan)
        if at >= 1:
            break
        if plan[int(at * len(plan) + 1e-6)] != size:
            size = plan[int(at * len(plan) + 1e-6)]
            images = resized(train_u8, size)
        model.train()
        losses = torch.zeros((), device=device)
        for _ in range(steps_an_epoch):
            half = args.batch // 2
            index = torch.cat([c[torch.randint(len(c), (half,), generator=g, device=device)] for c in of_class])
            x = normalise(augment(images[index].float() / 255, g, args.strength))
            y = F.one_hot(target[index], 2).float()
            k = kind[index]
            if args.mixup and mixer.random() < 0.5:
                part = float(mixer.beta(args.mixup, args.mixup))
                other = torch.randperm(len(index), generator=g, device=device)
                x, y = part * x + (1 - part) * x[other], part * y + (1 - part) * y[other]
                k = torch.where(k == k[other], k, -torch.ones_like(k))
            warm = min(1, (step + 1) / (2 * steps_an_epoch))
            for group in optimiser.param_groups:
                group['lr'] = args.lr * warm * (0.5 + 0.5 * math.cos(math.pi * at) + 1e-3)
            x = x.contiguous(memory_format=torch.channels_last)
            with torch.autocast(device.type, torch.bfloat16):
                logits, bacterial = model.train_heads(x)
                with torch.no_grad():
                    told = [t(x)[0].float() for t in teachers]
            loss = F.cross_entropy(logits.float(), y, label_smoothing=args.smooth)
            if told:
                soft = F.cross_entropy(logits.float(), torch.softmax(torch.stack(told), 2).mean(0))
                loss = (1 - args.taught) * loss + args.taught * soft
            known = (k >= 0).float()
            each = F.binary_cross_entropy_with_logits(bacterial.float(), k.clamp(min=0), reduction='none')
            loss = loss + 0.2 * (each * known).sum() / known.sum().clamp(min=1)
            optimiser.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 2.0)
            optimiser.step()
            with torch.no_grad():
                keep = min(1 - 0.002 * args.batch / 64, (step + 1) / (step + 20))
                torch._foreach_lerp_([a for a, _ in averaged], [b for _, b in averaged], 1 - keep)
                losses += loss.detach()
            step += 1
        epoch += 1
        line = {'epoch': epoch, 'size': size, 'loss': round(losses.item() / steps_an_epoch, 4), 's': round(time.time() - began)}
        if epoch % 12 == 0:
            line |= validate(ema, resized(val_u8, size), val_labels)
        print(json.dumps(line), flush=True)
    final = validate(ema, val_u8, val_labels)
    print(json.dumps({'final': final, 's': round(time.time() - began)}), flush=True)
    save(args.out, validation=final)


if __name__ == '__main__':
    main()
