"""hls/runtime's C ABI (fabriclens_runtime.h, ABI version 3) by ctypes. ctypes lets go of the interpreter lock in fl_run,
so that other connections are read and answered meanwhile."""

import ctypes
import os
from collections import namedtuple

from .layout import REGISTER_SPAN

ABI_VERSION = 3
MAX_RANK = 6
DTYPES = {'INT8': 1, 'INT32': 2, 'FP32': 3}
DTYPE_BYTES = {'INT8': 1, 'FP32': 4}

OK, ARGUMENT, FORMAT, VERSION, UNSUPPORTED, MEMORY, BUSY, CANCELLED, DEADLINE, DEVICE = range(10)

ERROR_BYTES = 512


class _ProgramInfo(ctypes.Structure):
    _fields_ = [('struct_bytes', ctypes.c_uint32), ('layout_version', ctypes.c_uint32), ('input_count', ctypes.c_uint32),
                ('output_count', ctypes.c_uint32), ('layer_count', ctypes.c_uint32), ('arena_bytes', ctypes.c_uint32),
                ('macs', ctypes.c_uint64), ('model_sha256', ctypes.c_uint8 * 32)]


class _TensorInfo(ctypes.Structure):
    _fields_ = [('struct_bytes', ctypes.c_uint32), ('dtype', ctypes.c_uint32), ('name', ctypes.c_char_p),
                ('rank', ctypes.c_uint32), ('element_count', ctypes.c_uint32), ('shape', ctypes.c_int64 * MAX_RANK),
                ('scale', ctypes.c_float), ('zero_point', ctypes.c_int32)]


class _Buffer(ctypes.Structure):
    _fields_ = [('data', ctypes.c_void_p), ('bytes', ctypes.c_size_t), ('dtype', ctypes.c_uint32),
                ('reserved', ctypes.c_uint32)]


class _RunOptions(ctypes.Structure):
    _fields_ = [('struct_bytes', ctypes.c_uint32), ('reserved', ctypes.c_uint32), ('timeout_ns', ctypes.c_uint64),
                ('cancel', ctypes.POINTER(ctypes.c_int32))]


class _Timing(ctypes.Structure):
    _fields_ = [('struct_bytes', ctypes.c_uint32), ('layer_capacity', ctypes.c_uint32), ('source', ctypes.c_char_p),
                ('total_ns', ctypes.c_uint64), ('input_ns', ctypes.c_uint64), ('pl_ns', ctypes.c_uint64),
                ('ps_ns', ctypes.c_uint64), ('output_ns', ctypes.c_uint64), ('layer_ns', ctypes.POINTER(ctypes.c_uint64))]


class _LayerInfo(ctypes.Structure):
    _fields_ = [('struct_bytes', ctypes.c_uint32), ('target', ctypes.c_uint32), ('name', ctypes.c_char_p),
                ('op', ctypes.c_char_p), ('macs', ctypes.c_uint64)]


_Sync = ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_void_p, ctypes.c_uint32, ctypes.c_uint64, ctypes.c_uint64)


class _CoreDevice(ctypes.Structure):
    _fields_ = [('struct_bytes', ctypes.c_uint32), ('clock_khz', ctypes.c_uint32), ('registers', ctypes.c_void_p),
                ('register_bytes', ctypes.c_uint64), ('memory', ctypes.c_void_p), ('memory_bytes', ctypes.c_uint64),
                ('memory_address', ctypes.c_uint32), ('reserved', ctypes.c_uint32), ('source', ctypes.c_char_p),
                ('deadline_ns', ctypes.c_uint64), ('sync', _Sync), ('context', ctypes.c_void_p)]


class _CoreInfo(ctypes.Structure):
    _fields_ = [('struct_bytes', ctypes.c_uint32), ('core_version', ctypes.c_uint32), ('layout_version', ctypes.c_uint32),
                ('clock_khz', ctypes.c_uint32), ('input_lanes', ctypes.c_uint32), ('output_lanes', ctypes.c_uint32),
                ('pixel_lanes', ctypes.c_uint32), ('programs', ctypes.c_uint32), ('memory_bytes', ctypes.c_uint64),
                ('memory_used', ctypes.c_uint64)]


class _CoreSetting(ctypes.Structure):
    _fields_ = [('struct_bytes', ctypes.c_uint32), ('clock_khz', ctypes.c_uint32), ('bytes_per_second', ctypes.c_uint64),
                ('latency_ns', ctypes.c_uint32), ('reserved', ctypes.c_uint32)]


class _LayerEstimate(ctypes.Structure):
    _fields_ = [('cycles', ctypes.c_uint64), ('bytes_weights', ctypes.c_uint64), ('bytes_read', ctypes.c_uint64),
                ('bytes_written', ctypes.c_uint64)]


