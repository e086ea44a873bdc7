"""A small HTTP/1.1 server: keep-alive, a thread a connection, bounded in connections, bytes and time.

Own work and not http.server: that one parses headers with the e-mail package (milliseconds on a Cortex-A9), writes a response in
pieces, and bounds neither a body nor a slow client. RFC 9112 is followed strictly: what is ambiguous is refused and the
connection closed. No Date header: the board's clock is not one to be quoted (RFC 9110, 6.6.1).
"""

import json
import re
import socket
import sys
import threading
import time
from urllib.parse import unquote, urlsplit

from .departures import Departures
from .errors import ClientGone, RequestError, busy

HEAD_BYTES = 16 << 10
HEADER_LINES = 64
REASONS = {200: 'OK', 400: 'Bad Request', 401: 'Unauthorized', 404: 'Not Found', 405: 'Method Not Allowed',
           408: 'Request Timeout', 409: 'Conflict', 411: 'Length Required', 413: 'Content Too Large', 415: 'Unsupported Media Type',
           417: 'Expectation Failed', 422: 'Unprocessable Content', 431: 'Request Header Fields Too Large', 500: 'Internal Server Error',
           503: 'Service Unavailable', 504: 'Gateway Timeout', 505: 'HTTP Version Not Supported',
           507: 'Insufficient Storage'}

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+\Z")
_REQUEST_LINE = re.compile(r'([A-Z]{1,16}) ([!-~]+) HTTP/([0-9])\.([0-9])\Z')


class Limits:
    """connections: open at a time. idle_s: a kept-alive connection without a request. client_s: for a request's head, for its
    body (beside bytes / slowest_rate) and for taking the response. bytes_in_flight: bodies of all requests together."""

    def __init__(self, connections=128, idle_s=60.0, client_s=10.0, slowest_rate=100000, bytes_in_flight=128 << 20):
        self.connections = connections
        self.idle_s = idle_s
        self.client_s = client_s
        self.slowest_rate = slowest_rate
        self.bytes_in_flight = bytes_in_flight


class Head:
    """A request before its body: method, path as decoded segments, headers by lower-case name."""

    def __init__(self, method, segments, headers, keep_alive):
        self.method = method
        self.segments = segments
        self.headers = headers
        self.keep_alive = keep_alive


class Response:
    def __init__(self, status, body=b'', headers=(('Content-Type', 'application/json'),)):
        self.status = status
        self.body = body
        self.headers = headers


def json_response(value, status=200, headers=()):
    return Response(status, json.dumps(value, separators=(',', ':')).encode('utf-8'),
                    (('Content-Type', 'application/json'),) + tuple(headers))


class Route:
    """What answers a request: handler(Exchange) -> Response; at most body_limit bytes of body; length_required: refuse a
    request that doesn't say how long its body is."""

    def __init__(self, handler, body_limit=0, length_required=False):
        self.handler = handler
        self.body_limit = body_limit
        self.length_required = length_required


class Exchange:
    """A whole request: its head, body, the time (perf_counter_ns) at which its last byte was read, and who sent it."""

    def __init__(self, server, connection, head, body):
        self.head = head
        self.body = body
        self.received_ns = time.perf_counter_ns()
        self._server = server
        self._connection = connection

    def on_departure(self, callback):
        """callback(), on another thread, when the client leaves before the response."""
        self._server.departures.watch(self._connection, callback)

    def end_departure(self):
        self._server.departures.forget(self._connection)


