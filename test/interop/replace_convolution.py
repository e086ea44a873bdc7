"""A small QONNX network through hls4ml, as it is and with its convolutions computed by FabricLens's core.

usage: replace_convolution.py WORK_DIR HLS_DIR GLUE_DIR     prints one JSON object
Scales are powers of two, so that hls4ml's ap_fixed (AP_RND_CONV, AP_SAT) and the core's requantisation are the same function. The reference is
written out here in integers, and knows neither.
"""
import ctypes
import json
import pathlib
import re
import shutil
import subprocess
import sys

import hls4ml
import numpy as np
from onnx import TensorProto, helper, numpy_helper
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.transformation.channels_last import ConvertToChannelsLastAndClean
from qonnx.util.cleanup import cleanup_model

SHAPE = (3, 8, 9)
# Fraction bits: input, then weights and result of each layer. Strides and padding differ from layer to layer.
INPUT_FRACTION = 4
LAYERS = [
    {"outputs": 12, "kernel": 3, "stride": 1, "pad": 1, "weights": 6, "result": 3},
    {"outputs": 10, "kernel": 3, "stride": 2, "pad": 1, "weights": 7, "result": 2},
    {"outputs": 5, "kernel": 1, "stride": 1, "pad": 0, "weights": 6, "result": 3},
]
SAMPLES = 40


def weights():
    """Integer weights and biases (in units of the accumulator) of each layer."""
    rng = np.random.default_rng(5)
    channels, made = SHAPE[0], []
    for layer in LAYERS:
        shape = (layer["outputs"], channels, layer["kernel"], layer["kernel"])
        made.append((np.clip(np.round(rng.normal(0, 50, shape)), -127, 127).astype(np.int64), np.round(rng.normal(0, 400, layer["outputs"])).astype(np.int64)))
        channels = layer["outputs"]
    return made


def qonnx(tensors):
    initializers, nodes = [], []

    def constant(name, value):
        initializers.append(numpy_helper.from_array(np.asarray(value, np.float32), name))
        return name

    def quant(source, fraction, target, narrow=0):
        inputs = [source, constant(f"{target}_scale", 2.0**-fraction), constant(f"{target}_zero", 0), constant(f"{target}_bits", 8)]
        nodes.append(helper.make_node("Quant", inputs, [target], domain="qonnx.custom_op.general", narrow=narrow, signed=1, rounding_mode="ROUND"))
        return target

    fraction, at = INPUT_FRACTION, quant("x", INPUT_FRACTION, "x_q")
    for i, (layer, (w, b)) in enumerate(zip(LAYERS, tensors)):
        k, s, p = layer["kernel"], layer["stride"], layer["pad"]
        w_q = quant(constant(f"w{i}", w / 2.0 ** layer["weights"]), layer["weights"], f"w{i}_q", narrow=1)
        bias = constant(f"b{i}", b / 2.0 ** (fraction + layer["weights"]))
        nodes.append(helper.make_node("Conv", [at, w_q, bias], [f"c{i}"], kernel_shape=[k, k], strides=[s, s], pads=[p] * 4, dilations=[1, 1], group=1))
        at, fraction = quant(f"c{i}", layer["result"], f"c{i}_q"), layer["result"]
        if i + 1 < len(LAYERS):
            nodes.append(helper.make_node("Relu", [at], [f"r{i}"]))
            at = quant(f"r{i}", fraction, f"r{i}_q")
    outputs = [helper.make_tensor_value_info(at, TensorProto.FLOAT, [1, LAYERS[-1]["outputs"], 4, 5])]
    graph = helper.make_graph(nodes, "interop", [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, *SHAPE])], outputs, initializers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13), helper.make_opsetid("qonnx.custom_op.general", 1)])
    model.ir_version = 8
    return model


def half_to_even(values, shift):
    """Integers times 2^-shift, rounded half to even."""
    below = values >> shift
    rest = values - (below << shift)
    half = 1 << (shift - 1)
    return below + ((rest > half) | ((rest == half) & (below % 2 == 1)))


