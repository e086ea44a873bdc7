"""Infer requests and responses of the Open Inference Protocol v2 with the binary tensor data extension: bytes to values and
back, no effects. https://github.com/kserve/open-inference-protocol"""

import array
import json
from collections import namedtuple

from .errors import RequestError
from .runtime import DTYPE_BYTES

# What a JSON tensor may take: the longest fp64 literal with its separator is below 32 characters an element.
JSON_BYTES_AN_ELEMENT = 32
JSON_BYTES_BESIDE = 1 << 20

# A batch: at most so many inferences, whose tensors together take at most so many bytes; larger only where one alone does.
BATCH = 64
BATCH_BYTES = 32 << 20

# inputs: (datatype, writable memoryview of bytes) in the program's order, each of `batch` inferences one after the other;
# outputs: (index in the program's order, binary) in the order asked for; timeout_us: 0 for none.
InferRequest = namedtuple('InferRequest', 'id inputs outputs timeout_us batch')


def max_batch(program):
    """The largest first dimension of a request: more than 1 where that of every tensor is 1, so that results can be stacked."""
    tensors = program.inputs + program.outputs
    if any(len(tensor.shape) < 2 or tensor.shape[0] != 1 for tensor in tensors):
        return 1
    return max(1, min(BATCH, BATCH_BYTES // (4 * sum(tensor.elements for tensor in tensors))))


def described_shape(shape, batch):
    """As the model's metadata says it: -1, as Triton does, for a dimension that a client chooses."""
    return [-1 if batch > 1 else shape[0]] + list(shape[1:]) if shape else []


def _json_limit(program):
    """Bytes of JSON: numbers take many times as much memory as text."""
    one = JSON_BYTES_AN_ELEMENT * sum(tensor.elements for tensor in program.inputs)
    return JSON_BYTES_BESIDE + max(one, min(one * max_batch(program), BATCH_BYTES // 4))


def infer_body_limit(program):
    """Bytes of a request body that the program's inputs can need in any accepted form."""
    binary = max_batch(program) * 4 * sum(tensor.elements for tensor in program.inputs)
    return max(_json_limit(program), JSON_BYTES_BESIDE + binary)


def inputs_of(request, index):
    """Of the batch's inference `index`: (datatype, buffer) in the program's order."""
    parts = []
    for datatype, data in request.inputs:
        size = len(data) // request.batch
        parts.append((datatype, data[index * size:(index + 1) * size]))
    return parts


def bad(message):
    return RequestError(400, message)


def parse_json(data, what):
    """The JSON object in `data` (bytes-like, UTF-8; empty means {})."""
    if not data:
        return {}
    try:
        value = json.loads(bytes(data).decode('utf-8'))
    except (ValueError, RecursionError) as error:
        raise bad('%s is not JSON: %s' % (what, error))
    if not isinstance(value, dict):
        raise bad('%s must be a JSON object' % what)
    return value


def decode_infer(body, header_length, program):
    """body: bytearray; header_length: bytes of it that are JSON (Inference-Header-Content-Length), None for all.
    Raises RequestError 400 that says which tensor was expected and which came."""
    if header_length is None:
        header_length = len(body)
    elif header_length > len(body):
        raise bad('Inference-Header-Content-Length is %d, the body has only %d bytes' % (header_length, len(body)))
    if header_length > _json_limit(program):
        raise RequestError(413, '%d bytes of JSON, at most %d are taken here; send the tensors in binary or fewer at once' %
                           (header_length, _json_limit(program)))
    binary = memoryview(body)[header_length:]
    request = parse_json(memoryview(body)[:header_length], 'the inference header')
    parameters = _parameters(request, 'the request')
    identity = request.get('id', '')
    if not isinstance(identity, str):
        raise bad('id must be a string')
    timeout_us = parameters.get('timeout', 0)
    if not _is_count(timeout_us) or timeout_us >= 1 << 64:
        raise bad('parameter timeout must be a number of microseconds')

    buffers = {}
    batches = {}
    limit = max_batch(program)
    offset = 0
    tensors = request.get('inputs')
    if not isinstance(tensors, list):
        raise bad('inputs must be an array of tensors')
    for tensor in tensors:
        if not isinstance(tensor, dict) or not isinstance(tensor.get('name'), str):
            raise bad('each input must be an object with a name')
        name = tensor['name']
        spec = next((spec for spec in program.inputs if spec.name == name), None)
        if spec is None:
            raise bad('input %r is unknown; the model takes %s' % (name, ', '.join(map(_expected, program.inputs))))
        if name in buffers:
            raise bad('input %r is given twice' % name)
        datatype, batches[name] = _check_type(tensor, spec, limit)
        size = _parameters(tensor, 'input %r' % name).get('binary_data_size')
        if size is None:
            buffers[name] = (datatype, _from_json(tensor, spec, datatype, batches[name]))
            continue
        expected_bytes = batches[name] * spec.elements * DTYPE_BYTES[datatype]
        if 'data' in tensor:
            raise bad('input %r has both data and binary_data_size' % name)
        if not _is_count(size) or size != expected_bytes:
            raise bad('input %s: expected %d bytes of %s, got binary_data_size %r' %
                      (_expected(spec), expected_bytes, datatype, size))
        if offset + size > len(binary):
            raise bad('input %s: expected %d bytes of %s, only %d follow the inference header' %
                      (_expected(spec), expected_bytes, datatype, len(binary) - offset))
        buffers[name] = (datatype, binary[offset:offset + size])
        offset += size
    if offset != len(binary):
        raise bad('%d bytes follow the inference header, the inputs account for %d' % (len(binary), offset))
    missing = [spec for spec in program.inputs if spec.name not in buffers]
    if missing:
        raise bad('missing input: %s' % ', '.join(map(_expected, missing)))
    if len(set(batches.values())) > 1:
        raise bad('the inputs differ in their first dimension: %s' %
                  ', '.join('%r %d' % (name, batch) for name, batch in batches.items()))
    return InferRequest(identity, [buffers[spec.name] for spec in program.inputs],
                        _requested_outputs(request, parameters, program), timeout_us, next(iter(batches.values()), 1))


def encode_outputs(request, program, results):
    """(JSON text of the response's outputs, binary chunks); results: for each inference of the batch, bytearrays of each output's
    datatype in the program's order (None where not asked for)."""
    outputs = []
    chunks = []
    for index, binary in request.outputs:
        spec = program.outputs[index]
        parts = [result[index] for result in results]
        shape = [request.batch * spec.shape[0]] + list(spec.shape[1:]) if spec.shape else []
        tensor = {'name': spec.name, 'datatype': spec.datatype, 'shape': shape}
        if binary:
            tensor['parameters'] = {'binary_data_size': sum(map(len, parts))}
            chunks += parts
        else:
            values = array.array('f' if spec.datatype == 'FP32' else 'b')
            for part in parts:
                values.frombytes(part)
            tensor['data'] = values.tolist()
        outputs.append(tensor)
    return json.dumps(outputs, separators=(',', ':')), chunks


def encode_infer(identity, model_name, model_version, parameters, outputs, chunks):
    """(headers, buffers) of the response; outputs and chunks from encode_outputs, so that `parameters` can say how long that took."""
    response = {'model_name': model_name, 'model_version': model_version, 'parameters': parameters}
    if identity:
        response['id'] = identity
    head = ('%s,"outputs":%s}' % (json.dumps(response, separators=(',', ':'))[:-1], outputs)).encode('utf-8')
    if not chunks:
        return (('Content-Type', 'application/json'),), [head]
    return (('Content-Type', 'application/octet-stream'), ('Inference-Header-Content-Length', str(len(head)))), [head] + chunks


def _is_count(value):
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _parameters(holder, what):
    parameters = holder.get('parameters', {})
    if not isinstance(parameters, dict):
        raise bad('parameters of %s must be an object' % what)
    if any(key.startswith('shared_memory') for key in parameters):
        raise bad('%s uses shared memory, which this server does not offer' % what)
    return parameters


def _expected(spec):
    return '%r (FP32 or INT8, shape %s)' % (spec.name, list(spec.shape))


def _check_type(tensor, spec, limit):
    """(datatype, how many inferences: at most `limit`)."""
    datatype, shape = tensor.get('datatype'), tensor.get('shape')
    if not isinstance(shape, list) or not all(map(_is_count, shape)):
        raise bad('input %r: shape must be an array of whole numbers' % spec.name)
    batch = shape[0] if limit > 1 and len(shape) == len(spec.shape) and 0 < shape[0] <= limit else 1
    wanted = (batch,) + spec.shape[1:] if limit > 1 else spec.shape
    if not isinstance(datatype, str) or datatype not in DTYPE_BYTES or tuple(shape) != wanted:
        raise bad('input %s: got %s of shape %s%s' % (_expected(spec), _shown(datatype), _shown(shape),
                                                      '; a first dimension of 1 to %d is taken' % limit if limit > 1 else ''))
    return datatype, batch


def _shown(value):
    """A client's word in a message: bounded, whatever they sent."""
    text = str(value)
    return text if len(text) <= 80 else text[:77] + '...'


def _from_json(tensor, spec, datatype, batch):
    data = tensor.get('data')
    if not isinstance(data, list):
        raise bad('input %s: neither data nor binary_data_size is given' % _expected(spec))
    shape = (batch * spec.shape[0],) + spec.shape[1:] if spec.shape else ()
    if data and isinstance(data[0], list):  # row-major in any case: flat, or nested as the shape says
        levels = [len(data) == shape[0]]
        for extent in shape[1:]:
            levels.append(all(isinstance(row, list) and len(row) == extent for row in data))
            if not all(levels):
                raise bad('input %r: the nesting of data is not that of shape %s' % (spec.name, list(shape)))
            data = [value for row in data for value in row]
    if len(data) != batch * spec.elements:
        raise bad('input %s: expected %d values, got %d' % (_expected(spec), batch * spec.elements, len(data)))
    try:
        return memoryview(array.array('f' if datatype == 'FP32' else 'b', data)).cast('B')
    except (TypeError, OverflowError, ValueError) as error:
        raise bad('input %r: data holds a value that is no %s (%s)' % (spec.name, datatype, error))


def _requested_outputs(request, parameters, program):
    """[(index, binary)]; every output where none is named."""
    default = parameters.get('binary_data_output', False) is True
    wanted = request.get('outputs')
    if wanted is None or wanted == []:
        return [(index, default) for index in range(len(program.outputs))]
    if not isinstance(wanted, list):
        raise bad('outputs must be an array')
    names = [spec.name for spec in program.outputs]
    requested = []
    for output in wanted:
        if not isinstance(output, dict) or output.get('name') not in names:
            name = output.get('name') if isinstance(output, dict) else output
            raise bad('output %s is unknown; the model has %s' % (_shown(name), ', '.join(names)))
        index = names.index(output['name'])
        if any(index == other for other, _ in requested):
            raise bad('output %r is asked for twice' % names[index])
        options = _parameters(output, 'output %r' % names[index])
        if 'classification' in options:
            raise bad('output %r: the classification extension is not offered' % names[index])
        requested.append((index, options.get('binary_data', default) is True))
    return requested