class Server:
    """route: function(Head) -> Route, or raises RequestError; it is asked before a byte of the body is read or room for it made."""

    def __init__(self, host, port, route, limits):
        self.route = route
        self.limits = limits
        self.departures = Departures()
        self.stopping = False
        self._lock = threading.Lock()
        self._idle_or_done = threading.Condition(self._lock)
        self._connections = 0
        self._working = 0
        self._bytes = 0
        self._listener = socket.create_server((host, port), backlog=128,
                                              family=socket.AF_INET6 if ':' in host else socket.AF_INET)

    @property
    def port(self):
        return self._listener.getsockname()[1]

    def serve(self):
        """Accepts until stop()."""
        while not self.stopping:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                if self.stopping:
                    return
                time.sleep(0.05)  # out of file descriptors: wait for some to be closed
                continue
            with self._lock:
                full = self._connections >= self.limits.connections
                self._connections += 0 if full else 1
            if full:
                _turn_away(connection, busy('%d connections are open already; close some or try again later' %
                                            self.limits.connections))
                continue
            try:
                threading.Thread(target=self._converse, args=(connection,), daemon=True).start()
            except RuntimeError as error:  # out of threads or memory: those that are served go on
                with self._lock:
                    self._connections -= 1
                _turn_away(connection, busy('the agent cannot take more connections now (%s); try again later' % error))

    def stop(self, grace_s):
        """No new connections; waits up to grace_s seconds for the answers of the requests that are being worked on."""
        self.stopping = True
        try:
            self._listener.shutdown(socket.SHUT_RDWR)  # wakes accept()
        except OSError:
            pass
        self._listener.close()
        with self._idle_or_done:
            self._idle_or_done.wait_for(lambda: self._working == 0, grace_s)

    def _converse(self, connection):
        try:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            reader = _Reader(connection)
            while self._exchange(connection, reader):
                pass
        except (OSError, ClientGone):
            pass  # the client left, or was too slow to take its answer
        except Exception as error:  # a defect of ours must not take the agent down, nor show the client our insides
            print('connection failed: %s: %s' % (type(error).__name__, error), file=sys.stderr, flush=True)
        finally:
            _close(connection)
            with self._lock:
                self._connections -= 1

    def _exchange(self, connection, reader):
        """One request and its response; True to go on with the connection."""
        if not reader.wait(self.limits.idle_s) or self.stopping:
            return False
        with self._lock:
            self._working += 1
        try:
            response, keep, without_body = self._answer(connection, reader)
            connection.settimeout(self.limits.client_s + len(response.body) / self.limits.slowest_rate)
            connection.sendall(_render(response, keep, int(self.limits.idle_s), without_body))
            return keep
        finally:
            with self._idle_or_done:
                self._working -= 1
                self._idle_or_done.notify_all()

    def _answer(self, connection, reader):
        """(Response to the request that begins, whether the connection stays, whether only the head is wanted)."""
        reserved = 0
        keep = False
        without_body = False
        try:
            head = parse_head(reader.head(self.limits.client_s))
            without_body = head.method == 'HEAD'
            route = self.route(head)
            length = body_length(head, route)
            self._reserve(length)
            reserved = length
            if 'expect' in head.headers:
                if head.headers['expect'].lower() != '100-continue':
                    raise RequestError(417, 'Expect: only 100-continue is known')
                connection.sendall(b'HTTP/1.1 100 Continue\r\n\r\n')
            body = reader.body(length, self.limits.client_s + length / self.limits.slowest_rate)
            keep = head.keep_alive
            response = route.handler(Exchange(self, connection, head, body))
        except RequestError as error:
            response = json_response({'error': error.message}, error.status, error.headers)
        except (OSError, ClientGone):
            raise
        except Exception as error:
            print('request failed: %s: %s' % (type(error).__name__, error), file=sys.stderr, flush=True)
            response = json_response({'error': 'the agent failed on this request; its log says why'}, 500)
        finally:
            with self._lock:
                self._bytes -= reserved
        return response, keep and not self.stopping, without_body

    def _reserve(self, length):
        with self._lock:
            if self._bytes + length > self.limits.bytes_in_flight:
                raise busy('requests of %d MiB are being worked on, the most this agent holds; try again later' %
                           (self._bytes >> 20))
            self._bytes += length


def parse_head(lines):
    """Request line and headers (RFC 9112); raises RequestError."""
    match = _REQUEST_LINE.match(lines[0])
    if not match:
        raise RequestError(400, 'the request line is malformed')
    method, target, major, minor = match.groups()
    if major != '1':
        raise RequestError(505, 'HTTP/%s.%s is not spoken here; use HTTP/1.1' % (major, minor))
    if len(lines) > HEADER_LINES + 1:
        raise RequestError(431, 'more than %d header lines' % HEADER_LINES)
    headers = {}
    for line in lines[1:]:
        name, colon, value = line.partition(':')
        if not colon or not _TOKEN.match(name):
            raise RequestError(400, 'a header line is malformed')
        name = name.lower()
        if name in headers and name in ('content-length', 'transfer-encoding', 'host', 'authorization',
                                        'inference-header-content-length'):
            raise RequestError(400, 'header %s is given twice' % name)
        headers[name] = value.strip(' \t')
    if minor != '0' and 'host' not in headers:
        raise RequestError(400, 'header Host is missing')
    try:
        path = (target if target.startswith('/') else urlsplit(target).path).partition('?')[0]
        segments = [unquote(segment, errors='strict') for segment in path.strip('/').split('/')]
    except ValueError:
        raise RequestError(400, 'the request target is no URL, or its path not UTF-8')
    options = [option.strip() for option in headers.get('connection', '').lower().split(',')]
    keep_alive = 'close' not in options and (minor != '0' or 'keep-alive' in options)
    return Head(method, segments, headers, keep_alive)


