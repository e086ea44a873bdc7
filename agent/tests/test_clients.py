import json
import os
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import unittest

from .program import slow_program, tiny_program, write_package
from .support import AGENT, RUNTIME, SHAPE, SLOW_SHAPE, TOKEN, Agent, AgentTest, binary_request, infer_bytes, read_all

CODES = bytes(range(64))
SLOW_CODES = bytes(16 * 128 * 128)


class Clients(AgentTest):
    SLOW = 150
    OPTIONS = ('--queue', '4')

    def counts(self, name='slow'):
        rows = self.agent.get('/v2/models/%s/stats' % name)[1]['model_stats'][0]['inference_stats']
        return {kind: row['count'] for kind, row in rows.items()}

    def depth(self):
        return self.agent.get('/v2')[1]['parameters']['queue_depth']

    def start_slow(self, name='slow'):
        """A connection on which a slow inference runs or waits."""
        depth = self.depth()
        connection = self.agent.raw()
        connection.sendall(infer_bytes(SLOW_CODES, name=name, shape=SLOW_SHAPE))
        Agent.until(lambda: self.depth() > depth)
        return connection

    def test_concurrent_clients_each_get_their_own_answer(self):
        inputs = [bytes((index * 37 + i * 11) & 0xff for i in range(64)) for index in range(8)]
        expected = [self.agent.infer(codes)[2] for codes in inputs]
        self.assertEqual(len({str(one) for one in expected}), 8)
        failures = []

        def ask(index):
            connection = self.agent.connect()
            for _ in range(25):
                status, answer, values = self.agent.infer(inputs[index], connection=connection)
                while status == 503:  # more clients than the queue of four holds
                    status, answer, values = self.agent.infer(inputs[index], connection=connection)
                if values != expected[index]:
                    failures.append((index, status, answer))
            connection.close()
        threads = [threading.Thread(target=ask, args=(index,)) for index in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(failures, [])

    def test_a_client_that_leaves_frees_the_accelerator(self):
        before = self.counts()
        running = self.start_slow()
        waiting = self.start_slow()
        waiting.close()
        Agent.until(lambda: self.depth() == 1)
        running.close()
        Agent.until(lambda: self.depth() == 0)
        after = self.counts()
        self.assertEqual((after['cancel'], after['success']), (before['cancel'] + 2, before['success']))
        self.assertEqual(self.agent.infer(CODES)[0], 200)

    def test_a_full_queue_says_when_to_come_again(self):
        opened = [self.start_slow() for _ in range(5)]  # one runs, four wait
        body, headers = binary_request(CODES, SHAPE, ['logits'])
        status, headers, raw = self.agent.request('POST', '/v2/models/tiny/infer', body, headers)
        self.assertEqual(status, 503)
        self.assertGreaterEqual(int(headers['Retry-After']), 1)
        self.assertIn('busy', json.loads(raw)['error'])
        for connection in opened:
            connection.close()
        Agent.until(lambda: self.depth() == 0)
        self.assertEqual(self.agent.infer(CODES)[0], 200)

    def test_a_timeout_is_kept_while_waiting_and_while_running(self):
        def ask(timeout_us):
            head = json.dumps({'inputs': [{'name': 'image', 'datatype': 'INT8', 'shape': SLOW_SHAPE,
                                           'parameters': {'binary_data_size': len(SLOW_CODES)}}],
                               'parameters': {'timeout': timeout_us}}).encode()
            status, _, raw = self.agent.request('POST', '/v2/models/slow/infer', head + SLOW_CODES,
                                                {'Inference-Header-Content-Length': str(len(head))})
            return status, json.loads(raw)['error']
        status, message = ask(20000)
        self.assertEqual(status, 504)
        self.assertIn('0.02 s', message)
        holder = self.start_slow()
        answers = []
        threads = [threading.Thread(target=lambda: answers.append(ask(20000))) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        holder.close()
        self.assertEqual([status for status, _ in answers], [504, 504])

    def test_unloading_waits_for_the_run_that_uses_the_program(self):
        with open(os.path.join(self.models, 'slow', 'program.bin'), 'rb') as stream:
            write_package(self.models, 'going', stream.read(), SLOW_SHAPE)
        self.assertEqual(self.agent.post('/v2/repository/models/going/load')[0], 200)
        with self.start_slow('going') as connection:
            self.assertEqual(self.agent.post('/v2/repository/models/going/unload')[0], 200)
            self.assertEqual(self.agent.get('/v2/models/going/ready')[0], 404)
            self.assertEqual(connection.recv(15), b'HTTP/1.1 200 OK')
        self.assertEqual(self.agent.infer(CODES)[0], 200)


class Connections(AgentTest):
    OPTIONS = ('--connections', '3')

    def test_more_connections_than_allowed_are_turned_away(self):
        opened = []

        def three():  # answered: known to be taken; the connections of setUpClass may take a moment to be gone
            connection = self.agent.raw()
            try:
                connection.sendall(b'GET /v2/health/live HTTP/1.1\r\nHost: x\r\n\r\n')
                served = b' 200 ' in connection.recv(4096)
            except ConnectionError:
                served = False
            if served:
                opened.append(connection)
            else:
                connection.close()
            return len(opened) == 3
        Agent.until(three)
        with self.agent.raw() as extra:
            answer = read_all(extra)
        self.assertIn(b' 503 ', answer)
        self.assertIn(b'Retry-After', answer)
        for connection in opened:
            connection.close()

        def served():
            try:
                return self.agent.infer(CODES)[0] == 200
            except (ConnectionError, OSError):
                return False
        Agent.until(served)


class Life(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory(prefix='fabriclens-agent-')
        self.addCleanup(self.folder.cleanup)

    def start(self, *options, **more):
        agent = Agent(self.folder.name, *options, **more)
        self.addCleanup(agent.stop)
        return agent

    def run_agent(self, *options, stdin=TOKEN.encode() + b'\n'):
        done = subprocess.run([sys.executable, '-B', '-m', 'fabriclens_agent'] + list(options), cwd=AGENT, input=stdin,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60)
        lines = done.stdout.decode().splitlines()
        self.assertEqual(len(lines), 1, done)
        return done.returncode, json.loads(lines[0])

    def test_ready_line(self):
        agent = self.start()
        self.assertEqual(set(agent.first_line), {'host', 'port', 'pid', 'version'})
        self.assertEqual(agent.first_line['pid'], agent.process.pid)

    def test_exits_when_its_parent_is_gone(self):
        agent = self.start()
        agent.process.stdin.close()
        self.assertEqual(agent.process.wait(30), 0)

    @unittest.skipUnless(os.name == 'posix', 'signals')
    def test_sigterm_ends_it(self):
        agent = self.start()
        agent.process.send_signal(signal.SIGTERM)
        self.assertEqual(agent.process.wait(30), 0)

    @unittest.skipUnless(os.name == 'posix', 'signals')
    def test_an_answer_under_way_arrives_whole_although_the_agent_is_told_to_stop(self):
        write_package(self.folder.name, 'large', slow_program(layers=1), SLOW_SHAPE)
        agent = self.start()
        head = json.dumps({'inputs': [{'name': 'image', 'datatype': 'INT8', 'shape': SLOW_SHAPE,
                                       'parameters': {'binary_data_size': len(SLOW_CODES)}}]}).encode()
        connection = agent.connect()  # JSON out and little room for it: most of the answer is still in the agent
        connection.sock = socket.socket()
        connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        connection.sock.connect(('127.0.0.1', agent.port))
        connection.request('POST', '/v2/models/large/infer', head + bytes(range(256)) * (len(SLOW_CODES) // 256),
                           {'Authorization': 'Bearer ' + TOKEN, 'Inference-Header-Content-Length': str(len(head))})
        response = connection.getresponse()
        agent.process.send_signal(signal.SIGTERM)
        Agent.until(lambda: agent.get('/v2/health/ready')[0] == 503)
        self.assertEqual(len(json.loads(response.read())['outputs'][0]['data']), 16 * 128 * 128)
        connection.close()
        self.assertEqual(agent.process.wait(30), 0)

    def test_the_token_is_not_in_the_arguments(self):
        agent = self.start()
        with open('/proc/%d/cmdline' % agent.process.pid, 'rb') as stream:
            self.assertNotIn(TOKEN.encode(), stream.read())
        self.assertNotIn(TOKEN, agent.log_text())

    def test_token_file_must_be_private(self):
        path = os.path.join(self.folder.name, 'token')
        with open(path, 'w') as stream:
            stream.write(TOKEN + '\n')
        os.chmod(path, 0o644)
        common = ('--models', self.folder.name, '--runtime', RUNTIME)
        code, line = self.run_agent(*common, '--token-file', path)
        self.assertEqual((code, 'chmod 600' in line['error']), (1, True))
        os.chmod(path, stat.S_IRUSR | stat.S_IWUSR)
        process = subprocess.Popen([sys.executable, '-B', '-m', 'fabriclens_agent', *common, '--token-file', path, '--exit-with-parent'],
                                   cwd=AGENT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        port = json.loads(process.stdout.readline())['port']
        with socket.create_connection(('127.0.0.1', port), timeout=30) as connection:
            connection.sendall(('GET /v2 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nConnection: close\r\n\r\n' % TOKEN).encode())
            self.assertIn(b' 200 ', read_all(connection))
        process.communicate(timeout=30)
        self.assertEqual(process.returncode, 0)

    def test_what_is_missing_is_said_in_one_line(self):
        models = ('--models', self.folder.name, '--token-stdin')
        for options, stdin, word in (
                (models + ('--runtime', '/absent/libfabriclens_runtime.so'), None, 'node hls/build.mjs'),
                (models + ('--runtime', __file__), None, 'cannot be loaded'),
                (('--models', '/absent', '--token-stdin', '--runtime', RUNTIME), None, '--models'),
                (models + ('--runtime', RUNTIME), b'short\n', '16 to 256'),
                (models + ('--runtime', RUNTIME), b'', '16 to 256'),
                (models + ('--runtime', RUNTIME, '--host', '0.0.0.0'), None, '--allow-network'),
                (models + ('--runtime', RUNTIME, '--host', 'example'), None, 'IP address')):
            code, line = self.run_agent(*options, **({} if stdin is None else {'stdin': stdin}))
            self.assertEqual(code, 1)
            self.assertIn(word, line['error'])

    def test_killed_in_the_middle_of_a_request_the_client_sees_it(self):
        write_package(self.folder.name, 'tiny', tiny_program()[0], SHAPE)
        agent = self.start()
        connection = agent.raw()
        connection.sendall(infer_bytes(CODES)[:-5])
        agent.process.kill()
        try:
            self.assertEqual(connection.recv(100), b'')
        except ConnectionResetError:
            pass
        connection.close()
