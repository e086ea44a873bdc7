"""Beside the detector's training: what `fabriclens compile` is given, and average precision on painted validation films.

    python measure_detector.py prepare FOLDER OUT STAGE.pt ...   model.onnx of the last stage, training.json and calibration/ into OUT; FOLDER is of rendered.py learn
    python measure_detector.py painted PACKAGE                   both networks on painted validation films, into the package's training.json

Rendered phantoms, the score threshold and the tolerance are `npm run eval`'s.
"""
import json
import sys
from pathlib import Path

import numpy as np
import onnx
import onnx.numpy_helper
import onnxruntime as ort
import torch

from detector import Detector, Rendered, films, paint
from rendered import CLASSES, LEARN

LOWEST, OVERLAP, MOST = 0.001, 0.45, 300
FILES = {'fp32': 'model.onnx', 'int8': 'model.int8.onnx'}


def measured():
    """Validation films labelled normal, each painted twice with a fixed seed: images [N,1,320,320] rounded to 8 bit, boxes as paint gives them."""
    x, boxes = paint(films('val', 'cpu').repeat(2, 1, 1, 1), torch.Generator('cpu').manual_seed(77))
    return (x * 255).round() / 255, boxes.numpy()


def corners(rows):
    return np.concatenate((rows[:, :2] - rows[:, 2:4] / 2, rows[:, :2] + rows[:, 2:4] / 2), 1)


def overlaps(box, others):
    """Intersection over union of x1, y1, x2, y2."""
    inter = np.clip(np.minimum(others[:, 2:], box[2:]) - np.maximum(others[:, :2], box[:2]), 0, None).prod(1)
    return inter / ((others[:, 2:] - others[:, :2]).prod(1) + (box[2:] - box[:2]).prod() - inter)


def suppress(rows):
    """[K,6] x1, y1, x2, y2, score, class of predictions [N,7], as src/review/detections.ts."""
    score, which = rows[:, 4] * rows[:, 5:].max(1), rows[:, 5:].argmax(1)
    order = np.flatnonzero(score >= LOWEST)
    order = order[np.argsort(-score[order], kind='stable')]
    boxes, kept = corners(rows), []
    while len(order) and len(kept) < MOST:
        first, order = order[0], order[1:]
        kept.append(first)
        order = order[~((which[order] == which[first]) & (overlaps(boxes[first], boxes[order]) > OVERLAP))]
    return np.concatenate((boxes[kept], score[kept, None], which[kept, None]), 1)


def hits(found, truth, c):
    """(score, hit) of every box of class c, the highest score first, and how many there were to find. A box hits what it overlaps by half, once."""
    entries, positives = [], 0
    for i, rows in enumerate(found):
        mine = truth[(truth[:, 0] == i) & (truth[:, 1] == c)]
        positives += len(mine)
        free = np.ones(len(mine), bool)
        for row in rows[rows[:, 5] == c]:
            iou = overlaps(row[:4], corners(mine[:, 2:])) * free if len(mine) else np.zeros(0)
            hit = len(iou) > 0 and iou.max() >= 0.5
            if hit:
                free[iou.argmax()] = False
            entries.append((row[4], hit))
    return sorted(entries, key=lambda e: -e[0]), positives


def average_precision(entries, positives):
    """Area under the precision-recall curve, precision made monotone (PASCAL VOC 2010)."""
    right = np.cumsum([h for _, h in entries])
    precision, recall = right / np.arange(1, len(entries) + 1), right / positives
    precision = np.maximum.accumulate(precision[::-1])[::-1]
    return float(np.sum(np.diff(np.concatenate([[0], recall])) * precision))


def painted(package):
    images, truth = measured()
    precision = {}
    for engine, file in FILES.items():
        session = ort.InferenceSession(package / file, providers=['CPUExecutionProvider'])
        found = [suppress(session.run(['output0'], {'images': image[None].numpy()})[0][0]) for image in images]
        precision[engine] = {name: round(average_precision(*hits(found, truth, c)), 4) for c, name in enumerate(CLASSES)}
    path = package / 'training.json'
    training = json.loads(path.read_text())
    training['painted'] = {'images': len(images), 'known': {name: int((truth[:, 1] == c).sum()) for c, name in enumerate(CLASSES)}, 'ap50': precision}
    path.write_text(json.dumps(training, indent=2) + '\n')
    print(json.dumps(training['painted']))


def rounded(model):
    """Weights at float16's precision, as float32: nothing that int8 would see, and the repository packs them in half the bytes."""
    for tensor in model.graph.initializer:
        if tensor.data_type == onnx.TensorProto.FLOAT:
            tensor.CopyFrom(onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(tensor).astype(np.float16).astype(np.float32), tensor.name))
    return model


def prepare(folder, out, stages):
    """calibration/films.npy float32 [96,1,320,320] in [0,1]: painted training films, then films rendered to learn from."""
    rendered = Rendered(folder, 'cpu')
    g = torch.Generator('cpu').manual_seed(78)
    normal = films('train', 'cpu')
    x, _ = paint(normal[torch.randperm(len(normal), generator=g)[:48]], g)
    (out / 'calibration').mkdir(parents=True, exist_ok=True)
    np.save(out / 'calibration' / 'films.npy', torch.cat((x, rendered.draw(48, g)[0])).numpy())
    onnx.save(rounded(onnx.load(stages[-1].with_suffix('.onnx'))), out / 'model.onnx')
    (out / 'training.json').write_text(json.dumps({
        'stages': [json.loads(stage.with_suffix('.json').read_text()) for stage in stages],
        'rendered': {'films': len(rendered.images), 'bodies': LEARN[1], 'clear': len(rendered.clear)}, 'backgrounds': len(normal) + len(rendered.clear),
        'parameters': sum(p.numel() for p in Detector().parameters()), 'software': {'torch': str(torch.__version__), 'numpy': np.__version__},
    }, indent=2) + '\n')


if __name__ == '__main__':
    match sys.argv[1:]:
        case ['prepare', folder, out, *stages] if stages:
            prepare(folder, Path(out), [Path(stage) for stage in stages])
        case ['painted', package]:
            painted(Path(package))
        case _:
            sys.exit(__doc__)
