"""Augmentation of a whole batch with torch operations, on the device of its generator.

The test set's films differ from the training set's in exposure, sharpness, framing and aspect, so all of these are varied
far more than the training films vary among themselves; a network that leans on them to tell the two classes loses.
"""
import math

import torch
from torch.nn import functional as F


def uniform(n, lo, hi, g, *shape):
    return torch.rand((n, *shape), generator=g, device=g.device) * (hi - lo) + lo


def geometry(x, g, strength=1.0, flips=True):
    """Rotation, zoom, aspect, shear, shift and, unless the sides matter, horizontal flip in one resampling."""
    n = len(x)
    angle = uniform(n, -15, 15, g) * strength * math.pi / 180
    zoom = torch.exp(uniform(n, -0.22, 0.22, g) * strength)
    aspect = torch.exp(uniform(n, -0.14, 0.14, g) * strength)
    shear = uniform(n, -0.1, 0.1, g) * strength
    flip = torch.where(uniform(n, 0, 1, g) < (0.5 if flips else 0), -1.0, 1.0)
    cos, sin = torch.cos(angle), torch.sin(angle)
    theta = torch.zeros(n, 2, 3, device=x.device)
    theta[:, 0, 0] = cos * zoom * aspect * flip
    theta[:, 0, 1] = (-sin + shear) * zoom
    theta[:, 1, 0] = sin * zoom * flip
    theta[:, 1, 1] = cos * zoom / aspect
    theta[:, :, 2] = uniform(n, -0.14, 0.14, g, 2) * strength
    grid = F.affine_grid(theta, x.shape, align_corners=False)
    padding = 'zeros' if torch.rand(1, generator=g, device=g.device) < 0.5 else 'border'
    return F.grid_sample(x, grid, mode='bilinear', padding_mode=padding, align_corners=False)


def intensity(x, g, strength=1.0):
    """Exposure and display: gamma, contrast, brightness, a random smooth tone curve, and a slow shading field. x in [0,1]."""
    n = len(x)
    shape = (n, 1, 1, 1)
    gamma = torch.exp(uniform(n, -0.55, 0.55, g) * strength).view(shape)
    x = x.clamp(1e-4, 1) ** gamma
    # An S-shaped (or inverse) tone curve: still monotone for |k| < 0.159 = 1/(2 pi).
    x = x + uniform(n, -0.13, 0.13, g).view(shape) * strength * torch.sin(2 * math.pi * x)
    mean = x.mean((2, 3), keepdim=True)
    contrast = torch.exp(uniform(n, -0.4, 0.4, g) * strength).view(shape)
    bright = uniform(n, -0.15, 0.15, g).view(shape) * strength
    field = F.interpolate(uniform(n, -0.12, 0.12, g, 1, 3, 3) * strength, x.shape[2:], mode='bilinear', align_corners=True)
    return ((x - mean) * contrast + mean + bright + field).clamp(0, 1)


def blur(x):
    """5 x 5 binomial blur, borders replicated, as shifted sums (faster than a convolution of one channel)."""
    for axis in (2, 3):
        n = x.shape[axis]
        pad = (0, 0, 2, 2) if axis == 2 else (2, 2, 0, 0)
        p = F.pad(x, pad, mode='replicate')
        part = [p.narrow(axis, i, n) for i in range(5)]
        x = (part[0] + part[4]) * (1 / 16) + (part[1] + part[3]) * (4 / 16) + part[2] * (6 / 16)
    return x


def sharpness(x, g, strength=1.0):
    """Blur or sharpen by a mixture with a blurred copy; then noise. Each on 60 % of the images."""
    n = len(x)
    mix = uniform(n, -0.9, 1.0, g) * strength * (uniform(n, 0, 1, g) > 0.4)
    sigma = uniform(n, 0, 0.05, g) * strength * (uniform(n, 0, 1, g) > 0.4)
    x = x + (blur(x) - x) * mix.view(n, 1, 1, 1)
    return x + torch.randn(x.shape, generator=g, device=g.device) * sigma.view(n, 1, 1, 1)


def erase(x, g, p=0.5):
    """Cutout (DeVries & Taylor 2017): up to three flat rectangles, some of them small and near a border, where side markers lie."""
    n, _, h, w = x.shape
    rows = torch.arange(h, device=x.device).view(1, h, 1) / h
    columns = torch.arange(w, device=x.device).view(1, 1, w) / w
    for _ in range(3):
        chosen, a, b, cy, cx, grey = (v.view(n, 1, 1) for v in uniform(6, 0, 1, g, n))
        high, wide = 0.04 + 0.26 * a * a, 0.04 + 0.26 * b * b
        top, left = cy * (1 - high), cx * (1 - wide)
        inside = (chosen <= p) & (rows >= top) & (rows < top + high) & (columns >= left) & (columns < left + wide)
        x = torch.where(inside.unsqueeze(1), grey.unsqueeze(1), x)
    return x


def augment(x, g, strength=1.0, flips=True):
    """x float32 [N,1,H,W] in [0,1] -> the same, augmented."""
    x = geometry(x, g, strength, flips)
    x = intensity(x, g, strength)
    x = sharpness(x, g, strength)
    return erase(x, g).clamp(0, 1)


def stress(x, g, flips=True):
    """The same kinds of change without erasing, for validation rows: how the network takes films unlike its own."""
    return sharpness(intensity(geometry(x, g, 0.8, flips), g), g).clamp(0, 1)
