"""Test figures of every seed of the recipe -> models/pneumonia/seeds.json.

    python seeds.py student*.pt

Each seed is calibrated and gets its threshold on validation rows, as the shipped one does, before a test image is opened. Which one is shipped is
not decided here (export.py).
"""
import json
import sys

import numpy as np
import torch

import data
from evaluate import choose_threshold, figures, rounded
from export import calibrate
from train import read, scores

NAMES = ('auc', 'accuracy', 'sensitivity', 'specificity')


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
        rows.append({'seed': seed, 'threshold': threshold} | {k: found[k] for k in NAMES})
    table = np.array([[row[k] for k in NAMES] for row in rows])
    result = {'seeds': rows, 'mean': dict(zip(NAMES, table.mean(0))), 'sd': dict(zip(NAMES, table.std(0, ddof=1)))}
    (data.PACKAGE / 'seeds.json').write_text(json.dumps(rounded(result), indent=2) + '\n')
    print(json.dumps(rounded(result), indent=2))


if __name__ == '__main__':
    main()
