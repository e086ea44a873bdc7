"""The package's models on validation and test rows -> models/pneumonia/evaluation.json. The only script that reads test/.

    python evaluate.py

The threshold is chosen on validation rows with the fp32 model, before a test image is opened. Every figure of the card and
of metadata.json comes from the file written here.
"""
import hashlib
import json
import math

import numpy as np
import onnx
import onnxruntime as ort
from sklearn.metrics import roc_auc_score

import data
from train import MEAN, STD

SENSITIVITY = 0.97
METHOD = ('Highest threshold on P(PNEUMONIA) that keeps a sensitivity of at least {:.0%} on the {} validation rows, '
          'which share no image with training and test (some share a patient with training).')
RESAMPLES = 2000


def tensor(images: np.ndarray) -> np.ndarray:
    """uint8 [N,224,224] -> float32 [N,1,224,224] as the network takes it."""
    grey = images[:, None].astype(np.float32) / np.float32(255)
    return (grey - np.float32(MEAN)) / np.float32(STD)


def sha256(name: str) -> str:
    return hashlib.sha256((data.PACKAGE / name).read_bytes()).hexdigest()


def probabilities(name: str, images: np.ndarray) -> np.ndarray:
    """P(PNEUMONIA) of uint8 [N,224,224], one image at a time as the application does."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = 2
    session = ort.InferenceSession(data.PACKAGE / name, options, providers=['CPUExecutionProvider'])
    logits = np.concatenate([session.run(['logits'], {'image': tensor(image[None])})[0] for image in images]).astype(np.float64)
    return 1 / (1 + np.exp(logits[:, 0] - logits[:, 1]))


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
        'accuracyAtHalf': np.mean((p >= 0.5) == labels),
    }


def interval(p, labels, threshold):
    """95 % percentile bootstrap of AUC and accuracy, images resampled within each class."""
    g = np.random.default_rng(0)
    of_class = [np.flatnonzero(labels == c) for c in (0, 1)]
    draws = []
    for _ in range(RESAMPLES):
        i = np.concatenate([g.choice(c, len(c)) for c in of_class])
        draws.append((roc_auc_score(labels[i], p[i]), np.mean((p[i] >= threshold) == labels[i])))
    low, high = np.percentile(draws, [2.5, 97.5], axis=0)
    return {'auc': [low[0], high[0]], 'accuracy': [low[1], high[1]]}


def fidelity(a, b, threshold):
    """How the int8 network's answers b differ from the fp32 network's a."""
    difference = np.abs(a - b)
    return {'labelAgreement': np.mean((a >= threshold) == (b >= threshold)), 'maxDifference': difference.max(), 'meanDifference': difference.mean()}


def rounded(value):
    if isinstance(value, dict):
        return {k: rounded(v) for k, v in value.items()}
    if isinstance(value, list):
        return [rounded(v) for v in value]
    return round(float(value), 4) if isinstance(value, (float, np.floating)) else value


def main():
    val, val_labels, _ = data.load('val')
    val_p = {k: probabilities(n, val) for k, n in (('fp32', 'model.onnx'), ('int8', 'model.int8.onnx'))}
    threshold = choose_threshold(val_p['fp32'], val_labels)

    test, labels, rows = data.load('test')
    test_p = {k: probabilities(n, test) for k, n in (('fp32', 'model.onnx'), ('int8', 'model.int8.onnx'))}
    shared = np.array([r['medmnist'] for r in rows])
    result = {
        'sha256': {n: sha256(n) for n in ('model.onnx', 'model.int8.onnx')},
        'threshold': {'value': threshold, 'method': METHOD.format(SENSITIVITY, len(val))},
        # Of the int8 network on validation rows: what may be called agreement between engines.
        'tolerance': math.ceil(np.abs(val_p['fp32'] - val_p['int8']).max() * 100) / 100,
        'images': {'train': len(data.manifest('train')), 'val': len(val), 'test': len(test), 'testMedmnist': int(shared.sum())},
        'val': {k: figures(p, val_labels, threshold) for k, p in val_p.items()} | {'fidelity': fidelity(val_p['fp32'], val_p['int8'], threshold)},
        'test': {k: figures(p, labels, threshold) | {'interval95': interval(p, labels, threshold)} for k, p in test_p.items()}
        | {'fidelity': fidelity(test_p['fp32'], test_p['int8'], threshold)},
        'testMedmnist': {k: figures(p[shared], labels[shared], threshold) for k, p in test_p.items()}
        | {'fidelity': fidelity(test_p['fp32'][shared], test_p['int8'][shared], threshold)},
        'software': {'onnx': onnx.__version__, 'onnxruntime': ort.__version__, 'numpy': np.__version__},
    }
    (data.PACKAGE / 'evaluation.json').write_text(json.dumps(rounded(result), indent=2) + '\n')
    print(json.dumps(rounded({k: result[k] for k in ('threshold', 'tolerance', 'val', 'test', 'testMedmnist')}), indent=2))


if __name__ == '__main__':
    main()
