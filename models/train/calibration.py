"""Training films that `fabriclens compile` calibrates model.onnx with, copied into a folder.

    python calibration.py films
"""
import shutil
import sys
from pathlib import Path

import numpy as np

import data

# Both classes alike, evenly spaced through the manifest.
IMAGES = 256


def main():
    folder = Path(sys.argv[1])
    folder.mkdir()
    rows = data.manifest('train')
    labels = np.array([r['label'] for r in rows])
    chosen = [i[np.linspace(0, len(i) - 1, IMAGES // 2).astype(int)] for i in (np.flatnonzero(labels == c) for c in (0, 1))]
    for n, i in enumerate(np.concatenate(chosen)):
        shutil.copy(data.data_root() / rows[i]['file'], folder / f'{n:03d}.jpeg')


if __name__ == '__main__':
    main()
