"""Runs exported files in plain ONNX Runtime sessions, for ort-op.test.ts.

usage: ort_op.py LIBRARY FOLDER [SIMULATED_BOARD]
FOLDER/cases.json: [{"name", "model", "inputs": [file of raw float32], "shape", "optimised", "sessions", "threads"}]. Prints a JSON line a case:
{"name", "error"} or {"name", "outputs": a list an input of [{"type", "file"}], "wrong": runs of threads that gave something else}. With SIMULATED_BOARD nodes
run on the core there, by the agent's driver.
"""
import contextlib
import json
import pathlib
import sys
import threading

import numpy as np
import onnxruntime as ort

library, folder = sys.argv[1], pathlib.Path(sys.argv[2])
ort.set_default_logger_severity(4)


def session(case):
    options = ort.SessionOptions()
    options.register_custom_ops_library(library)
    if not case["optimised"]:
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    return ort.InferenceSession(str(folder / case["model"]), options, providers=["CPUExecutionProvider"])


def answers(made, case):
    name = made.get_inputs()[0].name
    return [made.run(None, {name: np.fromfile(folder / file, np.float32).reshape(case["shape"])}) for file in case["inputs"]]


def same(a, b):
    return all(np.array_equal(x, y) for one, other in zip(a, b) for x, y in zip(one, other))


def run(case):
    sessions = [session(case) for _ in range(case["sessions"])]
    wanted = answers(sessions[0], case)
    wrong = []

    def work(made):
        try:
            if not same(answers(made, case), wanted):
                wrong.append("different")
        except Exception as error:
            wrong.append(str(error))

    threads = [threading.Thread(target=work, args=(made,)) for made in sessions for _ in range(case["threads"])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    outputs = []
    for i, values in enumerate(wanted):
        outputs.append([])
        for k, value in enumerate(values):
            file = f"{case['name']}.{i}.{k}.bin"
            value.tofile(folder / file)
            outputs[-1].append({"type": str(value.dtype), "file": file})
    return {"name": case["name"], "outputs": outputs, "wrong": wrong}


def core():
    if len(sys.argv) < 4:
        return contextlib.nullcontext()
    sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "agent"))
    from fabriclens_agent.driver import OnnxRuntimeCore
    return OnnxRuntimeCore(library, simulated_board=sys.argv[3])


with core():
    for case in json.loads((folder / "cases.json").read_text()):
        try:
            print(json.dumps(run(case)), flush=True)
        except Exception as error:
            print(json.dumps({"name": case["name"], "error": str(error)}), flush=True)
