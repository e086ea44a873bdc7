"""What the network's features are on the films it was made for -> `guard` in models/pneumonia/metadata.json (src/contract/model.ts, src/review/guard.ts).

    python guard.py

Fitted on training rows; the limit is what 99 % of validation rows stay below. No test row and no image of another kind is read.
"""
import base64
import hashlib
import json

import numpy as np
import onnxruntime as ort

import data
from train import MEAN, STD

# Directions of the largest variance that are kept, of 4 x channels.
DIRECTIONS = 24
SHARE = 0.99
METHOD = 'What {:.0%} of the {} validation rows stay below; fitted on the {} training rows.'


def described(split):
    """Square roots of the channels' means in the last feature map's quarters: [N, 4 x channels]."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(data.PACKAGE / 'model.onnx', options, providers=['CPUExecutionProvider'])
    rows = []
    for image in data.load(split)[0]:
        x = (image[None, None].astype(np.float32) / np.float32(255) - np.float32(MEAN)) / np.float32(STD)
        f = session.run(['features'], {'image': x})[0][0]
        high, wide = (-(-n // 2) for n in f.shape[1:])
        rows.append(np.concatenate([np.sqrt(part.mean((1, 2))) for part in (f[:, :high, :wide], f[:, :high, -wide:], f[:, -high:, :wide], f[:, -high:, -wide:])]))
    return np.array(rows, np.float64)


def packed(values, kind):
    return base64.b64encode(np.ascontiguousarray(values, kind).tobytes()).decode()


def main():
    train = described('train')
    mean, deviation = train.mean(0).astype('<f4'), (train.std(0) + 1e-3).astype('<f4')
    variances, vectors = np.linalg.eigh(np.cov(((train - mean) / deviation).T))
    variances, vectors = variances[::-1], vectors.T[::-1][:DIRECTIONS]
    steps = np.abs(vectors).max(1) / 127
    codes = np.round(vectors / steps[:, None])
    rest = variances[DIRECTIONS:].mean()
    kept = variances[:DIRECTIONS]
    val = (described('val') - mean) / deviation
    along = val @ (codes * steps[:, None]).T
    distance = ((val ** 2).sum(1) / rest + (along ** 2 * (1 / kept - 1 / rest)).sum(1)) / len(mean)
    path = data.PACKAGE / 'metadata.json'
    metadata = json.loads(path.read_text())
    metadata['fabriclens']['guard'] = {
        'sha256': hashlib.sha256((data.PACKAGE / 'model.onnx').read_bytes()).hexdigest(),
        'mean': packed(mean, '<f4'), 'deviation': packed(deviation, '<f4'), 'directions': packed(codes, np.int8),
        'steps': [float(f'{v:.7g}') for v in steps], 'variances': [float(f'{v:.7g}') for v in kept], 'rest': float(f'{rest:.7g}'),
        'limit': round(float(np.quantile(distance, SHARE)), 4), 'method': METHOD.format(SHARE, len(val), len(train)),
    }
    path.write_text(json.dumps(metadata, indent=1, ensure_ascii=False) + '\n')
    print('median', np.median(distance), 'limit', metadata['fabriclens']['guard']['limit'])


if __name__ == '__main__':
    main()
