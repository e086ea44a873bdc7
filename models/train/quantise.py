"""models/pneumonia/model.onnx -> model.int8.onnx: canonical QDQ, calibrated on training rows.

    python quantise.py

ONNX Runtime's static quantiser does the work (int8 activations with a zero point per tensor, int8 weights symmetric per
output channel, int32 biases); `check` refuses any graph that is not the canonical form of DESIGN.md "Numerics".
"""
import tempfile
from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantFormat, QuantType, quantize_static

import data
from train import MEAN, STD

# Both classes alike, evenly spaced through the manifest.
IMAGES = 512


def tensor(images: np.ndarray) -> np.ndarray:
    """uint8 [N,224,224] -> float32 [N,1,224,224] as the network takes it."""
    grey = images[:, None].astype(np.float32) / np.float32(255)
    return (grey - np.float32(MEAN)) / np.float32(STD)


class CalibrationRows(CalibrationDataReader):
    def __init__(self):
        images, labels, _ = data.load('train')
        of_class = [np.flatnonzero(labels == c) for c in (0, 1)]
        chosen = [i[np.linspace(0, len(i) - 1, IMAGES // 2).astype(int)] for i in of_class]
        self.left = iter(images[np.concatenate(chosen)])

    def get_next(self):
        image = next(self.left, None)
        return None if image is None else {'image': tensor(image[None])}


def check(model: onnx.ModelProto) -> None:
    """Raise unless every operator between two activations is quantised in the canonical form."""
    value = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
    made = {o: n for n in model.graph.node for o in n.output}
    used = {}
    for n in model.graph.node:
        for i in n.input:
            used.setdefault(i, []).append(n)

    def require(ok, text):
        if not ok:
            raise SystemExit('not canonical QDQ: ' + text)

    def code(name):
        """The quantised tensor that DequantizeLinear `name` reads, its scale and zero point."""
        n = made.get(name)
        require(n is not None and n.op_type == 'DequantizeLinear', f'{name} is not dequantised')
        return n.input[0], value[n.input[1]], value[n.input[2]] if len(n.input) > 2 else None

    def result(n):
        """The QuantizeLinear that takes the node's output, past a fused Relu."""
        after = used.get(n.output[0], [])
        if len(after) == 1 and after[0].op_type == 'Relu':
            after = used[after[0].output[0]]
        require(len(after) == 1 and after[0].op_type == 'QuantizeLinear', f'{n.name} is not quantised')
        require(value[after[0].input[2]].dtype == np.int8, f'{n.name} is not int8')
        return value[after[0].input[1]]

    for n in model.graph.node:
        if n.op_type in ('QuantizeLinear', 'DequantizeLinear', 'Relu'):
            continue
        scales = [code(i)[1] for i in (n.input[:2] if n.op_type in ('Conv', 'Gemm', 'Add') else n.input[:1])]
        out = result(n)
        if n.op_type in ('Conv', 'Gemm'):
            weight, scale, zero = code(n.input[1])
            require(value[weight].dtype == np.int8 and value[weight].min() >= -127 and not np.any(zero), f'{n.name} weights')
            require(scale.size == value[weight].shape[0], f'{n.name} weights are not quantised per output channel')
            bias, bias_scale, zero = code(n.input[2])
            require(value[bias].dtype == np.int32 and not np.any(zero), f'{n.name} bias')
            require(np.allclose(bias_scale, scales[0] * scale, rtol=1e-6), f'{n.name} bias scale')
            require(np.abs(value[bias].astype(np.int64)).max() < 2 ** 30, f'{n.name} bias range')
        elif n.op_type in ('MaxPool', 'Flatten'):
            require(out == scales[0], f'{n.name} changes the scale')
        else:
            require(n.op_type in ('Add', 'GlobalAveragePool'), f'operator {n.op_type}')
    codes = {o.name: code(o.name)[0] for o in model.graph.output}
    pool = next(n for n in model.graph.node if n.op_type == 'GlobalAveragePool')
    require(code(pool.input[0])[0] == codes['features'], 'features is not what the average pool takes')


def main():
    target = data.PACKAGE / 'model.int8.onnx'
    # The input's codes are the 8-bit grey - 128, whatever the calibration rows hold.
    scale, zero = 1 / (255 * STD), round(255 * MEAN) - 128
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / 'int8.onnx'
        quantize_static(
            data.PACKAGE / 'model.onnx', made, CalibrationRows(), quant_format=QuantFormat.QDQ, per_channel=True,
            activation_type=QuantType.QInt8, weight_type=QuantType.QInt8, calibrate_method=CalibrationMethod.MinMax,
            extra_options={
                'ActivationSymmetric': False, 'WeightSymmetric': True, 'CalibTensorRangeSymmetric': False,
                'TensorQuantOverrides': {'image': [{'scale': np.array(scale, np.float32), 'zero_point': np.array(zero, np.int8)}]},
            })
        model = onnx.load(made)
    check(model)
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, target)
    print(f'{target.name}: {target.stat().st_size} bytes, {len(model.graph.node)} nodes')


if __name__ == '__main__':
    main()
