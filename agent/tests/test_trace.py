import json
import os
import tempfile

from .support import SHAPE, SLOW_SHAPE, TOKEN, Agent, AgentTest, infer_bytes

CODES = bytes(range(64))


class Traced(AgentTest):
    SLOW = 20

    def trace(self):
        status, answer = self.agent.get('/v2/fabriclens/trace')
        self.assertEqual((status, answer['limit']), (200, 256))
        return answer['requests']

    def test_a_request_leaves_sizes_times_and_outcome_and_nothing_of_what_was_in_it(self):
        status, head, _ = self.agent.infer(CODES)
        entry = self.trace()[0]
        said = head['parameters']
        self.assertEqual(entry['id'], said['trace_id'])
        self.assertEqual((entry['model'], entry['version'], entry['status'], entry['batch'], entry['source'], entry['pl_source']),
                         ('tiny', '1.2.0', 200, 1, 'host', 'model'))
        self.assertEqual((entry['queue_ns'], entry['pl_ns'], entry['ps_ns']),
                         tuple(said['timing_%s_ns' % part] for part in ('queue', 'pl', 'ps')))
        self.assertGreaterEqual(entry['total_ns'], said['timing_total_ns'])
        self.assertGreater(entry['request_bytes'], 64)
        self.assertGreater(entry['response_bytes'], 8 + 1024)
        self.agent.post('/v2/models/tiny/infer', {'id': 'Doe^Jane', 'inputs': [
            {'name': 'image', 'datatype': 'INT8', 'shape': SHAPE, 'data': [47] * 64}]})
        entry = self.trace()[0]
        self.assertEqual(set(entry), {'id', 'uptime_s', 'model', 'version', 'batch', 'status', 'request_bytes', 'response_bytes',
                                      'source', 'pl_source', 'queue_ns', 'pl_ns', 'ps_ns', 'total_ns'})
        self.assertNotIn('Doe', json.dumps(self.trace()))

    def test_what_was_refused_or_left_is_in_it_too(self):
        self.agent.infer(CODES, shape=[7])
        entry = self.trace()[0]
        self.assertEqual((entry['model'], entry['status']), ('tiny', 400))
        self.assertNotIn('response_bytes', entry)
        with self.agent.raw() as connection:
            connection.sendall(infer_bytes(bytes(16 * 128 * 128), name='slow', shape=SLOW_SHAPE))
            Agent.until(lambda: self.agent.get('/v2')[1]['parameters']['queue_depth'] == 1)
        Agent.until(lambda: self.trace()[0]['model'] == 'slow')
        self.assertEqual(self.trace()[0]['status'], 0)

    def test_only_the_last_requests_are_kept(self):
        connection = self.agent.connect()
        for _ in range(260):
            self.agent.infer(CODES, connection=connection)
        connection.close()
        ids = [entry['id'] for entry in self.trace()]
        self.assertEqual(ids, list(range(ids[0], ids[0] - 256, -1)))


class Told(AgentTest):
    PATH = '/v2/fabriclens/telemetry'

    def events(self, agent):
        connection = agent.connect()
        connection.request('GET', self.PATH, headers={'Authorization': 'Bearer ' + TOKEN, 'Accept': 'text/event-stream'})
        return connection, connection.getresponse()

    def test_what_this_machine_has_not_is_absent_with_its_reason(self):
        status, said = self.agent.get(self.PATH)
        self.assertEqual(status, 200)
        self.assertEqual((said['backend'], said['queue_depth'], said['queue_limit'], said['models']), ('golden', 0, 128, ['tiny']))
        self.assertGreater(said['memory_total_bytes'], said['agent_memory_bytes'])
        for name, value in said.items():
            self.assertEqual(value is None, name in said['absent'], name)
        self.assertIn('processor', said['absent']['pl_clock_khz'])
        with open('/proc/sys/kernel/random/boot_id') as stream:
            self.assertEqual(said['boot_id'], stream.read().strip())

    def test_a_board_s_own_files_are_read(self):
        with tempfile.TemporaryDirectory() as root:
            for path, text in (('proc/device-tree/chosen/pynq_board', 'Pynq-Z2\0'), ('proc/device-tree/model', 'TUL PYNQ-Z2\0'),
                               ('etc/os-release', 'NAME="PynqLinux"\nID=pynqlinux\nVERSION_ID="3.1"\n'),
                               ('proc/meminfo', 'MemTotal:  503464 kB\nMemAvailable: 400000 kB\nCmaTotal: 131072 kB\nCmaFree: 42336 kB\n'),
                               ('sys/bus/iio/devices/iio:device0/name', 'something\n'), ('sys/bus/iio/devices/iio:device1/name', 'xadc\n'),
                               ('sys/bus/iio/devices/iio:device1/in_temp0_raw', '2572\n'),
                               ('sys/bus/iio/devices/iio:device1/in_temp0_offset', '-2219\n'),
                               ('sys/bus/iio/devices/iio:device1/in_temp0_scale', '123.040771484\n')):
                os.makedirs(os.path.dirname(os.path.join(root, path)), exist_ok=True)
                with open(os.path.join(root, path), 'w') as stream:
                    stream.write(text)
            agent = Agent(self.models, '--board-root', root)
            self.addCleanup(agent.stop)
            said = agent.get(self.PATH)[1]
        self.assertEqual((said['board_name'], said['board_model'], said['image'], said['temperature_c']),
                         ('Pynq-Z2', 'TUL PYNQ-Z2', 'pynqlinux 3.1', 43.4))
        self.assertEqual((said['memory_total_bytes'], said['cma_free_bytes']), (503464 << 10, 42336 << 10))
        self.assertIsNone(said['boot_id'])
        self.assertIn('boot_id', said['absent']['boot_id'])

    def test_events_come_until_the_client_leaves(self):
        connection, response = self.events(self.agent)
        self.assertEqual((response.status, response.headers['Content-Type'], response.headers['Content-Length']),
                         (200, 'text/event-stream', None))
        seen = []
        for _ in range(2):
            line, blank = response.readline(), response.readline()
            self.assertEqual(blank, b'\n')
            seen.append(json.loads(line[len('data: '):]))
        self.assertGreater(seen[1]['agent_uptime_s'], seen[0]['agent_uptime_s'])
        self.assertEqual(seen[0]['models'], ['tiny'])
        response.close()
        connection.close()

    def test_streams_are_few(self):
        opened = []

        def eight():
            connection, response = self.events(self.agent)
            if response.status == 200:
                opened.append((connection, response))
            else:
                self.assertEqual((response.status, response.headers['Retry-After']), (503, '1'))
                self.assertIn('streams', json.loads(response.read())['error'])
            return len(opened) == 8
        Agent.until(eight)
        connection, response = self.events(self.agent)
        self.assertEqual(response.status, 503)
        connection.close()
        self.assertEqual(self.agent.get(self.PATH)[0], 200)
        for connection, response in opened:
            response.close()
            connection.close()

        def free():
            connection, response = self.events(self.agent)
            response.close()
            connection.close()
            return response.status == 200
        Agent.until(free)

    def test_it_wants_the_token(self):
        for path in (self.PATH, '/v2/fabriclens/trace'):
            self.assertEqual(self.agent.get(path, token='x' * 20)[0], 401)
            self.assertEqual(self.agent.post(path)[0], 405)
