"""What stands between the agent and a bus hang. An access to a PL that is not configured, in reset, without a clock, or without a slave at
that address blocks the processor for ever: no signal, no time-out, power off is the only cure. So, in this order: the kernel says that the PL
operates and that nobody else loaded it (fpga_manager.py), FCLK0 and the resets are as the overlay needs them (clocks.py), the address is the
manifest's and the hwh's, and the first access is one read in a process of its own that has said so.

UncleanEnd: a marker, on the card, while the PL is in use. A board that hung is found with it after the power cycle."""

import errno
import os
import signal
import subprocess
import sys

from .. import layout
from . import PlRefusal, at, read_text

LOCK = '/run/fabriclens-pl.lock'
MARKER = '/var/lib/fabriclens/touching-pl'
PACKAGES = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))  # where Python finds this package
TOUCH_S = 10.0  # a Cortex-A9 takes a second to start Python


class PlHang(PlRefusal):
    """An access that did not come back: the marker stays."""


class Lock:
    """One agent on a board. PlRefusal where another process holds it."""

    def __init__(self, root):
        import fcntl  # POSIX alone, as boards are
        path = at(root, LOCK)
        try:
            self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise PlRefusal('%s cannot be opened (%s); the agent must run as root' % (LOCK, error.strerror))
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._descriptor)
            if error.errno in (errno.EAGAIN, errno.EACCES):
                raise PlRefusal('another agent on this board uses the PL (it holds %s); stop it first' % LOCK)
            raise PlRefusal('%s cannot be locked (%s)' % (LOCK, error.strerror))

    def close(self):
        os.close(self._descriptor)


class Marker:
    """Says on the card that the PL is in use, until close(). PlRefusal where the last use had no end."""

    def __init__(self, root, boot_id):
        self._path = at(root, MARKER)
        before = read_text(root, MARKER).split('\n')
        if before != ['']:
            again = 'since then the board was started again: it may have hung' if before[-1:] != [boot_id] else 'the board runs on since'
            raise PlRefusal('the PL was in use (%s) when the agent last ended without a word; %s. Nothing is loaded until somebody has '
                            'looked: delete %s to try again' % (before[0][:200], again, MARKER))
        self._boot_id = boot_id

    def say(self, step):
        """The step that begins, on the card before it begins."""
        folder = os.path.dirname(self._path)
        try:
            os.makedirs(folder, exist_ok=True)
            with open(self._path + '.part', 'w', encoding='utf-8') as stream:
                stream.write('%s\n%s' % (step, self._boot_id))
                stream.flush()
                os.fsync(stream.fileno())
            os.replace(self._path + '.part', self._path)
            _sync_folder(folder)
        except OSError as error:
            raise PlRefusal('%s cannot be written (%s); without it a hang would not be noticed: free some space on the card, and let '
                            'the agent write there' % (MARKER, error.strerror))

    def close(self):
        try:
            os.remove(self._path)
            _sync_folder(os.path.dirname(self._path))
        except OSError:
            pass


def _sync_folder(folder):
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def first_touch(root, overlay):
    """The first access to the PL: one read of the identity register, by touch.py in a process of its own."""
    command = [sys.executable, '-B', '-m', 'fabriclens_agent.pl.touch', root, str(overlay.address)]
    try:
        child = subprocess.Popen(command, cwd=PACKAGES, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    except OSError as error:
        raise PlRefusal('the process for the first access cannot be started (%s)' % error.strerror)
    try:
        output, _ = child.communicate(timeout=TOUCH_S)
    except subprocess.TimeoutExpired:
        child.kill()  # without waiting: a process on a hung bus never ends
        raise PlHang('the first access to 0x%08X did not return within %g s: the PL does not answer at this address. Switch the board '
                        'off for 5 s, and build the overlay again' % (overlay.address, TOUCH_S))
    if child.returncode == -signal.SIGBUS:
        raise PlRefusal('the first access to 0x%08X got a bus error: the PL has nothing at this address; build the overlay again' %
                        overlay.address)
    text = output.decode('ascii', 'replace').strip()
    if child.returncode != 0 or not text.isdigit():
        raise PlRefusal('the process for the first access to 0x%08X ended with %d and no answer; the log says why' %
                        (overlay.address, child.returncode))
    if int(text) != layout.CORE_ID:
        raise PlRefusal('0x%08X answers 0x%08X, our core 0x%08X: this bitstream holds another design; build the overlay again with '
                        'hls/vivado/build.tcl' % (overlay.address, int(text), layout.CORE_ID))


def identify(registers):
    """Checks identity and version in a mapped window. A read from an unknown design may hang; from ours, idle or not, it does not."""
    found, version = registers[layout.REGISTER_ID], registers[layout.REGISTER_VERSION]
    if found != layout.CORE_ID:
        raise PlRefusal('the identity register reads 0x%08X, our core\'s 0x%08X: another design is in the PL; restart the agent' %
                        (found, layout.CORE_ID))
    if version != layout.CORE_VERSION << 16 | layout.LAYOUT_VERSION:
        raise PlRefusal('the core says version %d and layout %d, this agent drives %d and %d; build the overlay from this release' %
                        (version >> 16, version & 0xFFFF, layout.CORE_VERSION, layout.LAYOUT_VERSION))
