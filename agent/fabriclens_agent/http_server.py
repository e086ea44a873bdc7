"""A small HTTP/1.1 server: keep-alive, a thread a connection, bounded in connections, bytes and time; plain or inside TLS.

Own work and not http.server: that one parses headers with the e-mail package (milliseconds on a Cortex-A9), writes a response in
pieces, and bounds neither a body nor a slow client. No Date header: the board's clock is not one to be quoted (RFC 9110, 6.6.1).
"""

import ipaddress
import queue
import re
import socket
import ssl
import sys
import threading
import time

from .departures import Departures
from .errors import ClientGone, RequestError, busy
from .http_messages import EventStream, Reader, body_length, json_response, parse_head, render

SMALL = 16 << 10  # bytes worth copying to make one TLS record of them
LINGER_S = 1.0  # that a client is given to take its last answer
_CLIENT = re.compile(r'[!-~]{1,64}\Z')


class Limits:
    """connections: open at a time. idle_s: a kept-alive connection without a request. client_s: for a request's head, for its
    body (beside bytes / slowest_rate) and for taking the response. bytes_in_flight: bodies of all requests together."""

    def __init__(self, connections=128, idle_s=60.0, client_s=10.0, slowest_rate=100000, bytes_in_flight=128 << 20):
        self.connections = connections
        self.idle_s = idle_s
        self.client_s = client_s
        self.slowest_rate = slowest_rate
        self.bytes_in_flight = bytes_in_flight


class Route:
    """What answers a request: handler(Exchange) -> Response; at most body_limit bytes of body; length_required: refuse a
    request that doesn't say how long its body is."""

    def __init__(self, handler, body_limit=0, length_required=False):
        self.handler = handler
        self.body_limit = body_limit
        self.length_required = length_required


class Exchange:
    """A whole request: its head, body, the time (perf_counter_ns) at which its last byte was read, and who sent it."""

    def __init__(self, server, connection, peer, head, body):
        self.head = head
        self.body = body
        self.received_ns = time.perf_counter_ns()
        self._server = server
        self._connection = connection
        self._peer = peer

    @property
    def client(self):
        """Whose request it is, as far as turns are concerned: who it says it is (Fabriclens-Client), or the machine it comes from.
        Through loopback come several (each tunnel ends there): there a connection is a client."""
        named = self.head.headers.get('fabriclens-client', '')
        if _CLIENT.match(named):
            return named
        host = self._peer[0].partition('%')[0]
        return self._peer[:2] if ipaddress.ip_address(host).is_loopback else host

    def on_departure(self, callback):
        """callback(), on another thread, when the client leaves before the response."""
        self._server.departures.watch(self._connection, callback)

    def end_departure(self):
        self._server.departures.forget(self._connection)


