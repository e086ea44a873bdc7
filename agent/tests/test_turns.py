import threading
import time
import unittest

from fabriclens_agent.errors import ClientGone, RequestError
from fabriclens_agent.turns import Job, Turns

from .support import Agent


class TurnsTest(unittest.TestCase):
    def setUp(self):
        self.turns = Turns(3)
        self.holder = Job()
        self.turns.take(self.holder, None)
        self.log = []

    def taking(self, name, job):
        try:
            self.turns.take(job, None)
        except (ClientGone, RequestError) as error:
            self.log.append((name, type(error).__name__))
            return
        self.log.append(name)
        self.turns.give_back()

    def wait_in_line(self, name, job=None):
        """A thread that takes its turn, notes it and gives it back; returns when it stands in line."""
        depth = self.turns.depth
        thread = threading.Thread(target=self.taking, args=(name, job or Job()))
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

    def test_a_client_with_many_waiting_gets_one_turn_a_round(self):
        turns = self.turns = Turns(64)
        turns.take(Job('greedy'), None)
        greedy = [self.wait_in_line('greedy %d' % index, Job('greedy')) for index in range(20)]
        modest = [self.wait_in_line(name, Job(name)) for name in ('modest', 'other')]
        turns.give_back()
        for thread in greedy + modest:
            thread.join()
        self.assertEqual(self.log, ['greedy 0', 'modest', 'other'] + ['greedy %d' % index for index in range(1, 20)])
        self.assertEqual(turns.depth, 0)

    def test_where_the_queue_is_full_the_newest_of_the_greediest_client_gives_way(self):
        greedy = [self.wait_in_line('greedy %d' % index, Job('greedy')) for index in range(3)]
        modest = threading.Thread(target=self.taking, args=('modest', Job('modest')))
        modest.start()
        Agent.until(lambda: self.log == [('greedy 2', 'RequestError')])
        with self.assertRaises(RequestError) as caught:  # who would have as many is refused as before
            self.turns.take(Job('greedy'), None)
        self.assertEqual(caught.exception.status, 503)
        self.turns.give_back()
        for thread in greedy + [modest]:
            thread.join()
        self.assertEqual(self.log[1:], ['greedy 0', 'modest', 'greedy 1'])

    def test_a_batch_counts_as_many_as_it_holds_and_lets_others_in_between(self):
        batch = Job('batch', 3)
        order = []

        def run():
            for _ in range(3):
                self.turns.take(batch, None)
                order.append('batch')
                if len(order) == 1:  # the other stands in line while the first of the batch runs
                    other = threading.Thread(target=lambda: (self.turns.take(Job('other'), None), order.append('other'),
                                                             self.turns.give_back()))
                    other.start()
                    self.addCleanup(other.join)
                    Agent.until(lambda: self.turns.depth == 2)
                self.turns.give_back()
        thread = threading.Thread(target=run)
        thread.start()
        Agent.until(lambda: self.turns.depth == 4)
        with self.assertRaises(RequestError) as caught:
            self.turns.take(Job('batch'), None)
        self.assertIn('3 inferences wait', caught.exception.message)
        self.turns.give_back()
        thread.join()
        Agent.until(lambda: len(order) == 4)
        self.assertEqual(order, ['batch', 'other', 'batch', 'batch'])

    def test_draining_serves_what_waits_and_refuses_what_comes_and_the_end_refuses_all(self):
        first = self.wait_in_line('first')
        second = self.wait_in_line('second')
        self.turns.drain('stopping')
        with self.assertRaises(RequestError) as caught:
            self.turns.take(Job(), None)
        self.assertEqual((caught.exception.status, caught.exception.message), (503, 'stopping'))
        self.turns.end('stopping')
        first.join()
        second.join()
        self.assertEqual(sorted(self.log), [('first', 'RequestError'), ('second', 'RequestError')])
        self.assertEqual((self.holder.cancelled, self.holder.ended().status), (True, 503))

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
