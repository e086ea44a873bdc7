"""Triton's own HTTP client against our agent: `drive_tritonclient.py HOST:PORT` with the token on stdin. Prints a line a check."""

import concurrent.futures
import sys

import numpy
import tritonclient.http as triton
from tritonclient.utils import InferenceServerException

address = sys.argv[1]
# The client writes into the dict that it is given: a new one for each call.
token = sys.stdin.readline().strip()


def headers():
    return {'Authorization': 'Bearer ' + token}


def done(what):
    print('ok', what, flush=True)


client = triton.InferenceServerClient(address, concurrency=8)
codes = numpy.arange(64, dtype=numpy.int8).reshape(1, 1, 8, 8)


def infer(data, datatype='INT8', binary=True, outputs=('logits', 'features'), through=client, **more):
    tensor = triton.InferInput('image', list(data.shape), datatype)
    tensor.set_data_from_numpy(data, binary_data=binary)
    wanted = [triton.InferRequestedOutput(name, binary_data=binary) for name in outputs]
    return through.infer('tiny', [tensor], outputs=wanted, headers=headers(), **more)


def refused(call, *words):
    try:
        call()
    except InferenceServerException as error:
        for word in words:
            assert word in str(error), (word, str(error))
        return
    raise AssertionError('not refused')


assert client.is_server_live() and client.is_server_ready(headers=headers())
assert client.is_model_ready('tiny', headers=headers()) and not client.is_model_ready('absent', headers=headers())
refused(lambda: client.get_server_metadata(), 'token')
done('health')

server = client.get_server_metadata(headers=headers())
assert server['name'] == 'fabriclens-agent' and 'binary_tensor_data' in server['extensions'], server
model = client.get_model_metadata('tiny', model_version='1.2.0', headers=headers())
assert [(tensor['name'], tensor['shape']) for tensor in model['outputs']] == [('logits', [-1, 2]), ('features', [-1, 4, 8, 8])], model
done('metadata')

expected = infer(codes, request_id='first')
assert expected.get_response()['id'] == 'first'
logits, features = expected.as_numpy('logits'), expected.as_numpy('features')
assert logits.shape == (1, 2) and features.shape == (1, 4, 8, 8) and features.dtype == numpy.float32
assert len(numpy.unique(features)) > 20
scale, zero = (model['inputs'][0]['parameters'][name] for name in ('scale', 'zero_point'))
values = ((codes.astype(numpy.float32) - zero) * scale).astype(numpy.float32)
for data, datatype, binary in ((codes, 'INT8', False), (values, 'FP32', True), (values, 'FP32', False)):
    answer = infer(data, datatype, binary)
    assert numpy.array_equal(answer.as_numpy('features'), features), (datatype, binary)
    assert numpy.array_equal(answer.as_numpy('logits'), logits), (datatype, binary)
done('infer, INT8 and FP32, binary and JSON')

batch = numpy.concatenate([codes, numpy.roll(codes, 5), codes[:, :, ::-1]])
stacked = infer(batch).as_numpy('features')
assert stacked.shape == (3, 4, 8, 8)
for index in range(3):
    assert numpy.array_equal(stacked[index:index + 1], infer(numpy.ascontiguousarray(batch[index:index + 1])).as_numpy('features'))
refused(lambda: infer(numpy.repeat(codes, 65, 0)), '1 to 64')
done('batches')

with concurrent.futures.ThreadPoolExecutor(8) as pool:
    def one(shift):
        with triton.InferenceServerClient(address) as mine:
            return infer(numpy.roll(codes, shift), through=mine).as_numpy('features')
    together = list(pool.map(one, range(16)))
assert all(numpy.array_equal(answer, infer(numpy.roll(codes, shift)).as_numpy('features')) for shift, answer in enumerate(together))
asynchronous = triton.InferInput('image', [1, 1, 8, 8], 'INT8')
asynchronous.set_data_from_numpy(codes)
assert numpy.array_equal(client.async_infer('tiny', [asynchronous], headers=headers()).get_result().as_numpy('features'), features)
done('several at once')

assert [(row['name'], row['state']) for row in client.get_model_repository_index(headers=headers())] == [('tiny', 'READY')]
client.unload_model('tiny', headers=headers())
assert not client.is_model_ready('tiny', headers=headers())
refused(lambda: infer(codes), 'unloaded')
client.load_model('tiny', headers=headers())
assert numpy.array_equal(infer(codes).as_numpy('features'), features)
done('repository')

statistics = client.get_inference_statistics('tiny', headers=headers())['model_stats'][0]
assert (statistics['name'], statistics['inference_count'], statistics['inference_stats']['success']['count']) == ('tiny', 1, 1), statistics
infer(batch)
statistics = client.get_inference_statistics('tiny', headers=headers())['model_stats'][0]
assert (statistics['inference_count'], statistics['inference_stats']['success']['count']) == (4, 2), statistics
done('statistics')

assert numpy.array_equal(infer(codes, timeout=5000000).as_numpy('features'), features)
refused(lambda: infer(codes[:, :, :4]), 'shape [1, 1, 8, 8]')
refused(lambda: infer(codes, outputs=('softmax',)), 'softmax')
done('timeout and refusals')
