"""SIGTERM: what is under way is answered, what cannot be is refused, and the process ends."""

import http.client
import json
import os
import shutil
import signal
import tempfile
import threading
import unittest

from .program import slow_program, tiny_program, write_package
from .support import SHAPE, SLOW_SHAPE, TOKEN, Agent, binary_request

SLOW_CODES = bytes(16 * 128 * 128)


@unittest.skipUnless(os.name == 'posix', 'signals')
class Drain(unittest.TestCase):
    def setUp(self):
        self.models = tempfile.mkdtemp(prefix='fabriclens-agent-')
        self.addCleanup(shutil.rmtree, self.models)
        write_package(self.models, 'tiny', tiny_program()[0], SHAPE)
        self.answers = []

    def start(self, layers, *options):
        write_package(self.models, 'slow', slow_program(layers), SLOW_SHAPE)
        agent = Agent(self.models, *options)
        self.addCleanup(agent.stop)
        return agent

    def ask(self, agent, count):
        """Threads that wait each for an answer from `slow`."""
        def run():
            body, headers = binary_request(SLOW_CODES, SLOW_SHAPE, ['logits'])
            try:
                status, got, _ = agent.request('POST', '/v2/models/slow/infer', body, headers)
            except (ConnectionError, http.client.HTTPException):
                self.answers.append('cut')
            else:
                self.answers.append((status, got['Connection'], got['Retry-After']))
        threads = [threading.Thread(target=run) for _ in range(count)]
        for thread in threads:
            thread.start()
        Agent.until(lambda: agent.get('/v2')[1]['parameters']['queue_depth'] == count)
        return threads

    def test_what_runs_and_waits_is_answered_and_what_comes_is_refused(self):
        agent = self.start(10, '--grace', '100')
        kept = agent.connect()
        agent.request('GET', '/v2', connection=kept)
        threads = self.ask(agent, 4)
        agent.process.send_signal(signal.SIGTERM)
        Agent.until(lambda: agent.get('/v2/health/ready')[0] == 503)
        status, headers, raw = agent.request('GET', '/v2/health/ready', connection=kept)  # also on a connection of before
        self.assertEqual((status, headers['Connection'], 'stopping' in json.loads(raw)['error']), (503, 'close', True))
        self.assertEqual(agent.get('/v2/health/live')[0], 200)
        status, answer, _ = agent.infer(bytes(64))
        self.assertEqual((status, 'stopping' in answer['error']), (503, True))
        for thread in threads:
            thread.join()
        self.assertEqual(self.answers, [(200, 'close', None)] * 4)
        self.assertEqual(agent.process.wait(60), 0)

    def test_what_cannot_be_finished_in_the_grace_is_refused(self):
        agent = self.start(150, '--grace', '1.2')
        threads = self.ask(agent, 3)
        agent.process.send_signal(signal.SIGTERM)
        for thread in threads:
            thread.join()
        self.assertEqual(self.answers, [(503, 'close', '1')] * 3)
        self.assertEqual(agent.process.wait(60), 0)

    def test_a_second_signal_ends_it_at_once(self):
        agent = self.start(150, '--grace', '1000')
        threads = self.ask(agent, 5)
        agent.process.send_signal(signal.SIGTERM)
        Agent.until(lambda: agent.get('/v2/health/ready')[0] == 503)
        agent.process.send_signal(signal.SIGTERM)
        self.assertEqual(agent.process.wait(60), 1)
        for thread in threads:
            thread.join()
        self.assertIn('cut', self.answers)

    def test_open_streams_do_not_keep_it_from_ending(self):
        agent = self.start(1, '--grace', '1000')
        stream = agent.connect()
        stream.request('GET', '/v2/fabriclens/telemetry', headers={'Authorization': 'Bearer ' + TOKEN,
                                                                   'Accept': 'text/event-stream'})
        response = stream.getresponse()
        self.assertTrue(response.readline().startswith(b'data: {'))
        agent.process.send_signal(signal.SIGTERM)
        self.assertEqual(agent.process.wait(60), 0)
        stream.close()
