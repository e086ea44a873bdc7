"""A real agent process for a test, and the plainest ways to talk to it."""

import http.client
import json
import os
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import time
import unittest

from .program import slow_program, tiny_program, write_package

AGENT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
RUNTIME = os.environ.get('FABRICLENS_RUNTIME',
                         os.path.join(os.path.dirname(AGENT), 'build', 'hls', 'libfabriclens_runtime.so'))
TOKEN = 'token-of-this-test-run-0123456789'
SHAPE = [1, 1, 8, 8]
SLOW_SHAPE = [1, 16, 128, 128]


class Agent:
    """The process; `port` once it listens. stop() ends it. environment: more variables; before(): called in it before it begins."""

    COMMAND = ['-m', 'fabriclens_agent']

    def __init__(self, models, *options, token=TOKEN, wait=True, environment=None, before=None):
        self.log = tempfile.TemporaryFile(mode='w+b')
        self.process = subprocess.Popen(
            [sys.executable, '-B'] + self.COMMAND + ['--models', models, '--runtime', RUNTIME, '--token-stdin',
                                                     '--exit-with-parent'] + list(options),
            cwd=AGENT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log, preexec_fn=before,
            env=dict(os.environ, **(environment or {})))
        self.process.stdin.write(token.encode() + b'\n')
        self.process.stdin.flush()
        self.first_line = json.loads(self.process.stdout.readline() or b'{"error": "no line"}')
        self.port = self.first_line.get('port')
        if wait and self.port:
            self.until(self.ready)

    @staticmethod
    def until(holds, seconds=120.0):
        """Waits for a condition that must come; the time is a limit for a broken program, not a goal."""
        deadline = time.monotonic() + seconds
        while not holds():
            if time.monotonic() > deadline:
                raise AssertionError('waited %g s in vain' % seconds)
            time.sleep(0.01)

    def ready(self):
        try:
            return self.get('/v2/health/ready')[0] == 200
        except ConnectionError:  # turned away where few connections are allowed and one of before is not gone yet
            return False

    def connect(self):
        connection = http.client.HTTPConnection('127.0.0.1', self.port, timeout=120)
        return connection

    def request(self, method, path, body=None, headers=None, token=TOKEN, connection=None):
        """(status, headers, body)."""
        used = connection or self.connect()
        all_headers = dict(headers or {})
        if token is not None:
            all_headers['Authorization'] = 'Bearer ' + token
        used.request(method, path, body, all_headers)
        response = used.getresponse()
        raw = response.read()
        if connection is None:
            used.close()
        return response.status, response.headers, raw

    def get(self, path, **options):
        status, _, raw = self.request('GET', path, **options)
        return status, json.loads(raw)

    def post(self, path, value=None, **options):
        status, _, raw = self.request('POST', path, b'' if value is None else json.dumps(value), **options)
        return status, json.loads(raw) if raw else None

    def infer(self, codes, name='tiny', shape=SHAPE, outputs=('logits', 'features'), **options):
        """INT8 codes in, binary out: (status, header or error, {name: tuple of floats})."""
        body, headers = binary_request(codes, shape, outputs)
        status, answer_headers, raw = self.request('POST', '/v2/models/%s/infer' % name, body, headers, **options)
        if status != 200:
            return status, json.loads(raw), {}
        return (status,) + parse_infer(answer_headers, raw)

    def raw(self):
        connection = socket.create_connection(('127.0.0.1', self.port), timeout=120)
        return connection

    def stop(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()
        self.log.close()

    def log_text(self):
        self.log.seek(0)
        return self.log.read().decode('utf-8', 'replace')


def binary_request(codes, shape, outputs):
    head = json.dumps({
        'inputs': [{'name': 'image', 'datatype': 'INT8', 'shape': shape, 'parameters': {'binary_data_size': len(codes)}}],
        'outputs': [{'name': name, 'parameters': {'binary_data': True}} for name in outputs],
    }).encode()
    return head + codes, {'Inference-Header-Content-Length': str(len(head))}


def parse_infer(headers, raw):
    length = int(headers['Inference-Header-Content-Length'])
    head = json.loads(raw[:length])
    offset = length
    values = {}
    for output in head['outputs']:
        size = output['parameters']['binary_data_size']
        values[output['name']] = struct.unpack('<%df' % (size // 4), raw[offset:offset + size])
        offset += size
    assert offset == len(raw)
    return head, values


def infer_bytes(codes, token=TOKEN, name='tiny', shape=SHAPE, outputs=('logits',)):
    """A whole infer request as it travels."""
    body, headers = binary_request(codes, shape, outputs)
    return ('POST /v2/models/%s/infer HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Length: %d\r\n'
            'Inference-Header-Content-Length: %s\r\n\r\n' %
            (name, token, len(body), headers['Inference-Header-Content-Length'])).encode() + body


def read_all(connection):
    """Everything until the peer closes."""
    raw = b''
    while True:
        data = connection.recv(65536)
        if not data:
            return raw
        raw += data


class AgentTest(unittest.TestCase):
    """Tests that share one agent; OPTIONS go on its command line, SLOW adds the model `slow` of so many layers."""

    OPTIONS = ()
    SLOW = 0

    @classmethod
    def setUpClass(cls):
        cls.models = tempfile.mkdtemp(prefix='fabriclens-agent-')
        cls.program, cls.weight_at = tiny_program()
        write_package(cls.models, 'tiny', cls.program, SHAPE, version='1.2.0')
        if cls.SLOW:
            write_package(cls.models, 'slow', slow_program(cls.SLOW), SLOW_SHAPE)
        cls.agent = Agent(cls.models, *cls.OPTIONS)
        assert cls.agent.port, cls.agent.first_line

    @classmethod
    def tearDownClass(cls):
        cls.agent.stop()
        shutil.rmtree(cls.models)
