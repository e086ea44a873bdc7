"""The core on a board: brings the PL up, watches over it, and puts it to rest. In the order that guards.py gives."""

import sys

from ..runtime import RuntimeFailure
from . import PlRefusal, board, fpga_manager, guards, overlay
from .clocks import Clocks
from .keeper import Keeper
from .physical import Window

MEMORY_BYTES = 64 << 20
DEADLINE_NS = 10 ** 10  # of a segment: the longest network that fits the board's memory takes some seconds


class Hardware:
    """The PL of the board at `root` with the overlay in `folder`. PlRefusal where it does not come up; everything is given back then, and the
    marker removed unless the first access hung."""

    backend = 'hardware'

    def __init__(self, runtime, root, folder):
        self._held = []
        self._root = root
        try:
            self._bring_up(runtime, root, folder)
        except BaseException as error:
            if isinstance(error, guards.PlHang):
                self._held.remove(self._marker)
            self._release()
            raise

    def _bring_up(self, runtime, root, folder):
        self.board = board.identify(root)
        self.overlay = overlay.read(folder)
        self._held.append(guards.Lock(root))
        self._marker = guards.Marker(root, self.board.boot_id)
        self._clocks = Clocks(root)
        self._held.append(self._clocks)
        self._marker.say('loading %s' % self.overlay.stem)
        self._held.append(self._marker)
        self._clocks.set_fclk0(self.overlay.clock_khz)
        fpga_manager.load(root, self.overlay)
        self._loads = fpga_manager.Loads(root)
        self._loads.check()
        self._clocks.check(self.overlay.clock_khz)
        self._marker.say('first access to 0x%08X' % self.overlay.address)
        guards.first_touch(root, self.overlay)
        self._window = Window(root, self.overlay.address, self.overlay.span)
        self._held.append(self._window)
        guards.identify(self._window)
        from .memory import allocate  # POSIX alone, as boards are
        self._buffer = allocate(root, MEMORY_BYTES)
        self._held.append(self._buffer)
        self._held.append(Keeper(root, self.overlay, self._buffer))
        self._marker.say('in use')
        try:
            self.core = runtime.open_core(self._window.pointer, self._buffer.pointer, self._buffer.address, self._buffer.size,
                                          self.overlay.clock_khz, 'measured', DEADLINE_NS, self._buffer.sync)
        except RuntimeFailure as failure:
            self._clocks.hold_reset()  # nothing of it may reach the memory once that is given back
            raise PlRefusal('the core cannot be opened (%s)' % failure)
        print('PL up: %s at %.3f MHz, %d MiB of contiguous memory at 0x%08X' %
              (self.overlay.stem, self.overlay.clock_khz / 1000, self._buffer.size >> 20, self._buffer.address), file=sys.stderr, flush=True)

    def check(self):
        """Before each job: PlRefusal where the PL is not, or may not be, as we left it. Registers of the processor and
        the kernel's word come first; only then the core's own identity."""
        self._loads.check()
        self._clocks.check(self.overlay.clock_khz)
        guards.identify(self._window)

    def describe(self):
        return {'overlay_sha256': self.overlay.sha256, 'board': '%s, PYNQ v%s' % (self.board.name, self.board.image),
                'clock_khz': self.overlay.clock_khz, 'core_memory_bytes': self._buffer.size}

    def close(self, ours):
        """No program may use the core. ours: the PL still is. If not, whose it is now is left in peace: our core was idle before each check."""
        if ours:
            try:
                self.core.close()
            except RuntimeFailure as failure:
                print('the core does not stop (%s); the PL is held in reset' % failure, file=sys.stderr, flush=True)
                self._clocks.hold_reset()
        self._release()

    def _release(self):
        while self._held:
            self._held.pop().close()
