"""Linux's FPGA manager by sysfs, as linux-xlnx has it: `flags` and `firmware` are written, `state` is read."""

import errno
import glob
import os
import threading
import time

from . import PlRefusal, at, read_text

MANAGER = '/sys/class/fpga_manager/fpga0'
FIRMWARE = '/lib/firmware'
LOAD_S = 30.0  # the load itself is some 100 ms; an SD card takes its time
FULL = '0'
OPERATING = 'operating'


def state(root):
    return read_text(root, MANAGER + '/state', 256).strip()


def load(root, overlay):
    """Writes the overlay's firmware where the kernel looks for it and has it loaded. PlRefusal, within LOAD_S, where it does not run then."""
    if not os.path.isdir(at(root, MANAGER)):
        raise PlRefusal('%s is absent: this kernel has no FPGA manager; use an official PYNQ image' % MANAGER)
    for name in ('flags', 'firmware', 'state'):
        if not os.path.exists(at(root, '%s/%s' % (MANAGER, name))):
            raise PlRefusal('%s/%s is absent: this is not the kernel of a PYNQ image' % (MANAGER, name))
    name = overlay.stem + '.bin'
    _write_firmware(root, name, overlay.firmware)
    failure = []
    # A write into a driver that waits cannot be interrupted: it is left behind on a thread of its own.
    thread = threading.Thread(target=_trigger, args=(root, name, failure), daemon=True)
    thread.start()
    thread.join(LOAD_S)
    if thread.is_alive():
        raise PlRefusal('the kernel did not load %s within %g s (state: %s); restart the board' % (name, LOAD_S, state(root)))
    if failure:
        raise PlRefusal(_words(name, failure[0], state(root)))
    deadline = time.monotonic() + 1.0
    while state(root) != OPERATING:
        if time.monotonic() > deadline:
            raise PlRefusal(_words(name, None, state(root)))
        time.sleep(0.01)


def _trigger(root, name, failure):
    try:
        _write(at(root, MANAGER + '/flags'), FULL)
        _write(at(root, MANAGER + '/firmware'), name)
    except OSError as error:
        failure.append(error)


def _write(path, text):
    descriptor = os.open(path, os.O_WRONLY | os.O_TRUNC)
    try:
        os.write(descriptor, text.encode('ascii'))
    finally:
        os.close(descriptor)


def _words(name, error, found):
    reasons = {errno.ENOENT: 'the kernel did not find it in %s; check that the card can be written' % FIRMWARE,
               errno.EINVAL: 'the kernel refused its content; build the overlay again for the xc7z020clg400',
               errno.ETIMEDOUT: 'the PL did not answer; restart the board',
               errno.EBUSY: 'another program is loading the PL; stop it (Jupyter, /boot/boot.py) and restart the agent',
               errno.EACCES: 'the agent must run as root', errno.EPERM: 'the agent must run as root',
               errno.EROFS: '/sys is read-only for the agent: ProtectKernelTunables must be off in its unit'}
    why = reasons.get(error.errno, str(error)) if error else 'restart the board'
    return '%s was not loaded into the PL (state: %s): %s' % (name, found or 'unknown', why)


def _write_firmware(root, name, data):
    folder = at(root, FIRMWARE)
    path = os.path.join(folder, name)
    try:
        os.makedirs(folder, exist_ok=True)
        with open(path + '.part', 'wb') as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(path + '.part', path)
        for other in glob.glob(os.path.join(glob.escape(folder), 'fabriclens-*')):
            if other != path:  # of overlays before this one: 4 MB each
                os.remove(other)
    except OSError as error:
        raise PlRefusal('%s/%s cannot be written (%s); free some space on the card, and let the agent write there' %
                        (FIRMWARE, name, error.strerror))


class Loads:
    """Notices what others load: Linux does not tell which firmware is in the PL, but whoever loads one writes it to /lib/firmware first,
    and pynq writes down what it loaded. A file that is new changes its folder, one that is written over itself."""

    STATES = '/usr/local/share/pynq-venv/lib/python3*/site-packages/pynq/pl_server'

    def __init__(self, root):
        self._root = root
        folders = [at(root, FIRMWARE)] + glob.glob(at(root, self.STATES))
        self._paths = folders + [path for folder in folders for ending in ('*.bin', 'global_pl_state*.json')
                                 for path in glob.glob(os.path.join(glob.escape(folder), ending))]
        self._seen = self._look()

    def check(self):
        """PlRefusal where the PL does not run, or another's firmware may be in it."""
        found = state(self._root)
        if found != OPERATING:
            raise PlRefusal('the FPGA manager says %r, no longer %r; restart the agent' % (found, OPERATING))
        changed = [path for path, before, now in zip(self._paths, self._seen, self._look()) if before != now]
        if changed:
            raise PlRefusal('another program loaded the PL or is about to (%s changed); stop it (Jupyter, /boot/boot.py) and restart '
                            'the agent' % changed[-1][len(self._root.rstrip('/')):])

    def _look(self):
        return [_stamp(path) for path in self._paths]


def _stamp(path):
    try:
        entry = os.stat(path)
        return entry.st_mtime_ns, entry.st_size, entry.st_ino
    except OSError:
        return None
