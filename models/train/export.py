"""Checkpoints -> models/pneumonia/model.onnx (batch norm folded, calibrated, opset 17, outputs `logits` and `features`) and training.json.

    python export.py student*.pt

Of several seeds, the one with the highest mean of its two AUCs on validation rows (as they are, and under augment.stress) is exported.

The graph is written node by node, so that its names and its form are ours and not an exporter's.
"""
import json
import sys

import numpy as np
import onnx
import onnxruntime as ort
import torch
from onnx import TensorProto, helper, numpy_helper
from sklearn.linear_model import LogisticRegression

import data
from augment import stress
from model import ChestNet, mmac
from train import STRESSES, differences, read


class Graph:
    def __init__(self):
        self.nodes, self.weights = [], []

    def constant(self, name, value):
        self.weights.append(numpy_helper.from_array(np.ascontiguousarray(value, np.float32), name))
        return name

    def node(self, kind, inputs, name, output=None, **attributes):
        output = output or name
        self.nodes.append(helper.make_node(kind, inputs, [output], name=name, **attributes))
        return output

    def conv(self, x, conv, norm, name):
        """Convolution with its batch norm folded: w g / sqrt(v + eps), b - m g / sqrt(v + eps)."""
        gain = (norm.weight / torch.sqrt(norm.running_var + norm.eps)).detach()
        weight = self.constant(name + '.weight', (conv.weight.detach() * gain.view(-1, 1, 1, 1)).numpy())
        bias = self.constant(name + '.bias', (norm.bias.detach() - norm.running_mean * gain).numpy())
        k, s, p = conv.kernel_size[0], conv.stride[0], conv.padding[0]
        return self.node('Conv', [x, weight, bias], name, kernel_shape=[k, k], strides=[s, s], pads=[p] * 4, dilations=[1, 1], group=1)


def to_onnx(model: ChestNet, name: str) -> onnx.ModelProto:
    g, a = Graph(), model.architecture
    x = g.node('Relu', [g.conv('image', model.conv, model.bn, 'stem')], 'stem.relu')
    if a.reduces:
        x = g.node('MaxPool', [x], 'pool', kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])
    for i, block in enumerate(model.blocks, 1):
        at = f'block{i}'
        y = g.node('Relu', [g.conv(x, block.conv1, block.bn1, at + '.conv1')], at + '.relu1')
        y = g.conv(y, block.conv2, block.bn2, at + '.conv2')
        short = x if block.short is None else g.conv(x, block.short[0], block.short[1], at + '.short')
        y = g.node('Add', [y, short], at + '.add')
        x = g.node('Relu', [y], at + '.relu2', 'features' if i == len(model.blocks) else None)
    y = g.node('Flatten', [g.node('GlobalAveragePool', [x], 'average')], 'flatten', axis=1)
    weight = g.constant('dense.weight', model.fc.weight.detach().numpy())
    g.node('Gemm', [y, weight, g.constant('dense.bias', model.fc.bias.detach().numpy())], 'dense', 'logits', transB=1)
    with torch.no_grad():
        features = list(model(torch.zeros(1, a.channels, a.size, a.size))[1].shape)
    graph = helper.make_graph(
        g.nodes, name,
        [helper.make_tensor_value_info('image', TensorProto.FLOAT, [1, a.channels, a.size, a.size])],
        [helper.make_tensor_value_info('logits', TensorProto.FLOAT, [1, a.classes]),
         helper.make_tensor_value_info('features', TensorProto.FLOAT, features)],
        g.weights)
    result = helper.make_model(graph, opset_imports=[helper.make_opsetid('', 17)], ir_version=8, producer_name='fabriclens models/train')
    result = onnx.shape_inference.infer_shapes(result, strict_mode=True)
    onnx.checker.check_model(result, full_check=True)
    return result


def calibrate(model: ChestNet) -> dict:
    """Platt scaling folded into the dense layer: logit difference z -> slope z + offset. Ranking and AUC do not change here.

    Fitted, classes weighted evenly, on validation rows as they are and under random changes, half the weight each: rows of the training films' kind
    alone would make the network surer than it can be of films of another kind.
    """
    images, labels, _ = data.load('val')
    images = torch.from_numpy(images).unsqueeze(1)
    g = torch.Generator().manual_seed(5)
    changes = [None] * STRESSES + [lambda x: stress(x, g)] * STRESSES
    z = np.concatenate([differences(model, images, change) for change in changes])
    fit = LogisticRegression(C=1e6, class_weight='balanced').fit(z[:, None], np.tile(labels, len(changes)))
    slope, offset = float(fit.coef_[0, 0]), float(fit.intercept_[0])
    with torch.no_grad():
        model.fc.weight *= slope
        model.fc.bias.mul_(slope).add_(torch.tensor([-offset / 2, offset / 2]))
    return {'slope': round(slope, 4), 'offset': round(offset, 4)}


def chosen(paths) -> tuple[ChestNet, dict, list]:
    """Model and checkpoint of the best seed, and the validation figures of all."""
    runs = [read(path, 'cpu') for path in paths]
    seeds = [{'seed': c['stages'][0]['seed'], **{k: c['validation'][k]['auc'] for k in ('clean', 'stress')}} for _, c in runs]
    best = max(range(len(runs)), key=lambda i: seeds[i]['clean'] + seeds[i]['stress'])
    return *runs[best], seeds


def main():
    model, checkpoint, seeds = chosen(sys.argv[1:])
    calibration = calibrate(model)
    exported = to_onnx(model, 'pneumonia')
    data.PACKAGE.mkdir(exist_ok=True)
    onnx.save(exported, data.PACKAGE / 'model.onnx')
    run = {k: checkpoint[k] for k in ('stages', 'validation', 'software')}
    run |= {'validationAuc': seeds, 'calibration': calibration, 'mmac': round(mmac(model), 1), 'parameters': sum(t.dims[0] * int(np.prod(t.dims[1:])) for t in exported.graph.initializer)}
    (data.PACKAGE / 'training.json').write_text(json.dumps(run, indent=2) + '\n')
    x = torch.randn(1, 1, data.SIZE, data.SIZE)
    session = ort.InferenceSession(data.PACKAGE / 'model.onnx', providers=['CPUExecutionProvider'])
    with torch.no_grad():
        for name, ours, theirs in zip(('logits', 'features'), model(x), session.run(None, {'image': x.numpy()})):
            print(f'{name}: largest difference to PyTorch {np.abs(ours.numpy() - theirs).max():.2g}')


if __name__ == '__main__':
    main()
