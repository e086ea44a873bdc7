"""Phantoms rendered with opacities whose boxes are known, for the detector: soft patches and nodules, or none, under haze, thick vessels, markers.

    python rendered.py learn FOLDER   what it learns from: 8 bit at the network's size, boxes beside them (detector.py); goes on where it was stopped
    python rendered.py measure        what it is measured on: models/eval/phantoms (JPEG, boxes in phantoms.json), kept in the repository

No pixel comes from a radiograph. The bodies of the parts (`learn`, `val`, `test`) and of models/samples have seeds of their own.
"""
import hashlib
import json
import sys
from multiprocessing import Pool
from pathlib import Path

import numpy as np
from PIL import Image

import data
import phantom
from samples import marked

MEASURED = data.HERE.parent / 'eval' / 'phantoms'
SIDE = 320
CLASSES = ['patch', 'nodule']
# First seed, bodies, films of each body; of what is measured one film a body.
LEARN = (1000, 40, 8)
PARTS = {'val': (5000, 20), 'test': (9000, 48)}
COLUMNS, ROWS = 448, 368  # of a measured film
# An opacity reaches as far as its water is this share of its most; one of less water (cm) is seen by nobody and is no box.
REACH, LEAST = 0.35, 0.8


def drawn(g, chest):
    """Up to three opacities apart from one another, in the lungs: (class, x, y, rx, ry, strength or density)."""
    rows, columns = np.nonzero(chest.air > .45 * chest.air.max())
    found = []
    for _ in range(g.choice(4, p=[.3, .3, .25, .15])):
        nodule = g.random() < .45
        radius = g.uniform(.5, 1.0) if nodule else np.exp(g.uniform(0, np.log(3)))
        aspect = 1 if nodule else np.exp(g.uniform(-.4, .4))
        rx, ry = radius * aspect ** .5, radius / aspect ** .5
        for _ in range(8):
            k = g.integers(len(rows))
            x, y = chest.x[rows[k], columns[k]], chest.y[rows[k], columns[k]]
            if all(max(abs(x - o[1]) / (rx + o[3]), abs(y - o[2]) / (ry + o[4])) > .8 for o in found):
                found.append((int(nodule), x, y, rx, ry, g.uniform(1.3, 2.4) if nodule else g.uniform(.45, .95)))
                break
    return found


def box_of(water):
    """(x, y, width, height) of an opacity as shares of the film, or None where it is not seen."""
    if water.max() < LEAST:
        return None
    seen = water > REACH * water.max()
    x, y = np.flatnonzero(seen.any(0)), np.flatnonzero(seen.any(1))
    rows, columns = seen.shape
    return [x[0] / columns, y[0] / rows, (x[-1] + 1 - x[0]) / columns, (y[-1] + 1 - y[0]) / rows]


def films(job):
    """All films of one body: [(grey float [rows, columns], [(class, box)])]."""
    seed, each = job
    g = np.random.default_rng(seed)
    chest = phantom.Chest(g, g.choice([0, g.uniform(.1, .6)]))
    chest.surround(g)
    if each > 1:
        chest.halved()
    made = []
    for _ in range(each):
        shares, solid, boxes = [], np.zeros(chest.x.shape), []
        for which, x, y, rx, ry, strength in drawn(g, chest):
            if which:
                water = phantom.nodule_of(chest.x, chest.y, (x, y, rx, strength))
                solid = solid + water
            else:
                shares.append(phantom.patch_of(g, chest.x, chest.y, (x, y, rx, ry, strength)).clip(0, .97))
                water = shares[-1] * chest.aerated
            box = box_of(water)
            boxes += [] if box is None else [(which, box)]
        grey = chest.film(g, chest.filled(g, shares, g.choice([0, g.uniform(0, .3)])), solid)
        made.append((marked(grey) if g.random() < .5 else grey, boxes))
    return made


def resized(grey, columns, rows):
    small = np.asarray(Image.fromarray(grey.astype(np.float32)).resize((columns, rows), Image.Resampling.BILINEAR))
    return np.round(small.clip(0, 1) * 255).astype(np.uint8)


def learnt(job):
    """Keeps the films of one body in a file of its own: images uint8 [N,SIDE,SIDE]; boxes float32 [M,6]: image, class, centre x, centre y, width, height in pixels."""
    path, seed, each = job
    if not path.exists():
        made = films((seed, each))
        rows = [[k, which, SIDE * (x + w / 2), SIDE * (y + h / 2), SIDE * w, SIDE * h] for k, (_, boxes) in enumerate(made) for which, (x, y, w, h) in boxes]
        np.savez_compressed(path.with_suffix('.part.npz'), images=np.stack([resized(grey, SIDE, SIDE) for grey, _ in made]), boxes=np.array(rows, np.float32).reshape(-1, 6))
        path.with_suffix('.part.npz').rename(path)


def load(folder):
    """images and boxes of all bodies in the folder, as `learnt` keeps them."""
    images, boxes = [], []
    for path in sorted(Path(folder).glob('body-????.npz')):
        with np.load(path) as arrays:
            boxes.append(arrays['boxes'] + np.float32([sum(map(len, images)), 0, 0, 0, 0, 0]))
            images.append(arrays['images'])
    return np.concatenate(images), np.concatenate(boxes)


def told(done, count):
    for k, made in enumerate(done, 1):
        print(f'{k} of {count} bodies', file=sys.stderr, flush=True)
        yield made


def learn(folder):
    first, bodies, each = LEARN
    Path(folder).mkdir(parents=True, exist_ok=True)
    with Pool() as pool:
        list(told(pool.imap(learnt, [(Path(folder) / f'body-{first + i}.npz', first + i, each) for i in range(bodies)]), bodies))


def measured(seed):
    [(grey, boxes)] = films((seed, 1))
    return resized(grey, COLUMNS, ROWS), boxes


def measure():
    MEASURED.mkdir(exist_ok=True)
    listed = []
    for split, (first, bodies) in PARTS.items():
        with Pool() as pool:
            made = list(told(pool.imap(measured, range(first, first + bodies)), bodies))
        for k, (image, boxes) in enumerate(made):
            path = MEASURED / f'{split}-{k:02d}.jpg'
            Image.fromarray(image).save(path, quality=90)
            found = [{'label': CLASSES[which], 'x': round(COLUMNS * x, 1), 'y': round(ROWS * y, 1), 'width': round(COLUMNS * w, 1), 'height': round(ROWS * h, 1)} for which, (x, y, w, h) in boxes]
            listed.append({'split': split, 'file': path.name, 'sha256': hashlib.sha256(path.read_bytes()).hexdigest(), 'seed': first + k, 'boxes': found})
    lines = ',\n'.join(f' {json.dumps(row)}' for row in listed)
    (MEASURED / 'phantoms.json').write_text(f'[\n{lines}\n]\n')


if __name__ == '__main__':
    if sys.argv[1:] == ['measure']:
        measure()
    elif sys.argv[1:2] == ['learn'] and len(sys.argv) == 3:
        learn(sys.argv[2])
    else:
        sys.exit(__doc__)
