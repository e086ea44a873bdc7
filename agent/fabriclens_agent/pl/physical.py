"""Physical memory of the board by /dev/mem, in 32-bit words."""

import ctypes
import mmap
import os

from . import PlRefusal, at

PAGE = 4096


class Window:
    """`length` bytes at physical `address`, both multiples of a page. Reading or writing it is an access on the bus: guards.py says when.

    Where `<root>/dev/mem` is a folder, as for a simulated board, the window is the file in it that is named by the address in hex."""

    def __init__(self, root, address, length):
        path = at(root, '/dev/mem')
        offset = address
        if os.path.isdir(path):
            path, offset = os.path.join(path, '%08x' % address), 0
        try:
            descriptor = os.open(path, os.O_RDWR | getattr(os, 'O_SYNC', 0) | getattr(os, 'O_CLOEXEC', 0))
        except OSError as error:
            raise PlRefusal('%s cannot be opened (%s); the agent must run as root on a board' % (path, error.strerror))
        try:
            self._map = mmap.mmap(descriptor, length, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE, offset=offset)
        except (OSError, ValueError) as error:
            raise PlRefusal('%s cannot be mapped at 0x%08X (%s)' % (path, address, error))
        finally:
            os.close(descriptor)
        # One access of 32 bits each; struct would read byte by byte.
        self._words = memoryview(self._map).cast('I')

    def __getitem__(self, offset):
        return self._words[offset >> 2]

    def __setitem__(self, offset, value):
        self._words[offset >> 2] = value

    @property
    def pointer(self):
        """The address in this process."""
        return ctypes.addressof(ctypes.c_char.from_buffer(self._map))

    def close(self):
        """Nothing may use `pointer` any more."""
        self._words.release()
        self._map.close()
