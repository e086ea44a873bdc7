"""HTTP/1.1 messages (RFC 9112): bytes of a connection to heads and bodies, responses to bytes. What is ambiguous is refused."""

import json
import re
import socket
import time
from urllib.parse import unquote, urlsplit

from .errors import ClientGone, RequestError

HEAD_BYTES = 16 << 10
HEADER_LINES = 64
REASONS = {200: 'OK', 400: 'Bad Request', 401: 'Unauthorized', 404: 'Not Found', 405: 'Method Not Allowed',
           408: 'Request Timeout', 409: 'Conflict', 411: 'Length Required', 413: 'Content Too Large', 415: 'Unsupported Media Type',
           417: 'Expectation Failed', 422: 'Unprocessable Content', 431: 'Request Header Fields Too Large', 500: 'Internal Server Error',
           503: 'Service Unavailable', 504: 'Gateway Timeout', 505: 'HTTP Version Not Supported',
           507: 'Insufficient Storage'}

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+\Z")
_REQUEST_LINE = re.compile(r'([A-Z]{1,16}) ([!-~]+) HTTP/([0-9])\.([0-9])\Z')


class Head:
    """A request before its body: method, path as decoded segments, headers by lower-case name."""

    def __init__(self, method, segments, headers, keep_alive):
        self.method = method
        self.segments = segments
        self.headers = headers
        self.keep_alive = keep_alive


class Response:
    """body: bytes-like, or a list of such; nothing joins them."""

    def __init__(self, status, body=b'', headers=(('Content-Type', 'application/json'),)):
        self.status = status
        self.body = body if isinstance(body, list) else [body]
        self.headers = headers

    @property
    def length(self):
        return sum(map(len, self.body))


class EventStream(Response):
    """Server-sent events: what event() returns, every `seconds`; close() is called once, at the end."""

    def __init__(self, event, seconds, close):
        super().__init__(200, headers=(('Content-Type', 'text/event-stream'), ('Cache-Control', 'no-store')))
        self.event = event
        self.seconds = seconds
        self.close = close


def json_response(value, status=200, headers=()):
    return Response(status, json.dumps(value, separators=(',', ':')).encode('utf-8'),
                    (('Content-Type', 'application/json'),) + tuple(headers))


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


def body_length(head, limit, required):
    """Bytes of the body that follows: at most `limit`, and said where `required`; checked before anything is allocated."""
    if 'transfer-encoding' in head.headers:
        raise RequestError(411, 'chunked bodies are not taken; send Content-Length')
    if head.headers.get('content-encoding', 'identity').lower() != 'identity':
        raise RequestError(415, 'compressed bodies are not taken; send the body as it is')
    text = head.headers.get('content-length')
    if text is None:
        if required:
            raise RequestError(411, 'Content-Length is missing')
        return 0
    if not (text.isascii() and text.isdigit()):
        raise RequestError(400, 'Content-Length is not a number')
    length = int(text) if len(text) < 19 else 1 << 63
    if length > limit:
        raise RequestError(413, 'the body is announced with %s bytes, at most %d are taken here' % (text[:20], limit))
    return length


class Reader:
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


def render(response, keep, idle_s, without_body):
    """The response as buffers. A stream's length is not known: the end of the connection ends it."""
    lines = ['HTTP/1.1 %d %s' % (response.status, REASONS[response.status])]
    if not isinstance(response, EventStream):
        lines.append('Content-Length: %d' % response.length)
    lines += ['%s: %s' % header for header in response.headers]
    lines += ['Connection: keep-alive', 'Keep-Alive: timeout=%d' % idle_s] if keep else ['Connection: close']
    head = ('\r\n'.join(lines) + '\r\n\r\n').encode('latin-1')
    return [head] if without_body else [head] + response.body
