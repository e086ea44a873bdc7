"""Small networks of random weights, quantised by the tools themselves, for quantised.test.ts.

usage: quantised.py OUT_DIR
Writes NAME.onnx and NAME.json a case: {"input": [...], "shape": [...], "outputs": {name: [...]}, "made_by": ...}. The values are ONNX Runtime's on the very file.
"""
import json
import pathlib
import sys
import tempfile

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper
from onnxruntime import quantization as q

SHAPE = [1, 3, 16, 16]


class Graph:
    """Writes a network operator by operator, weights from a seed."""

    def __init__(self, seed):
        self.rng = np.random.default_rng(seed)
        self.nodes, self.initializers = [], []

    def constant(self, array):
        name = f"c{len(self.initializers)}"
        self.initializers.append(numpy_helper.from_array(np.asarray(array), name))
        return name

    def node(self, op, inputs, **attributes):
        name = f"{op}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, inputs, [name], name=name, **attributes))
        return name

    def conv(self, x, inputs, outputs, kernel=3, stride=1, group=1, bias=True):
        fan = inputs // group * kernel * kernel
        w = self.rng.normal(size=(outputs, inputs // group, kernel, kernel)) * (1.6 / np.sqrt(fan))
        # Channels of unlike sizes: per tensor and per channel differ.
        w *= self.rng.uniform(0.3, 1.5, size=(outputs, 1, 1, 1))
        parts = [x, self.constant(w.astype(np.float32))]
        if bias:
            parts.append(self.constant((self.rng.normal(size=outputs) * 0.2).astype(np.float32)))
        return self.node("Conv", parts, kernel_shape=[kernel, kernel], strides=[stride, stride], pads=[kernel // 2] * 4, group=group)

    def batch_norm(self, x, channels):
        make = lambda low, high: self.constant(self.rng.uniform(low, high, channels).astype(np.float32))
        return self.node("BatchNormalization", [x, make(0.6, 1.4), make(-0.3, 0.3), make(-0.2, 0.2), make(0.5, 1.5)])

    def dense(self, x, inputs, outputs, form="Gemm"):
        w = (self.rng.normal(size=(outputs, inputs)) / np.sqrt(inputs)).astype(np.float32)
        b = self.constant((self.rng.normal(size=outputs) * 0.2).astype(np.float32))
        if form == "Gemm":
            return self.node("Gemm", [x, self.constant(w), b], transB=1)
        return self.node("Add", [self.node("MatMul", [x, self.constant(w.T.copy())]), b])

    def model(self, output, shape, opset, inputs=SHAPE):
        graph = helper.make_graph(
            self.nodes, "net",
            [helper.make_tensor_value_info("image", TensorProto.FLOAT, inputs)],
            [helper.make_tensor_value_info(output, TensorProto.FLOAT, shape)], self.initializers)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
        model.ir_version = 8
        onnx.checker.check_model(model)
        return onnx.shape_inference.infer_shapes(model)


def residual(opset):
    """Conv, Relu, max pooling, a residual add, global average pooling, Gemm."""
    g = Graph(1)
    x = g.node("MaxPool", [g.node("Relu", [g.conv("image", 3, 16)])], kernel_shape=[2, 2], strides=[2, 2])
    y = g.conv(g.node("Relu", [g.conv(x, 16, 16)]), 16, 16)
    x = g.node("Relu", [g.node("Add", [x, y])])
    x = g.node("Flatten", [g.node("GlobalAveragePool", [g.conv(x, 16, 24, 1)])])
    return g.model(g.dense(x, 24, 5), [1, 5], opset)


def branches(opset):
    """Concat, depthwise, average pooling, LeakyRelu, sigmoid, Clip, MatMul and Add, Softmax."""
    g = Graph(2)
    six = [g.constant(np.float32(0)), g.constant(np.float32(6))]
    x = g.node("Clip", [g.conv("image", 3, 8, stride=2), *six])
    a = g.node("LeakyRelu", [g.conv(x, 8, 8, group=8)], alpha=0.1)
    b = g.node("Sigmoid", [g.conv(x, 8, 16, 1)])
    x = g.node("Concat", [a, b, x], axis=1)
    x = g.node("AveragePool", [g.node("Relu", [g.conv(x, 32, 24)])], kernel_shape=[2, 2], strides=[2, 2])
    shape = g.constant(np.array([1, -1], np.int64))
    x = g.node("Reshape", [x, shape])
    return g.model(g.node("Softmax", [g.dense(x, 24 * 16, 7, "MatMul")]), [1, 7], opset)


def detector(opset):
    """SiLU, nearest enlargement, Concat, several heads joined: what YOLO's neck is made of."""
    g = Graph(3)
    silu = lambda x: g.node("Mul", [x, g.node("Sigmoid", [x])])
    x = silu(g.conv("image", 3, 16, stride=2))
    y = silu(g.conv(x, 16, 16, stride=2))
    up = g.node("Resize", [y, "", g.constant(np.array([1, 1, 2, 2], np.float32))], mode="nearest", coordinate_transformation_mode="asymmetric", nearest_mode="floor")
    x = silu(g.conv(g.node("Concat", [up, x], axis=1), 32, 16))
    x = g.node("MaxPool", [x], kernel_shape=[5, 5], pads=[2, 2, 2, 2])
    return g.model(g.conv(x, 16, 12, 1), [1, 12, 8, 8], opset)


def normalised(opset):
    """Convolutions with BatchNormalization behind them, which some tools leave where it is."""
    g = Graph(4)
    x = g.node("Relu", [g.batch_norm(g.conv("image", 3, 16, bias=False), 16)])
    x = g.node("Relu", [g.batch_norm(g.conv(x, 16, 16, stride=2, bias=False), 16)])
    x = g.node("Flatten", [g.node("GlobalAveragePool", [x])])
    return g.model(g.dense(x, 16, 4), [1, 4], opset)


def channels_last(opset):
    """As tf2onnx writes it: the image comes as [1, H, W, C] and is turned in front of each layer, and back behind it."""
    g = Graph(5)
    x = g.node("Relu", [g.conv(g.node("Transpose", ["image"], perm=[0, 3, 1, 2]), 3, 8)])
    x = g.node("Transpose", [x], perm=[0, 2, 3, 1])
    x = g.node("Relu", [g.conv(g.node("Transpose", [x], perm=[0, 3, 1, 2]), 8, 16, stride=2)])
    x = g.node("Transpose", [x], perm=[0, 2, 3, 1])
    x = g.node("Reshape", [x, g.constant(np.array([1, 8 * 8 * 16], np.int64))])
    return g.model(g.dense(x, 1024, 6, "MatMul"), [1, 6], opset, [1, 16, 16, 3])


class Samples(q.CalibrationDataReader):
    def __init__(self, shape):
        rng = np.random.default_rng(9)
        self.samples = iter([{"image": rng.normal(size=shape).astype(np.float32)} for _ in range(8)])

    def get_next(self):
        return next(self.samples, None)


def save(folder, name, path, made_by):
    session = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"], sess_options=plain())
    (given,) = session.get_inputs()
    rng = np.random.default_rng(77)
    x = rng.normal(size=given.shape).astype(np.float32)
    names = [o.name for o in session.get_outputs()]
    outputs = session.run(names, {given.name: x})
    (folder / f"{name}.onnx").write_bytes(pathlib.Path(path).read_bytes())
    (folder / f"{name}.json").write_text(json.dumps({
        "input": x.ravel().tolist(), "shape": list(x.shape), "outputs": {n: v.astype(np.float64).ravel().tolist() for n, v in zip(names, outputs)}, "made_by": made_by}))


def plain():
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    return options


def onnxruntime_cases(folder):
    QDQ, QOP = q.QuantFormat.QDQ, q.QuantFormat.QOperator
    U8, I8 = q.QuantType.QUInt8, q.QuantType.QInt8
    made_by = f"onnxruntime {ort.__version__}"
    cases = []
    for build in (residual, branches, detector, normalised, channels_last):
        for opset in (11, 13, 17, 21) if build is residual else (13, 21):
            for form, activations, weights, per_channel, extra in (
                (QDQ, U8, I8, False, {}),
                (QDQ, U8, I8, True, {}),
                (QDQ, I8, I8, True, {"ActivationSymmetric": True, "WeightSymmetric": True}),
                (QDQ, I8, I8, False, {"UseQDQContribOps": True}),
                (QDQ, U8, U8, False, {"WeightSymmetric": True}),
                (QDQ, I8, I8, True, {"DedicatedQDQPair": True, "QuantizeBias": False}),
                (QOP, U8, I8, False, {}),
                (QOP, I8, I8, True, {}),
                (QOP, U8, U8, False, {"WeightSymmetric": True}),
            ):
                # Scales an index of an axis came with opset 13.
                if per_channel and opset < 13:
                    continue
                kind = "qdq" if form == QDQ else "qop"
                tail = "".join(sorted("-" + k.lower() for k in extra))
                name = f"{build.__name__}-{opset}-{kind}-{activations.name[1:].lower()}-{weights.name[1:].lower()}{'-channel' if per_channel else ''}{tail}"
                cases.append((name, build, opset, dict(quant_format=form, activation_type=activations, weight_type=weights, per_channel=per_channel, extra_options=extra)))
    for name, build, opset, options in cases:
        with tempfile.TemporaryDirectory() as temporary:
            source, target = pathlib.Path(temporary) / "fp32.onnx", pathlib.Path(temporary) / "int8.onnx"
            model = build(opset)
            onnx.save(model, source)
            shape = [d.dim_value for d in model.graph.input[0].type.tensor_type.shape.dim]
            try:
                q.quantize_static(source, target, Samples(shape), **options)
                save(folder, name, target, made_by)
            except Exception as error:  # what the tool itself refuses is not ours to take
                print(f"SKIP {name}: {type(error).__name__}: {str(error)[:200]}")


def nncf_cases(folder):
    import nncf

    for build in (residual, branches, detector, normalised):
        for preset in (nncf.QuantizationPreset.PERFORMANCE, nncf.QuantizationPreset.MIXED):
            model = build(13)
            shape = [d.dim_value for d in model.graph.input[0].type.tensor_type.shape.dim]
            samples = []
            reader = Samples(shape)
            while (sample := reader.get_next()) is not None:
                samples.append(sample)
            made = nncf.quantize(model, nncf.Dataset(samples), preset=preset, subset_size=len(samples))
            with tempfile.TemporaryDirectory() as temporary:
                path = pathlib.Path(temporary) / "int8.onnx"
                onnx.save(made, path)
                save(folder, f"{build.__name__}-nncf-{preset.value}", path, f"nncf {nncf.__version__}")


class Trained(Graph):
    """Quantised in training as Brevitas does it: Quant nodes on weights, on the image and behind each activation, biases and BatchNormalization in fp32."""

    def quant(self, x, scale, bits, signed, narrow=0):
        parts = [x, self.constant(np.asarray(scale, np.float32)), self.constant(np.float32(0)), self.constant(np.float32(bits))]
        name = f"Quant_{len(self.nodes)}"
        self.nodes.append(helper.make_node("Quant", parts, [name], name=name, domain="qonnx.custom_op.general", signed=signed, narrow=narrow, rounding_mode="ROUND"))
        return name

    def quant_conv(self, x, inputs, outputs, bits, per_channel, kernel=3, stride=1):
        w = (self.rng.normal(size=(outputs, inputs, kernel, kernel)) * (1.6 / np.sqrt(inputs * kernel * kernel))).astype(np.float32)
        peak = np.abs(w).max(axis=(1, 2, 3), keepdims=True) if per_channel else np.abs(w).max()
        weights = self.quant(self.constant(w), peak / (2 ** (bits - 1) - 1), bits, 1, 1)
        return self.node("Conv", [x, weights], kernel_shape=[kernel, kernel], strides=[stride, stride], pads=[kernel // 2] * 4)


def trained(weight_bits, activation_bits, per_channel):
    g = Trained(6)
    levels = 2 ** activation_bits - 1
    relu = lambda x, channels: g.quant(g.node("Relu", [g.batch_norm(x, channels)]), 6 / levels, activation_bits, 0)
    x = relu(g.quant_conv(g.quant("image", 1 / 30, 8, 1), 3, 16, weight_bits, per_channel, stride=2), 16)
    y = relu(g.quant_conv(x, 16, 16, weight_bits, per_channel), 16)
    x = g.quant(g.node("Add", [x, g.batch_norm(g.quant_conv(y, 16, 16, weight_bits, per_channel), 16)]), 1 / 16, 8, 1)
    x = g.node("Flatten", [g.node("GlobalAveragePool", [g.node("Relu", [x])])])
    w = (g.rng.normal(size=(5, 16)) / 4).astype(np.float32)
    weights = g.quant(g.constant(w), np.abs(w).max() / 127, 8, 1, 1)
    x = g.node("Gemm", [g.quant(x, 1 / 64, 8, 0), weights, g.constant((g.rng.normal(size=5) * 0.2).astype(np.float32))], transB=1)
    graph = helper.make_graph(g.nodes, "net", [helper.make_tensor_value_info("image", TensorProto.FLOAT, SHAPE)], [helper.make_tensor_value_info(x, TensorProto.FLOAT, [1, 5])], g.initializers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13), helper.make_opsetid("qonnx.custom_op.general", 1)])
    model.ir_version = 8
    return model


def qonnx_cases(folder):
    import importlib.metadata

    from qonnx.core.modelwrapper import ModelWrapper
    from qonnx.transformation.infer_shapes import InferShapes
    from qonnx.transformation.qonnx_to_qcdq import QuantToQCDQ

    for weight_bits, activation_bits, per_channel in ((8, 8, True), (8, 8, False), (4, 8, False), (6, 5, False)):
        made = ModelWrapper(trained(weight_bits, activation_bits, per_channel)).transform(InferShapes()).transform(QuantToQCDQ())
        with tempfile.TemporaryDirectory() as temporary:
            path = pathlib.Path(temporary) / "qcdq.onnx"
            made.save(str(path))
            save(folder, f"trained-qcdq-w{weight_bits}a{activation_bits}{'-channel' if per_channel else ''}", path, f"qonnx {importlib.metadata.version('qonnx')}")


def main():
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    onnxruntime_cases(folder)
    nncf_cases(folder)
    qonnx_cases(folder)
    print(f"{len(list(folder.glob('*.onnx')))} cases")


if __name__ == "__main__":
    main()