def reference(codes, tensors):
    """Codes of the last layer, how many results were ties, and how many lay beyond the codes."""
    fraction, ties, beyond = INPUT_FRACTION, 0, 0
    for i, (layer, (w, b)) in enumerate(zip(LAYERS, tensors)):
        k, s, p = layer["kernel"], layer["stride"], layer["pad"]
        padded = np.pad(codes, ((0, 0), (p, p), (p, p)))
        height, width = (padded.shape[1] - k) // s + 1, (padded.shape[2] - k) // s + 1
        sums = np.zeros((layer["outputs"], height, width), np.int64)
        for y in range(height):
            for x in range(width):
                sums[:, y, x] = np.tensordot(w, padded[:, y * s : y * s + k, x * s : x * s + k], 3) + b
        shift = fraction + layer["weights"] - layer["result"]
        rounded = half_to_even(sums, shift)
        ties += int(np.sum((sums & ((1 << shift) - 1)) == 1 << (shift - 1)))
        beyond += int(np.sum((rounded < -128) | (rounded > 127)))
        codes = np.clip(rounded, -128, 127)
        if i + 1 < len(LAYERS):
            codes = np.maximum(codes, 0)
        fraction = layer["result"]
    return codes, ties, beyond


def build(project, includes, flags):
    """hls4ml's own build script, with more to include; gives the library's top function."""
    script = project / "build_lib.sh"
    text = script.read_text()
    text = text.replace('INCFLAGS="', f'INCFLAGS="-w {" ".join(f"-I{path}" for path in includes)} {" ".join(flags)} ')
    script.write_text(text)
    subprocess.run(["bash", "build_lib.sh"], cwd=project, check=True, stdout=sys.stderr)
    (library,) = (project / "firmware").glob("*.so")
    return ctypes.CDLL(str(library))["myproject_float"]


def run(top, samples, outputs):
    results = []
    for sample in samples:
        source, target = np.ascontiguousarray(sample, np.float32), np.zeros(outputs, np.float32)
        top(source.ctypes.data_as(ctypes.c_void_p), target.ctypes.data_as(ctypes.c_void_p))
        results.append(target)
    return np.stack(results)


def main(work, hls, glue):
    work = pathlib.Path(work)
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    tensors = weights()
    model = cleanup_model(ModelWrapper(qonnx(tensors)))
    model = cleanup_model(model.transform(ConvertToChannelsLastAndClean()))
    config = hls4ml.utils.config.config_from_onnx_model(model, granularity="name", backend="Vivado", default_precision="fixed<32,16>")
    converted = hls4ml.converters.convert_from_onnx_model(model, output_dir=str(work / "hls4ml"), io_type="io_parallel", backend="Vivado", hls_config=config, part="xc7z020clg400-1")
    converted.write()

    rng = np.random.default_rng(9)
    codes = np.clip(np.round(rng.normal(0, 50, (SAMPLES, *SHAPE))), -128, 127).astype(np.int64)
    samples = codes / 2.0**INPUT_FRACTION
    exact = [reference(one, tensors) for one in codes]
    expected = np.stack([one[0] for one in exact]) / 2.0 ** LAYERS[-1]["result"]
    elements = expected[0].size

    replaced = 0
    found = {}
    for name, includes, flags in [("hls4ml", [], []), ("fabriclens", [hls, glue], ["-DFL_NO_CLONES"]), ("faulty", [hls, glue], ["-DFL_NO_CLONES", "-DFABRICLENS_FAULT"])]:
        project = work / name
        if name != "hls4ml":
            shutil.copytree(work / "hls4ml", project, ignore=shutil.ignore_patterns("*.so", "build_lib.sh"))
            # The script as hls4ml wrote it.
            (project / "build_lib.sh").write_text(original)
            source = project / "firmware/myproject.cpp"
            text, replaced = re.subn(r"nnet::(pointwise_)?conv_2d_cl<", "fabriclens::conv_2d_cl<", source.read_text())
            source.write_text(text.replace('#include "parameters.h"', '#include "parameters.h"\n#include "fabriclens_conv.h"'))
        else:
            original = (project / "build_lib.sh").read_text()
        top = build(project, includes, flags)
        found[name] = run(top, samples, elements).reshape(expected.shape)

    print(json.dumps({
        "hls4ml": hls4ml.__version__,
        "replaced": replaced,
        "values": int(expected.size),
        "distinct": int(np.unique(expected).size),
        "ties": sum(one[1] for one in exact),
        "beyond": sum(one[2] for one in exact),
        "differ": {name: int(np.sum(values != expected)) for name, values in found.items()},
        "between": int(np.sum(found["hls4ml"] != found["fabriclens"])),
    }))


main(*sys.argv[1:])
