import json
import random
import struct

from .support import SHAPE, AgentTest

SCALE, ZERO_POINT = 0.03125, 3


def codes_of(seed):
    drawn = random.Random(seed)
    return bytes(drawn.randrange(256) for _ in range(64))


def signed(codes):
    return list(struct.unpack('<64b', codes))


class Protocol(AgentTest):
    def test_server_and_health(self):
        status, server = self.agent.get('/v2')
        self.assertEqual((status, server['name']), (200, 'fabriclens-agent'))
        self.assertEqual(server['extensions'], ['binary_tensor_data', 'model_repository', 'statistics', 'fabriclens_estimate',
                                                'fabriclens_trace', 'fabriclens_telemetry'])
        self.assertEqual(server['parameters'], {'backend': 'golden', 'queue_depth': 0})
        self.assertEqual(self.agent.get('/v2/health/live', token=None), (200, {'live': True}))
        self.assertEqual(self.agent.get('/v2/health/ready'), (200, {'ready': True}))

    def test_model_metadata_with_and_without_version(self):
        status, model = self.agent.get('/v2/models/tiny')
        self.assertEqual(status, 200)
        self.assertEqual(model['versions'], ['1.2.0'])
        self.assertEqual([(t['name'], t['datatype'], t['shape']) for t in model['inputs']], [('image', 'FP32', [-1, 1, 8, 8])])
        self.assertEqual(model['inputs'][0]['parameters'], {'accepts': 'FP32,INT8', 'scale': SCALE, 'zero_point': ZERO_POINT})
        self.assertEqual([(t['name'], t['datatype'], t['shape']) for t in model['outputs']],
                         [('logits', 'FP32', [-1, 2]), ('features', 'FP32', [-1, 4, 8, 8])])
        self.assertEqual(model['parameters']['max_batch_size'], 64)
        self.assertEqual(self.agent.get('/v2/models/tiny/versions/1.2.0'), (200, model))
        self.assertEqual(self.agent.get('/v2/models/tiny/ready'), (200, {'name': 'tiny', 'ready': True}))
        status, answer = self.agent.get('/v2/models/tiny/versions/9')
        self.assertEqual(status, 404)
        self.assertIn('1.2.0', answer['error'])
        self.assertEqual(self.agent.get('/v2/models/other')[0], 404)

    def test_infer_says_where_its_time_went_and_who_computed(self):
        status, head, values = self.agent.infer(codes_of(1))
        self.assertEqual(status, 200)
        self.assertEqual((head['model_name'], head['model_version']), ('tiny', '1.2.0'))
        said = head['parameters']
        self.assertEqual((said['timing_source'], said['backend'], said['agent_version']), ('host', 'golden', '0.1.0'))
        for part in ('timing_queue_ns', 'timing_pl_ns', 'timing_ps_ns', 'timing_total_ns'):
            self.assertIsInstance(said[part], int)
        # The golden model's own time is not the core's: the cycle model's stands in its place, and is not part of the total.
        self.assertEqual(said['timing_pl_source'], 'model')
        self.assertEqual(said['timing_pl_ns'], 10 * self.agent.get('/v2/models/tiny/estimate')[1]['cycles'])
        self.assertLessEqual(said['timing_queue_ns'] + said['timing_ps_ns'], said['timing_total_ns'])
        self.assertEqual(len(values['logits']), 2)
        self.assertGreater(len(set(values['features'])), 20)
        self.assertNotEqual(values, self.agent.infer(codes_of(2))[2])

    def test_estimate_counts_the_core_s_cycles_layer_by_layer(self):
        path = '/v2/models/tiny/estimate'
        status, estimate = self.agent.get(path)
        self.assertEqual((status, estimate['name'], estimate['version'], estimate['source']), (200, 'tiny', '1.2.0', 'model'))
        self.assertEqual((estimate['clock_khz'], estimate['bytes_per_second'], estimate['latency_ns']), (100000, 10 ** 9, 400))
        self.assertEqual([(l['name'], l['op'], l['target'], l['macs'], l['refusal']) for l in estimate['layers']],
                         [('conv', 'conv', 'PL', 64 * 36, None), ('dense', 'dense', 'PL', 512, None)])
        self.assertEqual(sum(l['cycles'] for l in estimate['layers']), estimate['cycles'])
        self.assertGreater(estimate['layers'][0]['bytes_weights'], 36)
        self.assertEqual(self.agent.get('/v2/models/tiny/versions/1.2.0/estimate')[1], estimate)
        setting = {'clock_khz': 150000, 'bytes_per_second': 600000000, 'latency_ns': 800}
        status, slower = self.agent.post(path, setting)
        self.assertEqual((status, {name: slower[name] for name in setting}), (200, setting))
        self.assertGreater(slower['cycles'], estimate['cycles'])
        self.assertEqual(self.agent.post(path, {})[1], estimate)
        for wrong in ({'clock_khz': 100000}, dict(setting, more=1), dict(setting, clock_khz='100000'), dict(setting, clock_khz=True),
                      dict(setting, latency_ns=-1), dict(setting, clock_khz=1), dict(setting, bytes_per_second=1 << 64)):
            status, answer = self.agent.post(path, wrong)
            self.assertEqual(status, 400, wrong)
            self.assertIn('clock', answer['error'])
        self.assertEqual(self.agent.get('/v2/models/other/estimate')[0], 404)
        self.assertEqual(self.agent.request('PUT', path)[0], 405)

    def test_every_form_of_one_input_gives_one_answer(self):
        codes = codes_of(3)
        _, _, expected = self.agent.infer(codes)
        numbers = [(code - ZERO_POINT) * SCALE for code in signed(codes)]
        nested = [[[numbers[row * 8:row * 8 + 8] for row in range(8)]]]
        for datatype, data in (('INT8', signed(codes)), ('FP32', numbers), ('FP32', nested)):
            status, answer = self.agent.post('/v2/models/tiny/infer', {
                'id': 'one', 'inputs': [{'name': 'image', 'datatype': datatype, 'shape': SHAPE, 'data': data}]})
            self.assertEqual((status, answer['id']), (200, 'one'))
            self.assertEqual({o['name']: tuple(o['data']) for o in answer['outputs']}, expected)
        raw = struct.pack('<64f', *numbers)
        head = json.dumps({'inputs': [{'name': 'image', 'datatype': 'FP32', 'shape': SHAPE,
                                       'parameters': {'binary_data_size': 256}}],
                           'parameters': {'binary_data_output': True},
                           'outputs': [{'name': 'features', 'parameters': {'binary_data': False}}, {'name': 'logits'}]}).encode()
        status, headers, body = self.agent.request('POST', '/v2/models/tiny/infer', head + raw,
                                                   {'Inference-Header-Content-Length': str(len(head))})
        length = int(headers['Inference-Header-Content-Length'])
        features, logits = json.loads(body[:length])['outputs']
        self.assertEqual(tuple(features['data']), expected['features'])
        self.assertEqual(logits, {'name': 'logits', 'datatype': 'FP32', 'shape': [1, 2], 'parameters': {'binary_data_size': 8}})
        self.assertEqual(struct.unpack('<2f', body[length:]), expected['logits'])

    def refused(self, request, binary=b'', status=400):
        head = json.dumps(request).encode()
        got, _, body = self.agent.request('POST', '/v2/models/tiny/infer', head + binary,
                                          {'Inference-Header-Content-Length': str(len(head))})
        self.assertEqual(got, status, body)
        return json.loads(body)['error']

    def test_a_wrong_tensor_is_told_what_was_expected(self):
        def tensor(**changes):
            return {'inputs': [dict({'name': 'image', 'datatype': 'INT8', 'shape': SHAPE,
                                     'parameters': {'binary_data_size': 64}}, **changes)]}
        full = bytes(64)
        expected = "'image' (FP32 or INT8, shape [1, 1, 8, 8])"
        for request, binary, words in (
                (tensor(datatype='UINT8'), full, [expected, 'got UINT8']),
                (tensor(datatype=None), full, [expected, 'got None']),
                (tensor(datatype=[]), full, [expected, 'got []']),
                (tensor(datatype={}), full, [expected, 'got {}']),
                (tensor(shape=[1, 3, 8, 8]), full, [expected, '[1, 3, 8, 8]']),
                (tensor(shape=[-1, 1, 8, 8]), full, ['whole numbers']),
                (tensor(shape='big'), full, ['whole numbers']),
                (tensor(parameters={'binary_data_size': 63}), full, [expected, '64 bytes', '63']),
                (tensor(parameters={'binary_data_size': 1 << 62}), full, ['64 bytes']),
                (tensor(parameters={'binary_data_size': True}), full, ['64 bytes']),
                (tensor(), bytes(10), [expected, '64 bytes', 'only 10']),
                (tensor(), bytes(65), ['65 bytes follow', '64']),
                (tensor(name='imaje'), full, ["'imaje' is unknown", expected]),
                (tensor(name=7), full, ['name']),
                (tensor(parameters={'shared_memory_region': 'x'}), b'', ['shared memory']),
                (tensor(data=[0] * 64), full, ['both']),
                ({'inputs': tensor()['inputs'] * 2}, full * 2, ['twice']),
                ({'inputs': []}, b'', ['missing input', expected]),
                ({'inputs': {}}, b'', ['array']),
                ({'inputs': [3]}, b'', ['object']),
                ({}, b'', ['inputs']),
                ([], b'', ['object']),
                (dict(tensor(), outputs=[{'name': 'softmax'}]), full, ['softmax', 'logits, features']),
                (dict(tensor(), outputs=[{'name': 'logits'}, {'name': 'logits'}]), full, ['twice']),
                (dict(tensor(), outputs=[{'name': 'logits', 'parameters': {'classification': 1}}]), full, ['classification']),
                (dict(tensor(), outputs=[7]), full, ['7']),
                (dict(tensor(), parameters=[]), full, ['parameters']),
                (dict(tensor(), parameters={'timeout': 'soon'}), full, ['timeout']),
                (dict(tensor(), parameters={'timeout': 10 ** 400}), full, ['timeout']),
                (dict(tensor(), id=5), full, ['id']),
                (tensor(parameters={}), b'', [expected, 'neither']),
                (tensor(parameters={}, data=[0] * 63), b'', [expected, '64 values', '63']),
                (tensor(parameters={}, data=[0.5] * 64), b'', ['INT8']),
                (tensor(parameters={}, data=[128] + [0] * 63), b'', ['INT8']),
                (tensor(parameters={}, datatype='FP32', data=['1'] * 64), b'', ['FP32']),
                (tensor(parameters={}, data=[[0] * 64]), b'', ['nesting']),
                (tensor(parameters={}, data=[[[[0] * 8] * 7 + [[0] * 7 + [[0]]]]]), b'', ['INT8'])):
            message = self.refused(request, binary)
            for word in words:
                self.assertIn(word, message, (request, message))

    def test_not_a_number_is_refused(self):
        tensor = {'name': 'image', 'datatype': 'FP32', 'shape': SHAPE}
        self.assertIn('image', self.refused({'inputs': [dict(tensor, data=[float('nan')] * 64)]}))
        self.assertIn('image', self.refused({'inputs': [dict(tensor, parameters={'binary_data_size': 256})]},
                                            struct.pack('<f', float('nan')) * 64))

    def test_a_damaged_inference_header(self):
        for body, length in ((b'{"inputs":', '10'), (b'\xff\xfe', '2'), (b'[' * 100000, '100000'), (b'{}', '3'), (b'{}', '-1'),
                             (b'{}', 'x'), (b'{}', '0x2'), (b'{}', '9' * 30)):
            status, _, raw = self.agent.request('POST', '/v2/models/tiny/infer', body, {'Inference-Header-Content-Length': length})
            self.assertEqual(status, 400, (body[:10], length))
            self.assertTrue(json.loads(raw)['error'])
        self.assertEqual(self.agent.infer(codes_of(1))[0], 200)

    def test_statistics_count_what_happened(self):
        def counts():
            status, answer = self.agent.get('/v2/models/tiny/stats')
            self.assertEqual(status, 200)
            return answer['model_stats'][0]
        before = counts()
        for _ in range(3):
            self.agent.infer(codes_of(4))
        self.refused({'inputs': []})
        after = counts()
        self.assertEqual((after['name'], after['version']), ('tiny', '1.2.0'))
        self.assertEqual(after['inference_count'] - before['inference_count'], 3)
        for kind, more in (('success', 3), ('fail', 1), ('queue', 3), ('compute_infer', 3)):
            self.assertEqual(after['inference_stats'][kind]['count'] - before['inference_stats'][kind]['count'], more, kind)
        self.assertGreater(after['inference_stats']['compute_infer']['ns'], before['inference_stats']['compute_infer']['ns'])
        self.assertEqual(self.agent.get('/v2/models/tiny/versions/1.2.0/stats')[0], 200)
        self.assertEqual([row['name'] for row in self.agent.get('/v2/models/stats')[1]['model_stats']], ['tiny'])

    def test_logs_hold_no_tensor(self):
        self.refused({'inputs': [{'name': 'image', 'datatype': 'FP32', 'shape': SHAPE, 'data': [4711.25] * 63}]})
        self.assertNotIn('4711', self.agent.log_text())
