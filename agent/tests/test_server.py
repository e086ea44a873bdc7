import socket
import threading
import unittest
from unittest import mock

from fabriclens_agent import http_server
from fabriclens_agent.http_server import Limits, Server

from .support import read_all


class ServerTest(unittest.TestCase):
    def test_a_connection_for_which_no_thread_can_be_had_is_turned_away_and_the_next_one_served(self):
        server = Server('127.0.0.1', 0, lambda head: None, Limits(connections=1))
        serving = threading.Thread(target=server.serve)
        serving.start()
        self.addCleanup(serving.join)
        self.addCleanup(server.close)
        with mock.patch.object(http_server.threading, 'Thread', side_effect=RuntimeError("can't start new thread")):
            with socket.create_connection(('127.0.0.1', server.port), timeout=30) as connection:
                self.assertIn(b' 503 ', read_all(connection))
        with socket.create_connection(('127.0.0.1', server.port), timeout=30) as connection:
            connection.sendall(b'GET /v2 HTTP/2.0\r\n\r\n')
            self.assertIn(b' 505 ', read_all(connection))
