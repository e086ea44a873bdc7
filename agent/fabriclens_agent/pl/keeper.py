"""What outlives an agent that is killed: a process that holds its contiguous memory until the core has stopped, and zeroes it.

Without it the kernel would hand the memory to somebody else while a segment still writes there, and a patient's tensor would stay in it. It
listens at a pipe whose other end the agent has: a byte says that the agent put everything to rest itself, an end without one that it died.
python3 -m fabriclens_agent.pl.keeper ROOT ADDRESS SPAN CLOCK-KHZ DEVICE OFFSET SIZE (DEVICE: an open descriptor; stdin: the pipe)"""

import mmap
import os
import signal
import subprocess
import sys
import time

from .. import layout
from . import PlRefusal, fpga_manager, guards
from .clocks import Clocks
from .physical import Window

RESET_S = 10.0


class Keeper:
    """Starts the process for an overlay's registers and a memory.Buffer."""

    def __init__(self, root, overlay, buffer):
        command = [sys.executable, '-B', '-m', 'fabriclens_agent.pl.keeper', root] + [
            str(number) for number in (overlay.address, overlay.span, overlay.clock_khz, buffer.descriptor, buffer.offset, buffer.size)]
        try:
            self._process = subprocess.Popen(command, cwd=guards.PACKAGES, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
                                             pass_fds=(buffer.descriptor,), start_new_session=True)
        except OSError as error:
            raise PlRefusal('the process that watches over the core\'s memory cannot be started (%s)' % error.strerror)

    def close(self):
        """Everything is at rest."""
        try:
            self._process.communicate(b'.', timeout=5)
        except (OSError, subprocess.TimeoutExpired):
            pass


def main(root, address, span, clock_khz, device, offset, size):
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # who stops the agent's unit signals all of it; the pipe says when to end
    memory = mmap.mmap(device, size, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE, offset=offset)
    if os.read(0, 1):
        return 0
    print('the agent died; its core is stopped and its memory zeroed', file=sys.stderr, flush=True)
    try:
        stop(root, address, span, clock_khz)
    except PlRefusal as refusal:
        print('the PL is left alone: %s' % refusal, file=sys.stderr, flush=True)
    for start in range(0, size, 1 << 20):
        memory[start:start + (1 << 20)] = bytes(min(1 << 20, size - start))
    return 0


def stop(root, address, span, clock_khz):
    """Resets the core, if it is still ours; in vain after some seconds, the PL."""
    if fpga_manager.state(root) != fpga_manager.OPERATING:
        raise PlRefusal('it does not operate any more')
    clocks = Clocks(root)
    clocks.check(clock_khz)
    window = Window(root, address, span)
    guards.identify(window)
    window[layout.REGISTER_CONTROL] = layout.CONTROL_BIT_SOFT_RESET
    deadline = time.monotonic() + RESET_S
    while window[layout.REGISTER_CONTROL] & layout.CONTROL_BIT_SOFT_RESET or window[layout.REGISTER_STATUS] & (
            layout.STATUS_BIT_BUSY | layout.STATUS_BIT_RESETTING):
        if time.monotonic() > deadline:
            clocks.hold_reset()
            return
        time.sleep(0.001)


if __name__ == '__main__':
    sys.exit(main(sys.argv[1], *map(int, sys.argv[2:])))
