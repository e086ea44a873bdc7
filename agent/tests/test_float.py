"""Outputs that float operators make: FP32 of up to six axes, behind the same protocol."""

import math
import shutil
import tempfile
import unittest

from .program import tail_program, write_package
from .support import SHAPE, Agent

CODES = bytes((37 * i) % 256 for i in range(64))


class FloatOutputs(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.models = tempfile.mkdtemp(prefix='fabriclens-agent-')
        write_package(cls.models, 'tail', tail_program(), SHAPE)
        cls.agent = Agent(cls.models)
        assert cls.agent.port, cls.agent.first_line

    @classmethod
    def tearDownClass(cls):
        cls.agent.stop()
        shutil.rmtree(cls.models)

    def test_they_are_described_with_all_their_axes(self):
        status, model = self.agent.get('/v2/models/tail')
        self.assertEqual(status, 200)
        self.assertEqual([(t['name'], t['datatype'], t['shape']) for t in model['outputs']],
                         [('features', 'FP32', [-1, 4, 8, 8]), ('scores', 'FP32', [-1, 2, 2, 8, 8])])

    def test_they_are_what_the_operators_make_of_the_codes(self):
        status, head, values = self.agent.infer(CODES, 'tail', outputs=('features', 'scores'))
        self.assertEqual(status, 200)
        self.assertEqual([output['shape'] for output in head['outputs']], [[1, 4, 8, 8], [1, 2, 2, 8, 8]])
        features = values['features']
        self.assertGreater(len(set(features)), 20)
        turned = [features[(2 * j + i) * 64 + at] for i in range(2) for j in range(2) for at in range(64)]
        for score, feature in zip(values['scores'], turned):
            self.assertAlmostEqual(score, 1 / (1 + math.exp(-feature)), delta=1e-7)

    def test_one_of_them_alone_and_the_same_again(self):
        answers = [self.agent.infer(CODES, 'tail', outputs=('scores',)) for _ in range(2)]
        self.assertEqual([status for status, _, _ in answers], [200, 200])
        self.assertEqual(list(answers[0][2]), ['scores'])
        self.assertEqual(answers[0][2], answers[1][2])

    def test_their_operators_are_the_processor_s(self):
        _, estimate = self.agent.get('/v2/models/tail/estimate')
        self.assertEqual([(layer['name'], layer['op'], layer['target']) for layer in estimate['layers']],
                         [('conv', 'conv', 'PL'), ('dequantize', 'dequantize', 'PS'), ('sigmoid', 'sigmoid', 'PS'),
                          ('turn', 'transpose', 'PS')])
        self.assertIsNone(estimate['layers'][2]['cycles'])
        said = self.agent.infer(CODES, 'tail', outputs=('scores',))[1]['parameters']
        self.assertGreater(said['timing_ps_ns'], 0)
