import json
import re

from .support import TOKEN, AgentTest, infer_bytes, read_all

CODES = bytes(range(64))
AUTH = 'Authorization: Bearer %s\r\n' % TOKEN


def statuses(raw):
    return [int(code) for code in re.findall(rb'HTTP/1\.1 (\d{3}) ', raw)]


class Http(AgentTest):
    OPTIONS = ('--client-timeout', '1')

    def exchange(self, raw, close=False):
        """Sends `raw`; everything that comes back until the agent closes."""
        with self.agent.raw() as connection:
            connection.sendall(raw)
            if close:
                connection.shutdown(1)
            return read_all(connection)

    def post(self, headers, body=b'', path='/v2/models/tiny/infer'):
        return self.exchange(('POST %s HTTP/1.1\r\nHost: x\r\n%s%s\r\n' % (path, AUTH, headers)).encode() + body)

    def test_token_on_everything_but_live(self):
        for path in ('/v2', '/v2/health/ready', '/v2/models/tiny', '/v2/models/absent', '/nowhere', '/v2/models/stats'):
            for token in (None, 'wrong', TOKEN + 'x', TOKEN[:-1], '', 'é'):
                status, headers, raw = self.agent.request('GET', path, token=token)
                self.assertEqual((status, headers['WWW-Authenticate']), (401, 'Bearer'), (path, token))
                self.assertIn('token', json.loads(raw)['error'])
        self.assertEqual(self.agent.request('GET', '/v2', token=None, headers={'Authorization': 'Basic ' + TOKEN})[0], 401)
        self.assertEqual(self.agent.infer(CODES, token='wrong')[0], 401)
        self.assertEqual(self.agent.post('/v2/repository/models/tiny/unload', token=None)[0], 401)
        self.assertEqual(self.agent.get('/v2/health/live', token='wrong')[0], 200)

    def test_methods_and_paths(self):
        for method, path, status in (('POST', '/v2', 405), ('GET', '/v2/models/tiny/infer', 405), ('DELETE', '/v2/models/tiny', 405),
                                     ('GET', '/', 404), ('GET', '/v1', 404), ('GET', '/v2/models', 404), ('GET', '/v2/x', 404),
                                     ('GET', '/v2/models/tiny/config', 404), ('GET', '/v2/models/..%2f..%2fetc/ready', 404),
                                     ('GET', '/v2/', 200), ('GET', '/v2/models/%74iny?x=1', 200), ('GET', '/v2/models/%ff', 400)):
            self.assertEqual(self.agent.request(method, path)[0], status, (method, path))
        status, headers, raw = self.agent.request('HEAD', '/v2')
        self.assertEqual((status, raw), (200, b''))
        self.assertGreater(int(headers['Content-Length']), 0)

    def test_keep_alive_serves_many_requests_on_one_connection(self):
        connection = self.agent.connect()
        connection.connect()
        local = connection.sock.getsockname()
        for _ in range(20):
            self.assertEqual(self.agent.infer(CODES, connection=connection)[0], 200)
            self.assertEqual(self.agent.request('GET', '/v2/models/absent', connection=connection)[0], 404)
            connection.connect() if connection.sock is None else None
        self.assertNotEqual(local, None)
        connection.close()
        with self.agent.raw() as raw:  # the same socket, by bytes
            for _ in range(5):
                raw.sendall(infer_bytes(CODES))
                answer = raw.recv(65536)
                self.assertEqual(statuses(answer), [200])
                self.assertIn(b'Connection: keep-alive', answer)

    def test_pipelined_requests_are_answered_in_order(self):
        get = 'GET %s HTTP/1.1\r\nHost: x\r\n' + AUTH + '%s\r\n'
        raw = (get % ('/v2/models/tiny', '')).encode() + infer_bytes(CODES) + b'\r\n' + \
            (get % ('/v2/health/live', 'Connection: close\r\n')).encode()
        answer = self.exchange(raw)
        self.assertEqual(statuses(answer), [200, 200, 200])
        self.assertLess(answer.index(b'"platform"'), answer.index(b'"logits","datatype":"FP32","shape":[1,2],"parameters"'))

    def test_http_1_0_and_connection_close(self):
        raw = self.exchange(('GET /v2 HTTP/1.0\r\n%s\r\n' % AUTH).encode())
        self.assertEqual(statuses(raw), [200])
        self.assertIn(b'Connection: close', raw)

    def test_malformed_heads(self):
        for raw, status in (
                (b'garbage\r\n\r\n', 400), (b'GET /v2\r\n\r\n', 400), (b'GET  /v2 HTTP/1.1\r\n\r\n', 400),
                (b'get /v2 HTTP/1.1\r\n\r\n', 400), (b'GET /v2 HTTP/2.0\r\n\r\n', 505), (b'GET /v2 HTTP/1.1\r\n\r\n', 400),
                (b'GET /v2 HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n', 400), (b'GET /v2 HTTP/1.1\r\nHost : x\r\n\r\n', 400),
                (b'GET /v2 HTTP/1.1\r\nHost: x\r\n folded: y\r\n\r\n', 400), (b'GET /v2 HTTP/1.1\r\nHost: x\nY: z\r\n\r\n', 400),
                (b'GET /v2 HTTP/1.1\r\nHost: x\0\r\n\r\n', 400), (b'GET /v2 HTTP/1.1\r\nno colon\r\n\r\n', 400),
                (b'GET http://[ HTTP/1.1\r\nHost: x\r\n\r\n', 400),
                (b'\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n', 400),
                (b'GET /' + b'a' * 20000 + b' HTTP/1.1\r\nHost: x\r\n\r\n', 431),
                (b'GET /v2 HTTP/1.1\r\nHost: x\r\n' + b'A: b\r\n' * 100 + b'\r\n', 431),
                (b'a' * 100000, 431)):
            answer = self.exchange(raw)
            self.assertEqual(statuses(answer), [status], raw[:60])
            self.assertIn(b'{"error":"', answer)
        self.assertEqual(self.agent.get('/v2')[0], 200)

    def test_lengths_that_lie(self):
        for headers, status in (
                ('', 411), ('Transfer-Encoding: chunked\r\n', 411), ('Transfer-Encoding: chunked\r\nContent-Length: 5\r\n', 411),
                ('Content-Length: -1\r\n', 400), ('Content-Length: +5\r\n', 400), ('Content-Length: 5, 5\r\n', 400),
                ('Content-Length: 5\r\nContent-Length: 6\r\n', 400), ('Content-Length: 0x10\r\n', 400), ('Content-Length: \r\n', 400),
                ('Content-Length: 4294967296\r\n', 413), ('Content-Length: %s\r\n' % ('9' * 40), 413),
                ('Content-Length: 99999999\r\n', 413), ('Content-Length: 5\r\nContent-Encoding: gzip\r\n', 415),
                ('Content-Length: 5\r\nExpect: miracle\r\n', 417)):
            answer = self.post(headers)
            self.assertEqual(statuses(answer), [status], headers)
            self.assertIn(b'Connection: close', answer)
        self.assertEqual(statuses(self.post('Content-Length: 70000\r\n', path='/v2/repository/index')), [413])
        self.assertEqual(statuses(self.post('Content-Length: 5\r\n', path='/v2/models/absent/infer')), [404])

    def test_a_huge_length_takes_no_memory(self):
        def resident():
            with open('/proc/%d/statm' % self.agent.process.pid) as stream:
                return int(stream.read().split()[1]) * 4096
        before = resident()
        opened = [self.agent.raw() for _ in range(8)]
        for connection in opened:
            connection.sendall(('POST /v2/models/tiny/infer HTTP/1.1\r\nHost: x\r\n%sContent-Length: 4000000000\r\n\r\n' % AUTH).encode())
        for connection in opened:
            self.assertEqual(statuses(connection.recv(65536)), [413])
            connection.close()
        self.assertLess(resident() - before, 64 << 20)

    def test_a_slow_client_is_let_go(self):
        whole = infer_bytes(CODES)
        for part in (whole[:20], whole[:-1]):
            answer = self.exchange(part)
            self.assertEqual(statuses(answer), [408], part[-20:])
            self.assertIn(b'too slowly', answer)

    def test_a_truncated_request_hurts_nobody(self):
        whole = infer_bytes(CODES)
        for length in (1, 10, len(whole) // 2, len(whole) - 1):
            self.assertEqual(self.exchange(whole[:length], close=True), b'')
        self.assertEqual(self.agent.infer(CODES)[0], 200)

    def test_expect_100_continue(self):
        whole = infer_bytes(CODES)
        head, _, body = whole.partition(b'\r\n\r\n')
        with self.agent.raw() as connection:
            connection.sendall(head + b'\r\nExpect: 100-continue\r\n\r\n')
            self.assertEqual(connection.recv(1000), b'HTTP/1.1 100 Continue\r\n\r\n')
            connection.sendall(body)
            self.assertEqual(statuses(connection.recv(65536)), [200])

    def test_random_bytes_never_hang_it(self):
        import random
        drawn = random.Random(7)
        whole = infer_bytes(CODES)
        for _ in range(150):
            damaged = bytearray(whole)
            for _ in range(drawn.randrange(1, 6)):
                damaged[drawn.randrange(len(damaged))] = drawn.randrange(256)
            answer = self.exchange(bytes(damaged), close=True)
            for status in statuses(answer):
                self.assertIn(status, (200, 400, 401, 404, 405, 411, 413, 415, 417, 431, 505))
        self.assertEqual(self.agent.infer(CODES)[0], 200)
