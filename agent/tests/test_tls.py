"""HTTPS with certificates that openssl makes (Debian: apt-get install openssl)."""

import hashlib
import json
import os
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import unittest

from .program import slow_program, tiny_program, write_package
from .support import AGENT, RUNTIME, SHAPE, SLOW_SHAPE, TOKEN, Agent, infer_bytes, read_all

CODES = bytes(range(64))


class Tls(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix='fabriclens-agent-')
        cls.models = os.path.join(cls.folder, 'models')
        write_package(cls.models, 'tiny', tiny_program()[0], SHAPE)
        cls.cert, cls.key = os.path.join(cls.folder, 'cert.pem'), os.path.join(cls.folder, 'key.pem')
        # Of no name and long past: clients pin it by its hash, since a board's clock is not one to check dates by.
        subprocess.run(['openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-subj', '/CN=board',
                        '-days', '1', '-keyout', cls.key, '-out', cls.cert], check=True, stderr=subprocess.DEVNULL, timeout=60)
        os.chmod(cls.key, 0o600)

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.folder)

    def start(self, *options):
        agent = Agent(self.models, '--tls-cert', self.cert, '--tls-key', self.key, *options, wait=False)
        self.addCleanup(agent.stop)
        return agent

    def connect(self, agent, change=lambda context: None):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        change(context)
        return context.wrap_socket(socket.create_connection(('127.0.0.1', agent.port), timeout=60))

    def exchange(self, connection, raw):
        connection.sendall(raw)
        return read_all(connection)

    def test_it_serves_and_says_its_certificate(self):
        agent = self.start()
        with self.connect(agent) as connection:
            self.assertEqual(hashlib.sha256(connection.getpeercert(True)).hexdigest(), agent.first_line['certificate_sha256'])
            self.assertIn(connection.version(), ('TLSv1.2', 'TLSv1.3'))

            def ready():
                connection.sendall(('GET /v2/health/ready HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n\r\n' % TOKEN).encode())
                return b' 200 ' in connection.recv(65536)
            Agent.until(ready)
            whole = infer_bytes(CODES, outputs=('logits', 'features')).replace(b'Host: x\r\n', b'Host: x\r\nConnection: close\r\n')
            answer = self.exchange(connection, whole)  # read to its end, which TLS must have announced
        self.assertIn(b'HTTP/1.1 200 OK', answer)
        self.assertIn(b'"features"', answer)
        with self.connect(agent) as connection:
            self.assertIn(b' 401 ', self.exchange(connection, b'GET /v2 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n'))

    def test_older_versions_and_plain_http_get_nothing(self):
        agent = self.start()

        def old(context):
            context.set_ciphers('ALL:@SECLEVEL=0')
            context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
        with self.assertRaises((ssl.SSLError, ConnectionError)):
            self.connect(agent, old)
        with socket.create_connection(('127.0.0.1', agent.port), timeout=60) as connection:
            try:
                answer = self.exchange(connection, b'GET /v2/health/live HTTP/1.1\r\nHost: x\r\n\r\n')
            except ConnectionError:
                answer = b''
            self.assertNotIn(b'HTTP', answer)

    def test_a_client_that_never_shakes_hands_is_let_go_and_keeps_nobody_waiting(self):
        agent = self.start('--client-timeout', '2')
        silent = [socket.create_connection(('127.0.0.1', agent.port), timeout=60) for _ in range(5)]
        with self.connect(agent) as connection:
            self.assertIn(b' 200 ', self.exchange(connection, b'GET /v2/health/live HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n'))
        for connection in silent:
            self.assertEqual(connection.recv(1), b'')
            connection.close()

    def get(self, agent, path):
        """(status, answer), on a connection of its own."""
        with self.connect(agent) as connection:
            answer = self.exchange(connection, ('GET %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer %s\r\n\r\n' % (path, TOKEN)).encode())
        head, _, body = answer.partition(b'\r\n\r\n')
        return int(head.split()[1]), json.loads(body)

    def test_a_client_that_leaves_is_noticed(self):
        write_package(self.models, 'slow', slow_program(), SLOW_SHAPE)
        self.addCleanup(shutil.rmtree, os.path.join(self.models, 'slow'))
        agent = self.start()
        Agent.until(lambda: self.get(agent, '/v2/health/ready')[0] == 200)
        request = infer_bytes(bytes(16 * 128 * 128), name='slow', shape=SLOW_SHAPE)
        for part, running in ((request[:-5], 0), (request, 1)):
            connection = self.connect(agent)
            connection.sendall(part)
            Agent.until(lambda: self.get(agent, '/v2')[1]['parameters']['queue_depth'] == running)
            connection.close()

        def counts():
            rows = self.get(agent, '/v2/models/slow/stats')[1]['model_stats'][0]['inference_stats']
            return rows['cancel']['count'], rows['success']['count']
        Agent.until(lambda: sum(counts()))
        self.assertEqual(counts(), (1, 0))

    def refused(self, *options):
        done = subprocess.run([sys.executable, '-B', '-m', 'fabriclens_agent', '--models', self.models, '--runtime', RUNTIME, '--token-stdin',
                               *options], cwd=AGENT, input=TOKEN.encode() + b'\n', stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60)
        self.assertEqual(done.returncode, 1, done)
        return done.stdout.decode()

    def test_what_cannot_be_used_is_said(self):
        self.assertIn('belong together', self.refused('--tls-cert', self.cert))
        self.assertIn('cannot be used', self.refused('--tls-cert', '/absent.pem', '--tls-key', self.key))
        self.assertIn('cannot be used', self.refused('--tls-cert', self.key, '--tls-key', self.key))
        other = os.path.join(self.folder, 'readable.pem')
        shutil.copy(self.key, other)
        os.chmod(other, 0o644)
        self.assertIn('chmod 600', self.refused('--tls-cert', self.cert, '--tls-key', other))
        locked = os.path.join(self.folder, 'locked.pem')
        subprocess.run(['openssl', 'ec', '-in', self.key, '-aes256', '-passout', 'pass:secret', '-out', locked], check=True,
                       stderr=subprocess.DEVNULL, timeout=60)
        os.chmod(locked, 0o600)
        self.assertIn('cannot be used', self.refused('--tls-cert', self.cert, '--tls-key', locked))

    def test_the_network_is_listened_to_with_tls_or_by_a_flag_that_warns(self):
        self.assertIn('--tls-cert', self.refused('--host', '0.0.0.0'))
        encrypted = self.start('--host', '0.0.0.0')
        self.assertIsNotNone(encrypted.port)
        self.assertNotIn('warning', encrypted.log_text())
        plain = Agent(self.models, '--host', '0.0.0.0', '--allow-network')
        self.addCleanup(plain.stop)
        self.assertIn('without encryption', plain.log_text())
