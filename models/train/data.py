"""The training set as arrays, and the split that every script here shares.

Kermany et al., "Labeled Optical Coherence Tomography (OCT) and Chest X-Ray Images", Mendeley Data rscbjbr9sj (CC BY 4.0):
JPEG files squashed to 224 x 224, in folders train/ and test/ with the authors' file names. Rows of PneumoniaMNIST's `val`
split (matched in medmnist_split_map.tsv) are validation, but for eight copies of training images; every other file of train/
is training; test/ is read by seeds.py only, through `load('test')`, and by nothing else here (`npm run eval` reads it too).
"""
import csv
import hashlib
import os
import re
from pathlib import Path

import numpy as np
from PIL import Image

HERE = Path(__file__).resolve().parent
PACKAGE = HERE.parent / 'pneumonia'
SPLIT = HERE / 'split.tsv'
SMALL = HERE / 'pneumoniamnist.tsv'
LABELS = ['NORMAL', 'PNEUMONIA']
SIZE = 224


def data_root() -> Path:
    """Folder of the data set: FABRICLENS_DATA, else ../shared/data beside the checkout."""
    base = os.environ.get('FABRICLENS_DATA') or HERE.parents[2] / 'shared' / 'data'
    root = Path(base) / 'chest-xray-224'
    if not (root / 'medmnist_split_map.tsv').is_file():
        raise SystemExit(f'{root} holds no chest-xray-224 data set; set FABRICLENS_DATA to the folder that contains it')
    return root


def patient(name: str) -> str:
    """Person id in a file name: personNNN_..., IM-NNNN-..., NORMAL2-IM-NNNN-..."""
    base = name.rsplit('/', 1)[-1]
    found = re.match(r'(person\d+)_|((?:NORMAL2-)?IM-\d+)', base)
    return found.group(1) or found.group(2)


def scan() -> list[dict]:
    """Every file with its split, label and MedMNIST coincidence, from the data set's own table."""
    with open(data_root() / 'medmnist_split_map.tsv', newline='') as table:
        rows = list(csv.DictReader(table, delimiter='\t'))
    return [{
        'file': r['file'],
        'split': r['split'],
        'label': int(r['label']),
        # One of the 556 test images that coincide with an image of MedMNIST's own test split.
        'medmnist': r['index_in_official_array'] != '',
    } for r in rows]


def write_manifest() -> None:
    """split.tsv: split, sha256 of the file's bytes, name; the proof of what was trained on.

    A validation file with the same bytes as a training file is listed as `duplicate` and not used.
    """
    rows = sorted(scan(), key=lambda r: (r['split'], r['file']))
    for row in rows:
        row['sha256'] = hashlib.sha256((data_root() / row['file']).read_bytes()).hexdigest()
    trained = {r['sha256'] for r in rows if r['split'] == 'train'}
    lines = ['split\tmedmnist\tsha256\tfile']
    for row in rows:
        split = 'duplicate' if row['split'] == 'val' and row['sha256'] in trained else row['split']
        lines.append(f"{split}\t{int(row['medmnist'])}\t{row['sha256']}\t{row['file']}")
    SPLIT.write_text('\n'.join(lines) + '\n')


def manifest(split: str) -> list[dict]:
    """Rows of split.tsv for one split ('train', 'val', 'test'), each with its label and patient."""
    with open(SPLIT, newline='') as table:
        rows = [r for r in csv.DictReader(table, delimiter='\t') if r['split'] == split]
    for row in rows:
        row['label'] = LABELS.index(row['file'].split('/')[1])
        row['medmnist'] = row['medmnist'] == '1'
        row['patient'] = patient(row['file'])
    return rows


def load(split: str, check: bool = True) -> tuple[np.ndarray, np.ndarray, list[dict]]:
    """Images uint8 [N,224,224], labels int64 [N], manifest rows. Refuses a file whose hash is not the manifest's."""
    rows = manifest(split)
    images = np.empty((len(rows), SIZE, SIZE), np.uint8)
    for i, row in enumerate(rows):
        path = data_root() / row['file']
        if check and hashlib.sha256(path.read_bytes()).hexdigest() != row['sha256']:
            raise SystemExit(f'{path} is not the file that split.tsv names')
        images[i] = np.asarray(Image.open(path).convert('L'))
    return images, np.array([r['label'] for r in rows], np.int64), rows


def small_hash(image: np.ndarray, label: int) -> str:
    """Of a row of PneumoniaMNIST: its pixels, then its label as one byte."""
    return hashlib.sha256(image.tobytes() + bytes([label])).hexdigest()


def small_rows(split: str) -> tuple[np.ndarray, np.ndarray]:
    with np.load(data_root().parent / 'pneumoniamnist-28' / 'pneumoniamnist.npz') as arrays:
        return arrays[f'{split}_images'], arrays[f'{split}_labels'][:, 0].astype(np.int64)


def write_small_manifest() -> None:
    """pneumoniamnist.tsv: split and the hash of each row, in the order of the arrays; a validation row with a training row's pixels is `duplicate`."""
    lines, trained = ['split\tsha256'], set()
    for split in ('train', 'val', 'test'):
        hashes = [small_hash(image, label) for image, label in zip(*small_rows(split))]
        lines += [f"{'duplicate' if split == 'val' and h in trained else split}\t{h}" for h in hashes]
        trained |= set(hashes) if split == 'train' else set()
    SMALL.write_text('\n'.join(lines) + '\n')


def load_small(split: str) -> tuple[np.ndarray, np.ndarray]:
    """PneumoniaMNIST without duplicates: images uint8 [N,28,28], labels int64 [N]. Refuses rows whose hash is not the manifest's."""
    with open(SMALL, newline='') as table:
        listed = [r for r in csv.DictReader(table, delimiter='\t') if r['split'] == split or split == 'val' and r['split'] == 'duplicate']
    images, labels = small_rows(split)
    if [small_hash(image, label) for image, label in zip(images, labels)] != [r['sha256'] for r in listed]:
        raise SystemExit(f"PneumoniaMNIST's {split} rows are not those that pneumoniamnist.tsv lists")
    used = np.array([r['split'] == split for r in listed])
    return images[used], labels[used]


if __name__ == '__main__':
    write_manifest()
    write_small_manifest()
    for name in ('train', 'duplicate', 'val', 'test'):
        rows = manifest(name)
        print(name, len(rows), 'images,', sum(r['label'] for r in rows), 'pneumonia,', len({r['patient'] for r in rows}), 'patients')
