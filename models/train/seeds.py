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
from sklearn.metrics import roc_auc_score

import data
from export import calibrate
from train import read, scores

# As in models/eval/sets.ts.
SENSITIVITY = 0.97
NAMES = ('auc', 'accuracy', 'sensitivity', 'specificity')


def choose_threshold(p: np.ndarray, labels: np.ndarray) -> float:
    """Highest value t with share(p >= t) >= SENSITIVITY among the positives, rounded down to four digits."""
    positive = np.sort(p[labels == 1])
    return math.floor(positive[math.floor((1 - SENSITIVITY) * len(positive))] * 1e4) / 1e4


def figures(p, labels, threshold):
    said = p >= threshold
    return {
        'auc': roc_auc_score(labels, p),
        'accuracy': np.mean(said == labels),
        'sensitivity': np.mean(said[labels == 1]),
        'specificity': np.mean(~said[labels == 0]),
    }


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
    images, labels, _ = data.load('test')
    rows = []
    for seed, model, threshold in zip(seeds, models, thresholds):
        found = figures(scores(model, torch.from_numpy(images).unsqueeze(1)), labels, threshold)
        rows.append({'seed': seed} | {k: found[k] for k in NAMES})
    table = np.array([[row[k] for k in NAMES] for row in rows])
    result = {'seeds': rows, 'mean': dict(zip(NAMES, table.mean(0))), 'sd': dict(zip(NAMES, table.std(0, ddof=1)))}
    (data.PACKAGE / 'seeds.json').write_text(json.dumps(rounded(result), indent=2) + '\n')
    print(json.dumps(rounded(result), indent=2))


if __name__ == '__main__':
    main()
