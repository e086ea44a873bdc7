import threading
import time
import unittest

from fabriclens_agent.errors import ClientGone, RequestError
from fabriclens_agent.turns import Job, Turns

from .support import Agent


class TurnsTest(unittest.TestCase):
    def setUp(self):
        self.turns = Turns(3)
        self.turns.take(Job(), None)
        self.log = []

    def wait_in_line(self, name, job=None):
        """A thread that takes its turn, notes it and gives it back; returns when it stands in line."""
        depth = self.turns.depth

        def run():
            try:
                self.turns.take(job or Job(), None)
            except (ClientGone, RequestError) as error:
                self.log.append((name, type(error).__name__))
                return
            self.log.append(name)
            self.turns.give_back()
        thread = threading.Thread(target=run)
        thread.start()
        self.addCleanup(thread.join)
        Agent.until(lambda: self.turns.depth > depth)
        return thread

    def test_first_come_first_served(self):
        threads = [self.wait_in_line(name) for name in 'abc']
        self.turns.give_back()
        for thread in threads:
            thread.join()
        self.assertEqual(self.log, ['a', 'b', 'c'])
        self.assertEqual(self.turns.depth, 0)

    def test_no_more_than_the_limit_wait(self):
        threads = [self.wait_in_line(name) for name in 'abc']
        with self.assertRaises(RequestError) as caught:
            self.turns.take(Job(), None)
        self.assertEqual(caught.exception.status, 503)
        self.assertEqual(caught.exception.headers[0][0], 'Retry-After')
        self.turns.give_back()
        for thread in threads:
            thread.join()

    def test_a_cancelled_one_steps_out_and_the_others_move_up(self):
        leaving = Job()
        first = self.wait_in_line('leaves', leaving)
        second = self.wait_in_line('stays')
        leaving.cancel()
        first.join()
        self.assertEqual(self.log, [('leaves', 'ClientGone')])
        self.turns.give_back()
        second.join()
        self.assertEqual(self.log[1:], ['stays'])
        self.assertEqual(self.turns.depth, 0)

    def test_a_deadline_ends_the_wait(self):
        with self.assertRaises(RequestError) as caught:
            self.turns.take(Job(), time.monotonic() + 0.01)
        self.assertEqual(caught.exception.status, 504)
        self.assertEqual(self.turns.depth, 1)