def body_length(head, route):
    """Bytes of the body that follows, checked against the route's limit before anything is allocated."""
    if 'transfer-encoding' in head.headers:
        raise RequestError(411, 'chunked bodies are not taken; send Content-Length')
    if head.headers.get('content-encoding', 'identity').lower() != 'identity':
        raise RequestError(415, 'compressed bodies are not taken; send the body as it is')
    text = head.headers.get('content-length')
    if text is None:
        if route.length_required:
            raise RequestError(411, 'Content-Length is missing')
        return 0
    if not (text.isascii() and text.isdigit()):
        raise RequestError(400, 'Content-Length is not a number')
    length = int(text) if len(text) < 19 else 1 << 63
    if length > route.body_limit:
        raise RequestError(413, 'the body is announced with %s bytes, at most %d are taken here' % (text[:20], route.body_limit))
    return length


class _Reader:
    """Bytes of one connection; what came too early (pipelining) waits for the next request."""

    def __init__(self, connection):
        self._connection = connection
        self._early = bytearray()

    def _receive(self, deadline):
        remaining = deadline - time.monotonic()
        if remaining <= 0:
            raise RequestError(408, 'the request was sent too slowly')
        self._connection.settimeout(remaining)
        try:
            data = self._connection.recv(65536)
        except socket.timeout:
            raise RequestError(408, 'the request was sent too slowly')
        if not data:
            raise ClientGone()
        return data

    def wait(self, seconds):
        """True when a request begins; False when the client leaves or stays silent."""
        while True:
            while self._early[:2] == b'\r\n':  # RFC 9112, 2.2: an empty line before the request line is passed over
                del self._early[:2]
            if self._early and self._early != b'\r':
                return True
            self._connection.settimeout(seconds)
            try:
                data = self._connection.recv(65536)
            except socket.timeout:
                return False
            if not data:
                return False
            self._early += data

    def head(self, seconds):
        """The lines of a request's head."""
        deadline = time.monotonic() + seconds
        searched = 0
        while True:
            end = self._early.find(b'\r\n\r\n', searched)
            if end >= 0 and end <= HEAD_BYTES:
                break
            if len(self._early) > HEAD_BYTES:
                raise RequestError(431, 'the request head is longer than %d bytes' % HEAD_BYTES)
            searched = max(0, len(self._early) - 3)
            self._early += self._receive(deadline)
        text = self._early[:end].decode('latin-1')
        del self._early[:end + 4]
        lines = text.split('\r\n')
        if any(character in line for line in lines for character in '\r\n\0'):
            raise RequestError(400, 'the request head holds a bare CR, LF or NUL')
        return lines

    def body(self, length, seconds):
        """bytearray of exactly `length` bytes."""
        deadline = time.monotonic() + seconds
        body = bytearray(length)
        filled = min(length, len(self._early))
        body[:filled] = self._early[:filled]
        del self._early[:filled]
        view = memoryview(body)
        while filled < length:
            remaining = deadline - time.monotonic()
            if remaining <= 0:
                raise RequestError(408, 'the body was sent too slowly: %d of %d bytes came' % (filled, length))
            self._connection.settimeout(remaining)
            try:
                count = self._connection.recv_into(view[filled:])
            except socket.timeout:
                continue
            if count == 0:
                raise ClientGone()
            filled += count
        return body


def _render(response, keep, idle_s, without_body):
    lines = ['HTTP/1.1 %d %s' % (response.status, REASONS[response.status]), 'Content-Length: %d' % len(response.body)]
    lines += ['%s: %s' % header for header in response.headers]
    lines += ['Connection: keep-alive', 'Keep-Alive: timeout=%d' % idle_s] if keep else ['Connection: close']
    head = ('\r\n'.join(lines) + '\r\n\r\n').encode('latin-1')
    return head if without_body else head + response.body


def _turn_away(connection, error):
    """Answers without reading on, and without making the listener wait."""
    try:
        connection.setblocking(False)
        connection.sendall(_render(json_response({'error': error.message}, error.status, error.headers), False, 0, False))
        connection.shutdown(socket.SHUT_WR)
        connection.recv(65536)
    except OSError:
        pass
    connection.close()


def _close(connection):
    """Closes so that the response arrives: bytes of the client still unread would turn the close into a reset, which discards
    it. They are thrown away for at most a second."""
    try:
        connection.shutdown(socket.SHUT_WR)
        deadline = time.monotonic() + 1.0
        while time.monotonic() < deadline:
            connection.settimeout(max(0.01, deadline - time.monotonic()))
            if not connection.recv(65536):
                break
    except OSError:
        pass
    connection.close()
