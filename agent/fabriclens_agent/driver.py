"""A model package from Python without a server: the runtime in this process, on a board's core or on the processor. For notebooks and scripts;
agent/notebooks/two_routes.ipynb shows all of it. Standard library only; numpy arrays are taken as any buffer is."""

import ctypes
import json
import math
import os
from array import array
from collections import namedtuple

from .errors import PackageError
from .packages import METADATA_BYTES, check_program, find_package, read_package
from .pl import PlRefusal, board
from .pl.backend import Backend
from .runtime import Runtime

# outputs: {name: array('f'), or array('b') of an output of codes}, in C order; probabilities: {label: number}, {} of what is no classifier;
# timing: runtime.Timing, whose source says who measured it; backend: who computed, 'hardware', 'rtl', 'ps' or 'golden'.
Answer = namedtuple('Answer', 'probabilities outputs timing backend')

TYPES = {'f': 'FP32', 'b': 'INT8'}
_Check = ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_void_p)


def open_device(runtime, overlay=None, simulated_board=None):
    """What a Backend takes as its device. overlay: folder of an overlay, loaded into the PL of this board (as root); simulated_board: folder that
    hls/sim's simulated_board serves; None without either. PlRefusal."""
    if overlay and simulated_board:
        raise PlRefusal('an overlay and a simulated board were named; name one')
    if simulated_board:
        from .pl.simulated import Simulated
        return Simulated(runtime, simulated_board)
    if overlay:
        from .pl.hardware import Hardware  # POSIX alone
        return Hardware(runtime, '/', overlay)
    return None


class Driver:
    """The package in folder `package`, run by `library`, libfabriclens_runtime.so. PackageError, RuntimeFailure, PlRefusal say what mends it."""

    def __init__(self, package, library, overlay=None, simulated_board=None):
        root, name = os.path.split(os.path.abspath(package))
        source = find_package([root], name)
        self.package = read_package(source, name)
        self.metadata = json.loads(source.read('metadata.json', METADATA_BYTES).decode('utf-8'))
        runtime = Runtime(library)
        self._backend = Backend(runtime, open_device(runtime, overlay, simulated_board), on_board=board.is_pynq('/'))
        try:
            self.program = self._backend.load(self.package.program)
            check_program(self.package, self.program)
            if self.program.refusal:
                raise PackageError('%s does not fit the core (%s)' % (name, self.program.refusal))
        except BaseException:
            self.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        """Ends the use of the core."""
        self._backend.close()

    @property
    def input_shape(self):
        return self.package.input_shape

    def run(self, values, timeout_s=60):
        """One inference: an Answer. values: a buffer of float32, preprocessed as metadata says, or of int8 codes, in C order of input_shape.
        ValueError for anything else; RuntimeFailure."""
        results, timing = self.program.run([_taken(values, self.program.inputs[0])], [True] * len(self.program.outputs), int(timeout_s * 1e9))
        outputs = {tensor.name: array('b' if tensor.datatype == 'INT8' else 'f', bytes(result))
                   for tensor, result in zip(self.program.outputs, results)}
        return Answer(self._probabilities(outputs), outputs, timing, self.program.backend)

    def _probabilities(self, outputs):
        ours = self.metadata['fabriclens']
        if 'activation' not in ours:
            return {}
        logits = outputs[ours['outputs']['logits']]
        return dict(zip([label['name'] for label in ours['labels']], ACTIVATIONS[ours['activation']](logits)))


def _softmax(logits):
    largest = max(logits)
    powers = [math.exp(logit - largest) for logit in logits]
    return [power / sum(powers) for power in powers]


def _sigmoid(logits):
    return [1 / (1 + math.exp(-logit)) if logit >= 0 else math.exp(logit) / (1 + math.exp(logit)) for logit in logits]


ACTIVATIONS = {'softmax': _softmax, 'sigmoid': _sigmoid}


def _taken(values, tensor):
    """(datatype, bytes of their own) for Program.run."""
    view = memoryview(values)
    datatype = TYPES.get(view.format)
    if datatype is None:
        raise ValueError('the input is a buffer of format %r; float32 (\'f\') and int8 codes (\'b\') are taken' % view.format)
    if view.nbytes != tensor.elements * view.itemsize:
        raise ValueError('the input has %d elements, %s of shape %s has %d' %
                         (view.nbytes // view.itemsize, tensor.name, list(tensor.shape), tensor.elements))
    return datatype, bytearray(view.tobytes())


class OnnxRuntimeCore:
    """The core for FabricConv nodes: ONNX Runtime sessions that are made while this is open run them on it. library: libfabriclens_ort.so, the
    one that register_custom_ops_library is given. overlay, simulated_board: as Driver; one of them."""

    def __init__(self, library, overlay=None, simulated_board=None):
        runtime = Runtime(library)  # the operator library is a runtime too, and this core is of the copy inside it
        self._device = open_device(runtime, overlay, simulated_board)
        if self._device is None:
            raise PlRefusal('neither an overlay nor a simulated board was named; without a core the golden model computes, and nothing needs opening')
        self.refusal = ''  # why the core was no longer ours
        self._check = _Check(self._look)
        self._use = runtime.library.fl_ort_use_core
        self._use.restype = None
        self._use.argtypes = [ctypes.c_void_p, _Check, ctypes.c_void_p]
        self._use(self._device.core.handle, self._check, None)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def _look(self, _):
        try:
            self._device.check()
            return 0
        except PlRefusal as refusal:
            self.refusal = str(refusal)
            return 1

    def describe(self):
        return self._device.describe()

    def close(self):
        """RuntimeError while a session still has its programs on the core."""
        programs = self._device.core.info()['programs']
        if programs:
            raise RuntimeError('%d FabricConv nodes still use the core; delete their sessions first' % programs)
        self._use(None, _Check(), None)
        self._device.close(not self.refusal)
