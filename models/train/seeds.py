"""Test figures of every seed of the recipe -> models/pneumonia/seeds.json.

    python seeds.py student*.pt

Each seed is calibrated and gets its threshold on validation rows, as the shipped one does (npm run eval -- pneumonia --decide), before a test image is
opened. Which one is shipped is not decided here (export.py).
"""
import json
import math
import sys

import numpy as np
import torch

import data
from export import calibrate
from train import read, scores

# As in models/eval/sets.ts.
SENSITIVITY = 0.97
NAMES = ('auc', 'accuracy', 'sensitivity', 'specificity', 'ece')
BINS, RESAMPLES = 10, 2000


def choose_threshold(p: np.ndarray, labels: np.ndarray) -> float:
    """Highest value t with share(p >= t) >= SENSITIVITY among the positives, rounded down to four digits."""
    positive = np.sort(p[labels == 1])
    return math.floor(positive[math.floor((1 - SENSITIVITY) * len(positive))] * 1e4) / 1e4


def drawn(labels: np.ndarray) -> np.ndarray:
    """How often each image is in each of the samples [RESAMPLES + 1,N], drawn with replacement within each class; the first has every image once."""
    random, times = np.random.default_rng(1), np.zeros((RESAMPLES + 1, len(labels)))
    times[0] = 1
    for c in (0, 1):
        index = np.flatnonzero(labels == c)
        times[1:, index] = random.multinomial(len(index), np.full(len(index), 1 / len(index)), RESAMPLES)
    return times


def figures(p: np.ndarray, labels: np.ndarray, threshold: float, times: np.ndarray) -> dict[str, np.ndarray]:
    """Each measure of each sample, as models/eval/figures.ts has them: AUC with ties half, ECE in BINS bins of equal width."""
    values, at = np.unique(p, return_inverse=True)
    yes, no = (np.stack([np.bincount(at, row, len(values)) for row in times * (labels == c)]) for c in (1, 0))
    positives, negatives, said = yes.sum(1), no.sum(1), values >= threshold
    bins = np.minimum(BINS - 1, (values * BINS).astype(int))
    gap = np.stack([((yes + no) * values - yes)[:, bins == b].sum(1) for b in range(BINS)])
    hits, passed = yes[:, said].sum(1), no[:, ~said].sum(1)
    return {
        'auc': (yes * (np.cumsum(no, 1) - no / 2)).sum(1) / (positives * negatives),
        'accuracy': (hits + passed) / (positives + negatives),
        'sensitivity': hits / positives,
        'specificity': passed / negatives,
        'ece': np.abs(gap).sum(0) / (positives + negatives),
    }


def summary(seeds, answers, thresholds, labels):
    """Every seed's figures, their mean and deviation; 95 % of the samples lie within `interval95`, that of the mean from the same samples for all seeds."""
    times = drawn(labels)
    table = np.array([list(figures(p, labels, t, times).values()) for p, t in zip(answers, thresholds)])
    limits = lambda samples: dict(zip(NAMES, np.quantile(samples, (0.025, 0.975), axis=-1).T.tolist()))
    rows = [{'seed': seed} | dict(zip(NAMES, of[:, 0])) | {'interval95': limits(of[:, 1:])} for seed, of in zip(seeds, table)]
    first = table[:, :, 0]
    return {'images': len(labels), 'seeds': rows, 'mean': dict(zip(NAMES, first.mean(0))), 'sd': dict(zip(NAMES, first.std(0, ddof=1))), 'interval95': limits(table[:, :, 1:].mean(0))}


def rounded(value):
    if isinstance(value, dict):
        return {k: rounded(v) for k, v in value.items()}
    if isinstance(value, list):
        return [rounded(v) for v in value]
    return round(float(value), 4) if isinstance(value, (float, np.floating)) else value


def main():
    models, thresholds, seeds = [], [], []
    images, labels, _ = data.load('val')
    for path in sys.argv[1:]:
        model, checkpoint = read(path, 'cpu')
        calibrate(model)
        thresholds.append(choose_threshold(scores(model, torch.from_numpy(images).unsqueeze(1)), labels))
        models.append(model)
        seeds.append(checkpoint['stages'][0]['seed'])
    images, labels, rows = data.load('test')
    answers = [scores(model, torch.from_numpy(images).unsqueeze(1)) for model in models]
    common = np.array([row['medmnist'] for row in rows])
    result = rounded({
        'test': summary(seeds, answers, thresholds, labels),
        'testMedmnist': summary(seeds, [p[common] for p in answers], thresholds, labels[common]),
    })
    (data.PACKAGE / 'seeds.json').write_text(json.dumps(result, indent=2) + '\n')
    print(json.dumps(result, indent=2))


if __name__ == '__main__':
    main()
