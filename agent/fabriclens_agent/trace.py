"""What became of the last requests for an inference: sizes, times, outcome. Nothing of what was in them: neither tensors nor the id that a
client gave its request, which may be anybody's name."""

import collections
import itertools
import threading

LENGTH = 256


class Trace:
    def __init__(self, length=LENGTH):
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)
        self._entries = collections.deque(maxlen=length)

    def begin(self):
        """The number of a new request."""
        return next(self._numbers)

    def add(self, entry):
        with self._lock:
            self._entries.append(entry)

    def describe(self):
        """The newest first."""
        with self._lock:
            return {'limit': self._entries.maxlen, 'requests': list(self._entries)[::-1]}
