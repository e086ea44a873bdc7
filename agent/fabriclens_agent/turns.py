"""Who may use the accelerator now: one at a time, first come first served, in a queue of bounded length."""

import collections
import ctypes
import math
import threading
import time

from .errors import ClientGone, RequestError, busy


class Job:
    """One request for the accelerator. cancel() may come from any thread: it leaves the queue, or stops the run between
    two layers (the runtime looks at `flag`)."""

    def __init__(self):
        self.flag = ctypes.c_int32(0)
        self._wake = threading.Event()

    @property
    def cancelled(self):
        return self.flag.value != 0

    def cancel(self):
        self.flag.value = 1
        self._wake.set()


class Turns:
    """limit: how many may wait. A connection has one request under way at a time, so that first come first served is also
    fair among connections."""

    def __init__(self, limit):
        self.limit = limit
        self._lock = threading.Lock()
        self._waiting = collections.deque()
        self._taken = False
        self._seconds_a_turn = 0.1
        self._since = 0.0

    def take(self, job, deadline):
        """Returns when it is `job`'s turn; give_back() must follow. deadline: time.monotonic() value or None.
        Raises busy (503) when too many wait already, ClientGone when the job is cancelled, RequestError 504 at the deadline."""
        with self._lock:
            if not self._taken:
                self._taken = True
                self._since = time.monotonic()
                return
            if len(self._waiting) >= self.limit:
                raise busy('the accelerator is busy and %d requests wait for it already; try again later' % self.limit,
                           math.ceil(self._seconds_a_turn * len(self._waiting)))
            self._waiting.append(job)
        job._wake.wait(None if deadline is None else max(0.0, deadline - time.monotonic()))
        with self._lock:
            if job not in self._waiting:
                return  # handed over by give_back, even if the job was cancelled at the same moment
            self._waiting.remove(job)
        if job.cancelled:
            raise ClientGone()
        raise RequestError(504, 'the request waited for the accelerator until its timeout; send fewer at once or allow more time')

    def give_back(self):
        with self._lock:
            now = time.monotonic()
            self._seconds_a_turn += 0.2 * (now - self._since - self._seconds_a_turn)
            self._since = now
            if self._waiting:
                self._waiting.popleft()._wake.set()
            else:
                self._taken = False

    @property
    def depth(self):
        """Requests that run or wait now."""
        with self._lock:
            return len(self._waiting) + self._taken