class _EstimateInfo(ctypes.Structure):
    _fields_ = [('struct_bytes', ctypes.c_uint32), ('layer_capacity', ctypes.c_uint32), ('clock_khz', ctypes.c_uint32),
                ('latency_ns', ctypes.c_uint32), ('bytes_per_second', ctypes.c_uint64), ('macs_per_cycle', ctypes.c_uint32),
                ('reserved', ctypes.c_uint32), ('cycles', ctypes.c_uint64), ('bytes_read', ctypes.c_uint64),
                ('bytes_written', ctypes.c_uint64), ('layers', ctypes.POINTER(_LayerEstimate))]


# A program's input or output: `shape` as in the ONNX graph (NCHW, batch 1); real = (code - zero_point) * scale. `datatype`
# is the graph's own: INT8 where it gives codes.
Tensor = namedtuple('Tensor', 'name shape elements scale zero_point datatype')

# What the core takes for one inference, by the cycle model; `layers` in the order of execution. clock in kHz, latency in ns.
Estimate = namedtuple('Estimate', 'clock_khz latency_ns bytes_per_second macs_per_cycle cycles bytes_read bytes_written layers')
# cycles and bytes: None for a layer of the processor; refusal: why the core cannot run it, None where it can.
LayerEstimate = namedtuple('LayerEstimate', 'name op target macs cycles bytes_weights bytes_read bytes_written refusal')
PL = 1

# Nanoseconds; `source` is who measured them: 'host', 'model', 'rtl' or 'measured'.
Timing = namedtuple('Timing', 'source total_ns input_ns pl_ns ps_ns output_ns')


class RuntimeFailure(Exception):
    """The library refused; `status` is its fl_status. again: the same may succeed when it is asked for again."""

    def __init__(self, status, message, again=False):
        super().__init__(message)
        self.status = status
        self.again = again


class Runtime:
    """The loaded library. Raises RuntimeFailure where it is absent, foreign or of another ABI."""

    def __init__(self, path):
        if not os.path.isfile(path):
            raise RuntimeFailure(ARGUMENT, 'runtime library absent: %s; build it with `node hls/build.mjs`' % path)
        try:
            self.library = ctypes.CDLL(os.path.abspath(path))
            self.library.fl_abi_version.restype = ctypes.c_uint32
            abi = self.library.fl_abi_version()
        except (OSError, AttributeError) as error:
            raise RuntimeFailure(ARGUMENT, 'runtime library cannot be loaded: %s; build it for this machine with '
                                           '`node hls/build.mjs`' % error)
        if abi != ABI_VERSION:
            raise RuntimeFailure(VERSION, 'runtime library %s has ABI %d, this agent speaks %d: install both from one '
                                          'release' % (path, abi, ABI_VERSION))
        pointer = ctypes.c_void_p
        u32 = ctypes.c_uint32
        for name, result, arguments in (
                ('fl_version', ctypes.c_char_p, []),
                ('fl_layout_version', u32, []),
                ('fl_status_name', ctypes.c_char_p, [ctypes.c_int32]),
                ('fl_load', ctypes.c_int32, [ctypes.c_char_p, ctypes.c_size_t, u32, ctypes.c_uint64,
                                             ctypes.POINTER(pointer), ctypes.c_char_p, ctypes.c_size_t]),
                ('fl_unload', None, [pointer]),
                ('fl_get_program_info', ctypes.c_int32, [pointer, ctypes.POINTER(_ProgramInfo)]),
                ('fl_get_tensor_info', ctypes.c_int32, [pointer, u32, u32, ctypes.POINTER(_TensorInfo)]),
                ('fl_get_layer_info', ctypes.c_int32, [pointer, u32, ctypes.POINTER(_LayerInfo)]),
                ('fl_estimate', ctypes.c_int32, [pointer, ctypes.POINTER(_CoreSetting), ctypes.POINTER(_EstimateInfo),
                                                 ctypes.c_char_p, ctypes.c_size_t]),
                ('fl_set_threads', ctypes.c_int32, [pointer, u32, ctypes.c_char_p, ctypes.c_size_t]),
                ('fl_core_open', ctypes.c_int32, [ctypes.POINTER(_CoreDevice), ctypes.POINTER(pointer), ctypes.c_char_p,
                                                  ctypes.c_size_t]),
                ('fl_core_close', ctypes.c_int32, [pointer]),
                ('fl_get_core_info', ctypes.c_int32, [pointer, ctypes.POINTER(_CoreInfo)]),
                ('fl_use_core', ctypes.c_int32, [pointer, pointer, ctypes.c_char_p, ctypes.c_size_t]),
                ('fl_core_refusal', ctypes.c_int32, [pointer, u32, ctypes.c_char_p, ctypes.c_size_t]),
                ('fl_run', ctypes.c_int32, [pointer, ctypes.POINTER(_Buffer), u32, ctypes.POINTER(_Buffer), u32,
                                            ctypes.POINTER(_RunOptions), ctypes.POINTER(_Timing), ctypes.c_char_p,
                                            ctypes.c_size_t])):
            function = getattr(self.library, name)
            function.restype = result
            function.argtypes = arguments
        self.version = self.library.fl_version().decode()
        self.layout_version = self.library.fl_layout_version()

    def load(self, data, arena_budget=0):
        """A Program from the bytes of a program.bin (copied). arena_budget in bytes, 0 for the library's own."""
        handle = ctypes.c_void_p()
        message = ctypes.create_string_buffer(ERROR_BYTES)
        status = self.library.fl_load(data, len(data), 0, arena_budget, ctypes.byref(handle), message, ERROR_BYTES)
        if status != OK:
            raise self.failure(status, message)
        return Program(self, handle)

    def open_core(self, registers, memory, address, size, clock_khz, source, deadline_ns, sync=None):
        """A Core: registers and memory are addresses in this process, `address` is where the core sees the memory's first byte.
        sync(direction, offset, bytes), direction 0 before the core reads and 1 before the processor does; None where memory
        is coherent. Raises RuntimeFailure."""
        return Core(self, registers, memory, address, size, clock_khz, source, deadline_ns, sync)

    def failure(self, status, message=None):
        word = self.library.fl_status_name(status).decode()
        text = message.value.decode('utf-8', 'replace') if message is not None else ''
        return RuntimeFailure(status, '%s: %s' % (word, text) if text else word)


