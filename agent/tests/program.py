"""Small programs and model packages for the agent's tests, packed by hand from the generated layout, so that the agent can be
tested without a compiler. No arithmetic here: what the programs compute is the runtime's business.
`python3 -m tests.program DIR tiny|slow|tail...` writes packages of those names (test/support/agent.ts)."""

import hashlib
import json
import os
import random
import struct
import sys
import zlib

from fabriclens_agent import layout


def _entry(form, fields, values):
    """struct.pack with the fields by name; those not given are 0."""
    return struct.pack(form, *[values.get(name, 0) for name in fields])


class ProgramBuilder:
    """Layers one after the other over a ring of activations; every tensor keeps its own place in the arena."""

    def __init__(self, seed=1):
        self._random = random.Random(seed)
        self._strings = b''
        self._tensors = []
        self._bindings = []
        self._descriptors = []
        self._float_tensors = []
        self._float_ops = []
        self._data = b''
        self._arena = 0
        self._float_arena = 0

    def _name(self, text):
        raw = text.encode('utf-8')
        self._strings += raw
        return {'name_offset': len(self._strings) - len(raw), 'name_bytes': len(raw)}

    def tensor(self, name, height, width, channels, scale=0.05, zero_point=0, at=None):
        """Index of a new tensor; `at`: arena offset to share."""
        place = self._arena if at is None else at
        row = width * layout.PLANE_CHANNELS
        if at is None:
            size = height * row * -(-channels // layout.PLANE_CHANNELS)
            self._arena += -(-size // layout.ALIGNMENT) * layout.ALIGNMENT
        self._tensors.append(dict(self._name(name), data_type=layout.DATA_TYPE_INT8, height=height, width=width,
                                  channels=channels, arena_offset=place, plane_stride=height * row,
                                  row_stride=row, scale=scale, zero_point=zero_point))
        return len(self._tensors) - 1

    def bind(self, direction, tensor, name, shape):
        values = dict(self._name(name), direction=direction, tensor=tensor, float_tensor=layout.NONE,
                      data_type=layout.DATA_TYPE_FP32, rank=len(shape))
        values.update({'shape_%d' % axis: extent for axis, extent in enumerate(list(shape) + [1] * (layout.MAX_RANK - len(shape)))})
        self._bindings.append(values)

    def float_tensor(self, shape, at=None):
        """Index of a new float tensor; `at`: one whose place it shares."""
        place = self._float_arena if at is None else self._float_tensors[at]['offset']
        if at is None:
            elements = 1
            for extent in shape:
                elements *= extent
            self._float_arena += 4 * elements
        values = {'rank': len(shape), 'offset': place}
        values.update({'dims_%d' % axis: extent for axis, extent in enumerate(list(shape) + [1] * (layout.MAX_RANK - len(shape)))})
        self._float_tensors.append(values)
        return len(self._float_tensors) - 1

    def bind_float(self, float_tensor, name):
        shape = self._float_tensors[float_tensor]
        values = dict(self._name(name), direction=layout.DIRECTION_OUTPUT, tensor=layout.NONE, float_tensor=float_tensor,
                      data_type=layout.DATA_TYPE_FP32, rank=shape['rank'])
        values.update({'shape_%d' % axis: shape['dims_%d' % axis] for axis in range(layout.MAX_RANK)})
        self._bindings.append(values)

    def float_op(self, op, name, output, source=layout.NONE, tensor=layout.NONE, function=0, parameters=b''):
        """A float operator, behind all layers; `parameters` as they lie in DATA."""
        self._data += bytes(-len(self._data) % 4)
        self._float_ops.append(dict(self._name(name), op=op, function=function, input_a=source, input_b=layout.NONE, output=output,
                                    tensor=tensor, parameters_offset=len(self._data) if parameters else layout.NONE,
                                    parameters_count=len(parameters) // 4))
        self._data += parameters

    def layer(self, op, name, source, target, kernel=1):
        """A convolution (stride 1, same padding) or dense layer with weights drawn from the seed."""
        a, b = self._tensors[source], self._tensors[target]
        count = kernel * kernel * a['channels'] if op == layout.OP_CONV else a['height'] * a['width'] * a['channels']
        weights = bytes(self._random.randrange(-127, 128) & 0xff for _ in range(min(count * b['channels'], 4096)))
        weights = (weights * (-(-count * b['channels'] // len(weights))))[:count * b['channels']]
        weights_offset = len(self._data)
        self._data += weights + bytes(-len(weights) % 8)
        parameters_offset = len(self._data)
        # Divides by about the standard deviation of such sums, so that codes spread and neither vanish nor all saturate.
        shift = 24 + max(1, (73 * 50 * int(count ** 0.5)).bit_length() - 6)
        self._data += struct.pack('<iI', 11, (shift << 24) | 0xc00000) * b['channels']
        extent = {'kernel_h': kernel, 'kernel_w': kernel, 'pad_top': kernel // 2, 'pad_left': kernel // 2,
                  'pad_bottom': kernel // 2, 'pad_right': kernel // 2} if op == layout.OP_CONV else {'kernel_h': 1, 'kernel_w': 1}
        self._descriptors.append(dict(
            self._name(name), op=op, stride_h=1, stride_w=1, dilation_h=1, dilation_w=1,
            input_offset=a['arena_offset'], input_plane_stride=a['plane_stride'], input_row_stride=a['row_stride'],
            input_height=a['height'], input_width=a['width'], input_channels=a['channels'], second_offset=layout.NONE,
            output_offset=b['arena_offset'], output_plane_stride=b['plane_stride'], output_row_stride=b['row_stride'],
            output_height=b['height'], output_width=b['width'], output_channels=b['channels'],
            weights_offset=weights_offset, parameters_offset=parameters_offset, table_offset=layout.NONE,
            residual_offset=layout.NONE, output_min=-128, output_max=127, output_tensor=target, **extent))
        return weights_offset

    def pack(self, model_sha256):
        """(bytes of program.bin, offset of DATA in it)."""
        segments = b''.join(
            _entry(layout.SEGMENT_FORMAT, layout.SEGMENT_FIELDS, {'target': target, 'count': len(entries)})
            for target, entries in ((layout.TARGET_PL, self._descriptors), (layout.TARGET_FLOAT, self._float_ops)) if entries)
        tables = [
            (layout.SECTION_KIND_STRINGS, 1, self._strings),
            (layout.SECTION_KIND_TENSORS, layout.TENSOR_BYTES, b''.join(
                _entry(layout.TENSOR_FORMAT, layout.TENSOR_FIELDS, values) for values in self._tensors)),
            (layout.SECTION_KIND_BINDINGS, layout.BINDING_BYTES, b''.join(
                _entry(layout.BINDING_FORMAT, layout.BINDING_FIELDS, values) for values in self._bindings)),
            (layout.SECTION_KIND_SEGMENTS, layout.SEGMENT_BYTES, segments),
            (layout.SECTION_KIND_DESCRIPTORS, layout.DESCRIPTOR_BYTES, b''.join(
                _entry(layout.DESCRIPTOR_FORMAT, layout.DESCRIPTOR_FIELDS, values) for values in self._descriptors)),
            (layout.SECTION_KIND_FLOAT_TENSORS, layout.FLOAT_TENSOR_BYTES, b''.join(
                _entry(layout.FLOAT_TENSOR_FORMAT, layout.FLOAT_TENSOR_FIELDS, values) for values in self._float_tensors)),
            (layout.SECTION_KIND_FLOAT_OPS, layout.FLOAT_OP_BYTES, b''.join(
                _entry(layout.FLOAT_OP_FORMAT, layout.FLOAT_OP_FIELDS, values) for values in self._float_ops)),
            (layout.SECTION_KIND_DATA, 1, self._data),
        ]
        offset = layout.HEADER_BYTES + len(tables) * layout.SECTION_BYTES
        sections = b''
        payload = b''
        for kind, entry_bytes, raw in tables:
            payload += bytes(-(offset + len(payload)) % layout.ALIGNMENT)
            sections += _entry(layout.SECTION_FORMAT, layout.SECTION_FIELDS, {
                'kind': kind, 'offset': offset + len(payload), 'bytes': len(raw), 'count': len(raw) // entry_bytes,
                'entry_bytes': entry_bytes, 'crc32': zlib.crc32(raw)})
            data_offset = offset + len(payload)
            payload += raw
        header = {'magic': layout.MAGIC, 'version': layout.LAYOUT_VERSION, 'file_bytes': offset + len(payload),
                  'section_count': len(tables), 'arena_bytes': self._arena, 'float_arena_bytes': self._float_arena, 'model_sha256': bytes.fromhex(model_sha256)}
        blank = _entry(layout.HEADER_FORMAT, layout.HEADER_FIELDS, header)
        header['metadata_crc32'] = zlib.crc32(blank + sections + b''.join(raw for _, _, raw in tables[:-1]))
        return _entry(layout.HEADER_FORMAT, layout.HEADER_FIELDS, header) + sections + payload, data_offset


INT8_SHA256 = hashlib.sha256(b'the QDQ network these programs would have come from').hexdigest()


def tiny_program():
    """image [1,1,8,8] -> 3x3 convolution -> features [1,4,8,8] -> dense -> logits [1,2]. Returns (bytes, offset of a weight)."""
    builder = ProgramBuilder()
    image = builder.tensor('image', 8, 8, 1, scale=0.03125, zero_point=3)
    features = builder.tensor('features', 8, 8, 4)
    logits = builder.tensor('logits', 1, 1, 2, scale=0.25, zero_point=-5)
    builder.bind(layout.DIRECTION_INPUT, image, 'image', [1, 1, 8, 8])
    builder.bind(layout.DIRECTION_OUTPUT, logits, 'logits', [1, 2])
    builder.bind(layout.DIRECTION_OUTPUT, features, 'features', [1, 4, 8, 8])
    weight = builder.layer(layout.OP_CONV, 'conv', image, features, kernel=3)
    builder.layer(layout.OP_DENSE, 'dense', features, logits)
    raw, data_offset = builder.pack(INT8_SHA256)
    return raw, data_offset + weight


def tail_program():
    """As tiny_program(), without its dense layer: features, and from them in fp32 their sigmoid, turned: scores [1,2,2,8,8] where
    scores[0][i][j][y][x] is of channel 2 j + i."""
    builder = ProgramBuilder()
    image = builder.tensor('image', 8, 8, 1, scale=0.03125, zero_point=3)
    features = builder.tensor('features', 8, 8, 4)
    builder.bind(layout.DIRECTION_INPUT, image, 'image', [1, 1, 8, 8])
    builder.bind(layout.DIRECTION_OUTPUT, features, 'features', [1, 4, 8, 8])
    builder.layer(layout.OP_CONV, 'conv', image, features, kernel=3)
    real = builder.float_tensor([4, 8, 8])
    builder.float_op(layout.FLOAT_OPERATOR_DEQUANTIZE, 'dequantize', real, tensor=features)
    builder.float_op(layout.FLOAT_OPERATOR_UNARY, 'sigmoid', real, source=real, function=layout.UNARY_FUNCTION_SIGMOID,
                     parameters=struct.pack('<2f', 0, 0))
    scores = builder.float_tensor([1, 2, 2, 8, 8])
    builder.float_op(layout.FLOAT_OPERATOR_TRANSPOSE, 'turn', scores, source=builder.float_tensor([1, 2, 2, 8, 8], at=real),
                     parameters=struct.pack('<5I', 0, 2, 1, 3, 4))
    builder.bind_float(scores, 'scores')
    return builder.pack(INT8_SHA256)[0]


def slow_program(layers=150):
    """image [1,16,128,128] through `layers` 7x7 convolutions of 16 channels: long enough to be interrupted between layers."""
    builder = ProgramBuilder()
    first = builder.tensor('image', 128, 128, 16, scale=0.03125, zero_point=3)
    size = 128 * 128 * 16
    builder.tensor('room for every second activation', 128, 128, 16)
    builder.bind(layout.DIRECTION_INPUT, first, 'image', [1, 16, 128, 128])
    source, place = first, [0, size]
    for index in range(layers):
        target = builder.tensor('t%d' % index, 128, 128, 16, at=place[(index + 1) % 2])
        builder.layer(layout.OP_CONV, 'conv%d' % index, source, target, kernel=7)
        source = target
    builder.bind(layout.DIRECTION_OUTPUT, source, 'logits', [1, 16, 128, 128])
    return builder.pack(INT8_SHA256)[0]


def large_program():
    """image [1,16,512,512] -> 1x1 convolution -> logits: 8 MiB of activations, and weights."""
    builder = ProgramBuilder()
    image = builder.tensor('image', 512, 512, 16, scale=0.03125, zero_point=3)
    logits = builder.tensor('logits', 512, 512, 16)
    builder.bind(layout.DIRECTION_INPUT, image, 'image', [1, 16, 512, 512])
    builder.bind(layout.DIRECTION_OUTPUT, logits, 'logits', [1, 16, 512, 512])
    builder.layer(layout.OP_CONV, 'conv', image, logits)
    return builder.pack(INT8_SHA256)[0]


def write_package(root, package, program, shape, version='1', **changes):
    """A model package as far as the agent reads one; `changes` overwrite entries of metadata['fabriclens']."""
    folder = os.path.join(root, package)
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, 'program.bin'), 'wb') as stream:
        stream.write(program)
    ours = {'name': package, 'sha256': {'model.onnx': '0' * 64, 'model.int8.onnx': INT8_SHA256,
                                     'program.bin': hashlib.sha256(program).hexdigest()},
            'input': {'name': 'image', 'shape': shape, 'scale': 0.03125, 'zeroPoint': 3}}
    ours.update(changes)
    with open(os.path.join(folder, 'metadata.json'), 'w', encoding='utf-8') as stream:
        json.dump({'version': version, 'fabriclens': ours}, stream)
    return folder


if __name__ == '__main__':
    if 'tiny' in sys.argv[2:]:
        write_package(sys.argv[1], 'tiny', tiny_program()[0], [1, 1, 8, 8], version='1.2.0')
    if 'tail' in sys.argv[2:]:
        write_package(sys.argv[1], 'tail', tail_program(), [1, 1, 8, 8])
    if 'slow' in sys.argv[2:]:
        write_package(sys.argv[1], 'slow', slow_program(), [1, 16, 128, 128])
