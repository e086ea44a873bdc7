"""Notices clients that close their connection while their request is being worked on."""

import select
import threading

_EVENTS = select.EPOLLRDHUP | select.EPOLLHUP | select.EPOLLERR if hasattr(select, 'epoll') else 0


class Departures:
    """One thread asleep in epoll. Where there is no epoll (a virtual board on macOS or Windows) nothing is noticed, and the
    request of a client that left is worked to its end."""

    def __init__(self):
        self._callbacks = {}
        self._lock = threading.Lock()
        self._epoll = select.epoll() if _EVENTS else None
        if self._epoll:
            threading.Thread(target=self._loop, name='departures', daemon=True).start()

    def watch(self, connection, callback):
        """callback() is called at most once, on another thread, when the peer closes or half-closes `connection`."""
        if self._epoll:
            descriptor = connection.fileno()
            with self._lock:
                self._callbacks[descriptor] = callback
                self._epoll.register(descriptor, _EVENTS | select.EPOLLONESHOT)

    def forget(self, connection):
        """To be called before `connection` is closed."""
        if self._epoll:
            with self._lock:
                self._epoll.unregister(connection.fileno())
                self._callbacks.pop(connection.fileno(), None)

    def _loop(self):
        while True:
            for descriptor, _ in self._epoll.poll():
                # The event may be about a connection that ended since, and the descriptor be a new client's. Under the lock it cannot
                # become one between the look and the taking.
                with self._lock:
                    callback = self._callbacks.pop(descriptor, None) if _gone(descriptor) else None
                if callback:
                    callback()


def _gone(descriptor):
    poll = select.poll()
    poll.register(descriptor, select.POLLRDHUP)
    return any(events & (select.POLLRDHUP | select.POLLHUP | select.POLLERR) for _, events in poll.poll(0))