class Core:
    """The programmable logic's core, opened; what it was opened on must stay mapped until close()."""

    def __init__(self, runtime, registers, memory, address, size, clock_khz, source, deadline_ns, sync):
        self._runtime = runtime
        self._sync = _Sync(_guarded(sync)) if sync else _Sync()
        device = _CoreDevice(ctypes.sizeof(_CoreDevice), clock_khz, registers, REGISTER_SPAN, memory, size, address, 0,
                             source.encode('ascii'), deadline_ns, self._sync, None)
        self.handle = ctypes.c_void_p()
        message = ctypes.create_string_buffer(ERROR_BYTES)
        status = runtime.library.fl_core_open(ctypes.byref(device), ctypes.byref(self.handle), message, ERROR_BYTES)
        if status != OK:
            raise runtime.failure(status, message)

    def info(self):
        """{name: number} of fl_core_info."""
        info = _CoreInfo(struct_bytes=ctypes.sizeof(_CoreInfo))
        self._runtime.library.fl_get_core_info(self.handle, ctypes.byref(info))
        return {name: getattr(info, name) for name, _ in _CoreInfo._fields_[1:]}

    def close(self):
        """Raises RuntimeFailure: BUSY while programs use it; DEVICE where it could not be stopped and may still write its memory."""
        status = self._runtime.library.fl_core_close(self.handle)
        if status != OK:
            raise self._runtime.failure(status)


def _guarded(sync):
    def call(_, direction, offset, size):
        try:
            sync(direction, offset, size)
            return 0
        except OSError:
            return 1
    return call


