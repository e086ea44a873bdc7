"""Average precision of the detector's two networks on painted validation films -> metadata.json for `fabriclens compile`, and calibration samples.

    python measure_detector.py --calibration films.npy
    python measure_detector.py PACKAGE metadata.json

The threshold is the score of the highest F1 of the fp32 network on those films.
"""
import json
import sys
from pathlib import Path

import numpy as np
import onnxruntime as ort
import torch

from detector import CLASSES, films, paint

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


def curve(entries, positives):
    """Precision and recall as the score falls."""
    right = np.cumsum([h for _, h in entries])
    return right / np.arange(1, len(entries) + 1), right / positives


def average_precision(entries, positives):
    """Area under the precision-recall curve, precision made monotone (PASCAL VOC 2010)."""
    precision, recall = curve(entries, positives)
    precision = np.maximum.accumulate(precision[::-1])[::-1]
    return float(np.sum(np.diff(np.concatenate([[0], recall])) * precision))


def calibration(path):
    """Painted training films for `fabriclens compile --calibrate`: float32 [96,1,320,320] in [0,1]."""
    g = torch.Generator('cpu').manual_seed(78)
    x = films('train', 'cpu')
    x, _ = paint(x[torch.randperm(len(x), generator=g)[:96]], g)
    np.save(path, x.numpy())


def metadata(images, truth, precision, threshold):
    metrics = {f'painted_{engine}_ap50_{name}': value for engine, values in precision.items() for name, value in values.items()}
    intended = {'en': 'Demonstration of a detector on the accelerator. It finds what was painted into films, no disease. Not for diagnostic use.',
                'zh-CN': '仅用于演示加速器上的检测网络：只能找出人为绘制到胸片中的阴影，不能识别疾病。不得用于诊断。'}
    return {
        'version': '1.0.0', 'name': 'Painted opacities', 'task': 'Detection of painted patches and nodules on frontal chest radiographs',
        'description': 'YOLOv5n graph with one grey channel at 320 x 320, trained from scratch on films and phantoms into which soft shapes were painted.',
        'authors': 'FabricLens contributors', 'copyright': 'Copyright 2026 FabricLens contributors', 'license': 'Apache-2.0',
        'data_source': f'Films labelled normal of Kermany et al., Mendeley Data rscbjbr9sj (CC BY 4.0), and rendered phantoms. Measured on {images} painted validation films '
                       f'with {len(truth)} shapes: boxes that overlap by half, at the threshold a precision of {threshold["precision"]:.2f} and a recall of {threshold["recall"]:.2f}.',
        'intended_use': intended['en'], 'eval_metrics': metrics,
        'fabriclens': {
            'task': 'detection', 'title': {'en': 'Painted opacities (YOLOv5n)', 'zh-CN': '绘制阴影检测（YOLOv5n）'},
            'labels': [{'name': 'patch', 'text': {'en': 'Patch', 'zh-CN': '片状影'}}, {'name': 'nodule', 'text': {'en': 'Nodule', 'zh-CN': '结节'}}],
            'preprocessing': {'fit': 'letterbox', 'pad': 0, 'mean': 0, 'std': 1}, 'detection': {'scoreThreshold': threshold['score'], 'iouThreshold': OVERLAP},
            'intended': {'modalities': ['DX', 'CR', 'RG'], 'bodyParts': ['CHEST', 'THORAX', 'LUNG'], 'text': intended},
            'limits': [
                {'en': 'Trained on painted shapes only. Whether it finds any real opacity was not measured.', 'zh-CN': '仅用绘制的阴影训练；能否发现真实病灶未经验证。'},
                {'en': 'Soft patches are missed far more often than nodules.', 'zh-CN': '片状影的漏检远多于结节。'},
            ],
        },
    }


def main():
    if sys.argv[1] == '--calibration':
        return calibration(sys.argv[2])
    package = Path(sys.argv[1])
    images, truth = measured()
    precision = {}
    for engine, file in FILES.items():
        session = ort.InferenceSession(package / file, providers=['CPUExecutionProvider'])
        found = [suppress(session.run(['output0'], {'images': image[None].numpy()})[0][0]) for image in images]
        per_class = {name: hits(found, truth, c) for c, name in enumerate(CLASSES)}
        precision[engine] = {name: round(average_precision(*h), 4) for name, h in per_class.items()}
        if engine == 'fp32':
            together = sorted((e for entries, _ in per_class.values() for e in entries), key=lambda e: -e[0])
            right, share = curve(together, sum(p for _, p in per_class.values()))
            best = int(np.argmax(2 * right * share / (right + share + 1e-9)))
            threshold = {'score': round(float(together[best][0]), 2), 'precision': float(right[best]), 'recall': float(share[best])}
    text = json.dumps(metadata(len(images), truth, precision, threshold), indent=1, ensure_ascii=False)
    Path(sys.argv[2]).write_text(text + '\n')
    print(text)


if __name__ == '__main__':
    main()
