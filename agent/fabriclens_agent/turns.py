"""Who may use the accelerator now: one inference at a time, the clients in rotation, in a queue of bounded length."""

import collections
import ctypes
import math
import threading
import time

from .errors import ClientGone, RequestError, busy


class Job:
    """One request for the accelerator: `left` inferences not begun yet, for `client` (any hashable; None: a client of its own).
    cancel() may come from any thread: the job leaves the queue, or stops between two layers (the runtime looks at `flag`)."""

    def __init__(self, client=None, inferences=1):
        self.client = self if client is None else client
        self.left = inferences
        self.begun = False
        self.flag = ctypes.c_int32(0)
        self.refusal = None  # the RequestError that ends it, where the queue did
        self._wake = threading.Event()

    @property
    def cancelled(self):
        return self.flag.value != 0

    def cancel(self):
        self.flag.value = 1
        self._wake.set()

    def ended(self):
        """What a cancelled job raises."""
        return self.refusal or ClientGone()


class Turns:
    """limit: how many inferences may wait. Whoever has many waiting gets one turn a round, as does whoever has one; and when the
    queue is full, a client's newest request gives way to that of a client who has fewer waiting."""

    def __init__(self, limit):
        self.limit = limit
        self._lock = threading.Lock()
        self._rotation = collections.OrderedDict()  # client -> deque of its jobs; the first client is next
        self._count = 0  # inferences that wait
        self._running = None
        self._draining = None  # the message of the refusal
        self._seconds_a_turn = 0.1
        self._since = 0.0

    def take(self, job, deadline):
        """Returns when it is `job`'s turn for one inference; give_back() must follow. A job of several takes again for each, and
        is not refused then. deadline: time.monotonic() value or None.
        Raises busy (503) when too many wait already, ClientGone when the job is cancelled, RequestError 504 at the deadline."""
        job._wake.clear()  # before the look at what may have set it
        with self._lock:
            if job.cancelled:
                raise job.ended()
            if self._draining and not job.begun:
                raise busy(self._draining)
            if self._running is None:
                self._begin(job)
                return
            if not job.begun:
                self._make_room(job)
            line = self._rotation.setdefault(job.client, collections.deque())
            (line.appendleft if job.begun else line.append)(job)  # a job goes on before its client's next one begins
            self._count += job.left
        job._wake.wait(None if deadline is None else max(0.0, deadline - time.monotonic()))
        with self._lock:
            if self._running is job:
                return  # handed over by give_back, even if the job was cancelled at the same moment
            if job in self._rotation.get(job.client, ()):
                self._remove(job)
        if job.cancelled or job.refusal:
            raise job.ended()
        raise RequestError(504, 'the request waited for the accelerator until its timeout; send fewer at once or allow more time')

    def give_back(self):
        with self._lock:
            now = time.monotonic()
            self._seconds_a_turn += 0.2 * (now - self._since - self._seconds_a_turn)
            self._running = None
            if self._rotation:
                client, line = self._rotation.popitem(last=False)
                job = line.popleft()
                if line:
                    self._rotation[client] = line  # at the end
                self._count -= job.left
                self._begin(job)
                job._wake.set()

    def drain(self, message):
        """From now on only what has been taken in goes on; what comes is refused with 503 and `message`."""
        with self._lock:
            self._draining = message

    def end(self, message):
        """After drain(): what still waits or runs is refused too."""
        with self._lock:
            jobs = [job for line in self._rotation.values() for job in line] + [self._running] * (self._running is not None)
            for job in jobs:
                job.refusal = busy(message)
                job.cancel()

    @property
    def depth(self):
        """Inferences that run or wait now."""
        with self._lock:
            return self._count + (self._running is not None)

    def _begin(self, job):
        self._running = job
        self._since = time.monotonic()
        job.begun = True
        job.left -= 1

    def _remove(self, job):
        line = self._rotation[job.client]
        line.remove(job)
        self._count -= job.left
        if not line:
            del self._rotation[job.client]

    def _make_room(self, job):
        while self._count + job.left > self.limit:
            full = busy('the accelerator is busy and %d inferences wait for it already; try again later' % self._count,
                        math.ceil(self._seconds_a_turn * self._count))
            newest = self._newest_of_the_greediest(job)
            if newest is None:
                raise full
            self._remove(newest)
            newest.refusal = full
            newest._wake.set()

    def _newest_of_the_greediest(self, job):
        """Of the client with the most inferences waiting, where those are more than `job`'s client would have; else None."""
        waiting = {client: sum(other.left for other in line) for client, line in self._rotation.items()}
        most = max(waiting, key=waiting.get, default=None)
        if most is None or most == job.client or waiting[most] <= waiting.get(job.client, 0) + job.left:
            return None
        newest = self._rotation[most][-1]
        return None if newest.begun else newest