class Program:
    """A program in memory. One run at a time is the caller's business; close() only when none is under way."""

    def __init__(self, runtime, handle):
        self._runtime = runtime
        self._handle = handle
        info = _ProgramInfo(struct_bytes=ctypes.sizeof(_ProgramInfo))
        self._check(runtime.library.fl_get_program_info(handle, ctypes.byref(info)))
        self.model_sha256 = bytes(info.model_sha256).hex()
        self.layer_count = info.layer_count
        self.macs = info.macs
        self.inputs = [self._tensor(0, index) for index in range(info.input_count)]
        self.outputs = [self._tensor(1, index) for index in range(info.output_count)]

    def _check(self, status):
        if status != OK:
            raise self._runtime.failure(status)

    def _tensor(self, direction, index):
        info = _TensorInfo(struct_bytes=ctypes.sizeof(_TensorInfo))
        self._check(self._runtime.library.fl_get_tensor_info(self._handle, direction, index, ctypes.byref(info)))
        datatype = 'INT8' if info.dtype == DTYPES['INT8'] else 'FP32'
        return Tensor(info.name.decode('utf-8'), tuple(info.shape[:info.rank]), info.element_count, info.scale,
                      info.zero_point, datatype)

    def set_threads(self, count):
        """Threads that compute a layer of the processor together. Raises RuntimeFailure; then it runs on as before."""
        message = ctypes.create_string_buffer(ERROR_BYTES)
        status = self._runtime.library.fl_set_threads(self._handle, count, message, ERROR_BYTES)
        if status != OK:
            raise self._runtime.failure(status, message)

    def use_core(self, core):
        """Layers of target PL run on `core`, or with None on the processor. Raises RuntimeFailure; then they run on the processor."""
        message = ctypes.create_string_buffer(ERROR_BYTES)
        status = self._runtime.library.fl_use_core(self._handle, core.handle if core else None, message, ERROR_BYTES)
        if status != OK:
            raise self._runtime.failure(status, message)

    def estimate(self, clock_khz=None, bytes_per_second=None, latency_ns=None):
        """An Estimate; by default of the clock and memory that the library presumes. Raises RuntimeFailure: UNSUPPORTED
        where the core cannot run the program, ARGUMENT for a setting that no board has."""
        setting = None
        if clock_khz is not None:
            setting = ctypes.byref(_CoreSetting(ctypes.sizeof(_CoreSetting), clock_khz, bytes_per_second, latency_ns, 0))
        cells = (_LayerEstimate * self.layer_count)()
        info = _EstimateInfo(struct_bytes=ctypes.sizeof(_EstimateInfo), layer_capacity=self.layer_count, layers=cells)
        message = ctypes.create_string_buffer(ERROR_BYTES)
        status = self._runtime.library.fl_estimate(self._handle, setting, ctypes.byref(info), message, ERROR_BYTES)
        if status != OK:
            raise self._runtime.failure(status, message)
        layers = [self._layer(index, cell) for index, cell in enumerate(cells)]
        return Estimate(info.clock_khz, info.latency_ns, info.bytes_per_second, info.macs_per_cycle, info.cycles,
                        info.bytes_read, info.bytes_written, layers)

    def _layer(self, index, cell):
        info = _LayerInfo(struct_bytes=ctypes.sizeof(_LayerInfo))
        self._check(self._runtime.library.fl_get_layer_info(self._handle, index, ctypes.byref(info)))
        name, op = info.name.decode('utf-8'), info.op.decode()
        if info.target == PL:
            return LayerEstimate(name, op, 'PL', info.macs, cell.cycles, cell.bytes_weights, cell.bytes_read,
                                 cell.bytes_written, None)
        message = ctypes.create_string_buffer(ERROR_BYTES)
        status = self._runtime.library.fl_core_refusal(self._handle, index, message, ERROR_BYTES)
        return LayerEstimate(name, op, 'PS', info.macs, None, None, None, None,
                             None if status == OK else message.value.decode('utf-8', 'replace'))

    def run(self, inputs, wanted, timeout_ns=0, cancel=None):
        """One inference.

        inputs: a (datatype, writable contiguous buffer of exactly its bytes) for each of self.inputs, in their order.
        wanted: a bool for each of self.outputs. cancel: a ctypes.c_int32 that another thread may set to 1.
        Returns ([bytearray of the output's datatype or None for each output], Timing). Raises RuntimeFailure.
        """
        views = [(ctypes.c_char * memoryview(data).nbytes).from_buffer(data) for _, data in inputs]
        sources = (_Buffer * len(inputs))(*[
            _Buffer(ctypes.addressof(view), len(view), DTYPES[datatype], 0)
            for (datatype, _), view in zip(inputs, views)])
        results = [bytearray(DTYPE_BYTES[tensor.datatype] * tensor.elements) if want else None
                   for tensor, want in zip(self.outputs, wanted)]
        targets = (_Buffer * len(results))(*[
            _Buffer(None, 0, DTYPES[tensor.datatype], 0) if result is None else
            _Buffer(ctypes.addressof((ctypes.c_char * len(result)).from_buffer(result)), len(result),
                    DTYPES[tensor.datatype], 0)
            for tensor, result in zip(self.outputs, results)])
        options = _RunOptions(ctypes.sizeof(_RunOptions), 0, timeout_ns,
                              ctypes.pointer(cancel) if cancel is not None else None)
        timing = _Timing(struct_bytes=ctypes.sizeof(_Timing))
        message = ctypes.create_string_buffer(ERROR_BYTES)
        status = self._runtime.library.fl_run(self._handle, sources, len(inputs), targets, len(results),
                                              ctypes.byref(options), ctypes.byref(timing), message, ERROR_BYTES)
        if status != OK:
            raise self._runtime.failure(status, message)
        return results, Timing(timing.source.decode(), timing.total_ns, timing.input_ns, timing.pl_ns, timing.ps_ns,
                               timing.output_ns)

    def close(self):
        handle, self._handle = self._handle, None
        if handle:
            self._runtime.library.fl_unload(handle)
