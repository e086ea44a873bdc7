import json
import random
import struct
import tempfile
import threading

from .program import ProgramBuilder, INT8_SHA256, write_package
from .support import SHAPE, Agent, AgentTest, binary_request, parse_infer

from fabriclens_agent import layout

SLOW = [1, 16, 128, 128]


def flat_program():
    """image [1,1,8,8] -> features [4,8,8]: nothing to stack along."""
    builder = ProgramBuilder()
    image = builder.tensor('image', 8, 8, 1, scale=0.03125, zero_point=3)
    features = builder.tensor('features', 8, 8, 4)
    builder.bind(layout.DIRECTION_INPUT, image, 'image', SHAPE)
    builder.layer(layout.OP_CONV, 'conv', image, features, kernel=3)
    real = builder.float_tensor([4, 8, 8])
    builder.float_op(layout.FLOAT_OPERATOR_DEQUANTIZE, 'dequantize', real, tensor=features)
    builder.bind_float(real, 'features')
    return builder.pack(INT8_SHA256)[0]


class Batch(AgentTest):
    SLOW = 20
    images = [random.Random(seed).getrandbits(512).to_bytes(64, 'little') for seed in range(5)]

    def test_a_batch_is_its_inferences_stacked(self):
        alone = [self.agent.infer(image)[2] for image in self.images]
        self.assertEqual(len({str(one) for one in alone}), 5)
        status, head, values = self.agent.infer(b''.join(self.images), shape=[5, 1, 8, 8])
        self.assertEqual(status, 200)
        self.assertEqual([(output['name'], output['shape']) for output in head['outputs']],
                         [('logits', [5, 2]), ('features', [5, 4, 8, 8])])
        for name in ('logits', 'features'):
            self.assertEqual(values[name], sum((one[name] for one in alone), ()))
        numbers = [[[list(struct.unpack('8b', image[row * 8:row * 8 + 8])) for row in range(8)]] for image in self.images]
        for data in (numbers, list(struct.unpack('320b', b''.join(self.images)))):
            status, answer = self.agent.post('/v2/models/tiny/infer', {
                'inputs': [{'name': 'image', 'datatype': 'INT8', 'shape': [5, 1, 8, 8], 'data': data}]})
            self.assertEqual((status, tuple(answer['outputs'][0]['data'])), (200, values['logits']))

    def test_statistics_count_what_a_batch_holds(self):
        before = self.agent.get('/v2/models/tiny/stats')[1]['model_stats'][0]
        self.agent.infer(b''.join(self.images), shape=[5, 1, 8, 8])
        after = self.agent.get('/v2/models/tiny/stats')[1]['model_stats'][0]
        self.assertEqual(after['inference_count'] - before['inference_count'], 5)
        self.assertEqual(after['inference_stats']['success']['count'] - before['inference_stats']['success']['count'], 1)

    def test_a_batch_that_cannot_be_is_refused(self):
        for shape, words in (([0, 1, 8, 8], '1 to 64'), ([65, 1, 8, 8], '1 to 64'), ([5, 1, 8, 9], '1 to 64'), ([5, 64], '1 to 64')):
            body, headers = binary_request(bytes(64), shape, ['logits'])
            status, _, raw = self.agent.request('POST', '/v2/models/tiny/infer', body, headers)
            self.assertEqual(status, 400, shape)
            self.assertIn(words, json.loads(raw)['error'])
        body, headers = binary_request(bytes(64 * 4), [5, 1, 8, 8], ['logits'])
        status, _, raw = self.agent.request('POST', '/v2/models/tiny/infer', body, headers)
        self.assertEqual(status, 400)
        self.assertIn('expected 320 bytes', json.loads(raw)['error'])

    def test_one_wrong_value_refuses_all(self):
        values = [0.0] * 64 * 3
        values[100] = float('nan')
        status, answer = self.agent.post('/v2/models/tiny/infer', {
            'inputs': [{'name': 'image', 'datatype': 'FP32', 'shape': [3, 1, 8, 8], 'data': values}]})
        self.assertEqual(status, 400)
        self.assertIn('image', answer['error'])

    def test_a_model_whose_results_cannot_be_stacked_takes_one(self):
        with tempfile.TemporaryDirectory() as models:
            write_package(models, 'flat', flat_program(), SHAPE)
            agent = Agent(models)
            self.addCleanup(agent.stop)
            metadata = agent.get('/v2/models/flat')[1]
            self.assertEqual((metadata['inputs'][0]['shape'], metadata['outputs'][0]['shape']), (SHAPE, [4, 8, 8]))
            self.assertEqual(metadata['parameters']['max_batch_size'], 1)
            self.assertEqual(agent.infer(bytes(64), name='flat', outputs=('features',))[0], 200)
            status, answer, _ = agent.infer(bytes(128), name='flat', shape=[2, 1, 8, 8], outputs=('features',))
            self.assertEqual((status, 'got INT8 of shape [2, 1, 8, 8]' in answer['error']), (400, True))

    def test_a_batch_lets_another_client_in_between_its_inferences(self):
        limit = self.agent.get('/v2/models/slow')[1]['parameters']['max_batch_size']
        self.assertGreater(limit, 3)
        finished = []

        def batch():
            body, headers = binary_request(bytes(4 * 16 * 128 * 128), [4] + SLOW[1:], ['logits'])
            status, got, raw = self.agent.request('POST', '/v2/models/slow/infer', body, headers)
            finished.append(('batch', status, parse_infer(got, raw)[0]['outputs'][0]['shape']))
        thread = threading.Thread(target=batch)
        thread.start()
        Agent.until(lambda: self.agent.get('/v2')[1]['parameters']['queue_depth'] > 0)
        self.assertEqual(self.agent.infer(self.images[0])[0], 200)
        finished.append('single')
        thread.join()
        self.assertEqual(finished, ['single', ('batch', 200, [4] + SLOW[1:])])


class Fairness(AgentTest):
    SLOW = 60  # all six must have come before the first is done, and the other's before the second is

    def test_who_has_many_waiting_keeps_nobody_from_a_turn(self):
        """A named client holds the accelerator with six slow requests; another's one is served before the third of them."""
        served = []

        def ask(client, name, shape, codes):
            body, headers = binary_request(codes, shape, ['logits'])
            status, _, _ = self.agent.request('POST', '/v2/models/%s/infer' % name, body, dict(headers, **{'Fabriclens-Client': client}))
            served.append((client, status))
        many = [threading.Thread(target=ask, args=('many', 'slow', SLOW, bytes(16 * 128 * 128))) for _ in range(6)]
        for thread in many:
            thread.start()
        Agent.until(lambda: self.agent.get('/v2')[1]['parameters']['queue_depth'] == 6)
        one = threading.Thread(target=ask, args=('one', 'tiny', SHAPE, bytes(64)))
        one.start()
        one.join()
        self.assertLessEqual(served.index(('one', 200)), 2)
        for thread in many:
            thread.join()
        self.assertEqual(sorted(served), [('many', 200)] * 6 + [('one', 200)])
