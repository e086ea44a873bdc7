"""The core as hls/sim's simulated_board serves it: its registers and memory in two files, mapped as on a board. Nothing can hang but the
simulation, which every wait's deadline ends."""

import contextlib
import ctypes
import mmap
import os

from .. import layout
from ..runtime import RuntimeFailure
from . import PlRefusal, guards

# As simulated_board has them without being told; the clock is whose cycles a time is made of.
ADDRESS = 0x10000000
CLOCK_KHZ = 100000
ALIVE_NS = 10 ** 10
DEADLINE_NS = 6 * 10 ** 11  # simulated cycles are some thousand times slower than a board's


class Simulated:
    """PlRefusal where no simulation serves `folder`."""

    backend = 'rtl'

    def __init__(self, runtime, folder):
        self._registers = _mapped(folder, 'registers')
        self._memory = _mapped(folder, 'memory')
        self._words = memoryview(self._registers).cast('I')
        try:
            self._open(runtime, ALIVE_NS).close()  # a reset that ends says that somebody is there
            self.core = self._open(runtime, DEADLINE_NS)
        except RuntimeFailure as failure:
            raise PlRefusal('no simulated board serves %s (%s); start hls/sim\'s simulated_board there first' % (folder, failure))

    def _open(self, runtime, deadline_ns):
        return runtime.open_core(_address(self._registers), _address(self._memory), ADDRESS, len(self._memory), CLOCK_KHZ, 'rtl', deadline_ns)

    def __getitem__(self, offset):
        return self._words[offset >> 2]

    def check(self):
        guards.identify(self)

    def describe(self):
        return {'clock_khz': CLOCK_KHZ, 'core_memory_bytes': len(self._memory)}

    def close(self, ours):
        """No program may use the core. The files stay mapped to the end of the process."""
        if ours:
            with contextlib.suppress(RuntimeFailure):  # nothing else has its memory
                self.core.close()


def _mapped(folder, name):
    path = os.path.join(folder, name)
    try:
        with open(path, 'r+b') as stream:
            found = mmap.mmap(stream.fileno(), 0)
    except (OSError, ValueError) as error:
        raise PlRefusal('%s cannot be mapped (%s); start hls/sim\'s simulated_board there first' % (path, error))
    if len(found) < layout.REGISTER_SPAN:
        raise PlRefusal('%s has %d bytes; start hls/sim\'s simulated_board there first' % (path, len(found)))
    return found


def _address(mapped):
    return ctypes.addressof(ctypes.c_char.from_buffer(mapped))