class Server:
    """route: function(Head) -> Route, or raises RequestError; it is asked before a byte of the body is read or room for it made.
    tls: an ssl.SSLContext, None for plain HTTP."""

    def __init__(self, host, port, route, limits, tls=None):
        self.route = route
        self.limits = limits
        self.departures = Departures()
        self._tls = tls
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._idle_or_done = threading.Condition(self._lock)
        self._connections = 0
        self._working = 0
        self._bytes = 0
        self._turned_away = queue.Queue(64)
        threading.Thread(target=self._see_off, daemon=True).start()
        self._listener = socket.create_server((host, port), backlog=128,
                                              family=socket.AF_INET6 if ':' in host else socket.AF_INET)

    @property
    def port(self):
        return self._listener.getsockname()[1]

    def serve(self):
        """Accepts until close()."""
        while True:
            try:
                connection, peer = self._listener.accept()
            except OSError:
                if self._listener.fileno() < 0:
                    return
                time.sleep(0.05)  # out of file descriptors: wait for some to be closed
                continue
            with self._lock:
                full = self._connections >= self.limits.connections
                self._connections += 0 if full else 1
            if full:
                self._turn_away(connection, busy('%d connections are open already; close some or try again later' %
                                                 self.limits.connections))
                continue
            try:
                threading.Thread(target=self._converse, args=(connection, peer), daemon=True).start()
            except RuntimeError as error:  # out of threads or memory: those that are served go on
                with self._lock:
                    self._connections -= 1
                self._turn_away(connection, busy('the agent cannot take more connections now (%s); try again later' % error))

    def wind_down(self):
        """From now on every answer is its connection's last, and streams of events end."""
        self._stopping.set()

    def drain(self, grace_s):
        """Requests go on being answered. Returns when none is being worked on, or after grace_s seconds."""
        with self._idle_or_done:
            self._idle_or_done.wait_for(lambda: self._working == 0, grace_s)

    def close(self):
        """No new connections."""
        try:
            self._listener.shutdown(socket.SHUT_RDWR)  # wakes accept()
        except OSError:
            pass
        self._listener.close()

    def _converse(self, connection, peer):
        try:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._tls:
                connection.settimeout(self.limits.client_s)
                connection = self._tls.wrap_socket(connection, server_side=True)  # the handshake
            reader = Reader(connection)
            while self._exchange(connection, peer, reader):
                pass
        except (OSError, ClientGone):
            pass  # the client left, speaks no TLS, or was too slow to take its answer
        except Exception as error:  # a defect of ours must not take the agent down, nor show the client our insides
            print('connection failed: %s: %s' % (type(error).__name__, error), file=sys.stderr, flush=True)
        finally:
            _close(connection)
            with self._lock:
                self._connections -= 1

    def _exchange(self, connection, peer, reader):
        """One request and its response; True to go on with the connection."""
        if not reader.wait(self.limits.idle_s):
            return False
        with self._lock:
            self._working += 1
        try:
            response, keep, without_body = self._answer(connection, peer, reader)
            if isinstance(response, EventStream):
                self._stream(connection, response, without_body)
                return False
            keep = keep and not self._stopping.is_set()
            buffers = render(response, keep, int(self.limits.idle_s), without_body)
            _send(connection, buffers, self.limits.client_s + response.length / self.limits.slowest_rate)
            return keep
        finally:
            with self._idle_or_done:
                self._working -= 1
                self._idle_or_done.notify_all()

    def _answer(self, connection, peer, reader):
        """(Response to the request that begins, whether the connection stays, whether only the head is wanted)."""
        reserved = 0
        keep = False
        without_body = False
        try:
            head = parse_head(reader.head(self.limits.client_s))
            without_body = head.method == 'HEAD'
            route = self.route(head)
            length = body_length(head, route.body_limit, route.length_required)
            self._reserve(length)
            reserved = length
            if 'expect' in head.headers:
                if head.headers['expect'].lower() != '100-continue':
                    raise RequestError(417, 'Expect: only 100-continue is known')
                connection.sendall(b'HTTP/1.1 100 Continue\r\n\r\n')
            body = reader.body(length, self.limits.client_s + length / self.limits.slowest_rate)
            keep = head.keep_alive
            response = route.handler(Exchange(self, connection, peer, head, body))
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
        return response, keep, without_body

    def _reserve(self, length):
        if length > self.limits.bytes_in_flight:
            raise RequestError(413, 'the body has %d bytes, the most this agent holds is %d; send fewer tensors at once' %
                               (length, self.limits.bytes_in_flight))
        with self._lock:
            if self._bytes + length > self.limits.bytes_in_flight:
                raise busy('requests of %d MiB are being worked on, the most this agent holds; try again later' %
                           (self._bytes >> 20))
            self._bytes += length

    def _stream(self, connection, stream, without_body):
        """Events until the client leaves or takes them too slowly, or the agent stops; the end of the connection is theirs."""
        try:
            _send(connection, render(stream, False, 0, True), self.limits.client_s)
            while not without_body and not self._stopping.is_set():
                _send(connection, [stream.event()], self.limits.client_s)
                self._stopping.wait(stream.seconds)
        finally:
            stream.close()

    def _turn_away(self, connection, error):
        """Answers without reading, and without making the listener wait."""
        try:
            connection.setblocking(False)
            if self._tls:  # there the handshake would have to come first
                connection.close()
                return
            response = json_response({'error': error.message}, error.status, error.headers)
            connection.sendall(b''.join(render(response, False, 0, False)))
            connection.shutdown(socket.SHUT_WR)
            self._turned_away.put_nowait((connection, time.monotonic() + LINGER_S))
        except (OSError, queue.Full):
            connection.close()

    def _see_off(self):
        while True:
            connection, deadline = self._turned_away.get()
            try:
                _drain(connection, deadline)
            except OSError:
                pass
            connection.close()


def _send(connection, buffers, seconds):
    """All of the bytes-like `buffers`, without making one of large ones."""
    deadline = time.monotonic() + seconds
    views = [memoryview(buffer).cast('B') for buffer in buffers if len(buffer)]
    gather = hasattr(connection, 'sendmsg') and not isinstance(connection, ssl.SSLSocket)
    if not gather and sum(map(len, views)) <= SMALL:
        views = [memoryview(b''.join(views))]
    while views:
        connection.settimeout(max(0.001, deadline - time.monotonic()))
        sent = connection.sendmsg(views[:64]) if gather else connection.send(views[0])
        while views and sent >= len(views[0]):
            sent -= len(views.pop(0))
        if sent:
            views[0] = views[0][sent:]


def _close(connection):
    """Closes so that the response arrives."""
    deadline = time.monotonic() + LINGER_S
    try:
        if isinstance(connection, ssl.SSLSocket):
            connection.settimeout(LINGER_S)
            connection = connection.unwrap()  # says that this is the end, which a cut connection does not
        connection.shutdown(socket.SHUT_WR)
        _drain(connection, deadline)
    except (OSError, ValueError):
        pass
    connection.close()


def _drain(connection, deadline):
    """Throws away what the client still sends, until it leaves or the deadline: bytes unread would turn the close into a reset, which
    discards the response."""
    while time.monotonic() < deadline:
        connection.settimeout(max(0.01, deadline - time.monotonic()))
        if not connection.recv(65536):
            return
