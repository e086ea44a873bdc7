"""How the board is: temperature, memory, clock, queue, identity. What cannot be read is None, and `absent` says why: nothing is
made up. Paths are below a root that tests replace."""

import glob
import os
import platform
import time

from . import __version__

PAGE = os.sysconf('SC_PAGE_SIZE') if hasattr(os, 'sysconf') else 4096


class Telemetry:
    def __init__(self, root, turns, repository):
        self._root = root
        self._turns = turns
        self._repository = repository
        self._since = time.monotonic()

    def uptime_s(self, at=None):
        """Seconds since the agent started; `at`: of time.monotonic(), now by default."""
        return round((time.monotonic() if at is None else at) - self._since, 3)

    def read(self):
        values = {
            'agent_version': __version__, 'agent_uptime_s': self.uptime_s(),
            'backend': self._repository.backend, 'queue_depth': self._turns.depth, 'queue_limit': self._turns.limit,
            'models': self._repository.ready(), 'machine': platform.machine(), 'absent': {},
        }
        for names, read in ((('board_name',), self._board_name), (('board_model',), self._board_model), (('image',), self._image),
                            (('boot_id',), self._boot_id), (('uptime_s',), self._uptime), (('temperature_c',), self._temperature),
                            (('memory_total_bytes', 'memory_available_bytes'), self._memory),
                            (('cma_total_bytes', 'cma_free_bytes'), self._cma), (('agent_memory_bytes',), self._own_memory),
                            (('pl_clock_khz',), self._clock)):
            try:
                found = read()
            except (OSError, ValueError, LookupError) as error:
                found = (None,) * len(names)
                values['absent'].update(dict.fromkeys(names, _reason(error)))
            values.update(zip(names, found))
        return values

    def _text(self, path):
        with open(os.path.join(self._root, path), 'rb') as stream:
            return stream.read(65536).decode('utf-8', 'replace').rstrip('\0\n')

    def _board_name(self):
        return (self._text('proc/device-tree/chosen/pynq_board'),)

    def _board_model(self):
        return (self._text('proc/device-tree/model'),)

    def _image(self):
        found = dict(line.split('=', 1) for line in self._text('etc/os-release').splitlines() if '=' in line)
        return (' '.join(found[key].strip('"') for key in ('ID', 'VERSION_ID')),)

    def _boot_id(self):
        return (self._text('proc/sys/kernel/random/boot_id'),)

    def _uptime(self):
        return (float(self._text('proc/uptime').split()[0]),)

    def _temperature(self):
        """Of the Zynq's own sensor, by the kernel's XADC driver: (raw + offset) * scale in thousandths of a degree."""
        for folder in sorted(glob.glob(os.path.join(self._root, 'sys/bus/iio/devices/iio:device*'))):
            if self._text(os.path.join(folder, 'name')) == 'xadc':
                raw, offset, scale = (float(self._text(os.path.join(folder, 'in_temp0_' + part))) for part in ('raw', 'offset', 'scale'))
                return (round((raw + offset) * scale / 1000, 1),)
        raise LookupError('no IIO device named xadc under /sys/bus/iio/devices')

    def _meminfo(self, *keys):
        rows = dict(line.split(':', 1) for line in self._text('proc/meminfo').splitlines() if ':' in line)
        if keys[0] not in rows:
            raise LookupError('/proc/meminfo has no %s: this kernel reserves no contiguous memory' % keys[0] if keys[0].startswith('Cma')
                              else '/proc/meminfo has no %s' % keys[0])
        return tuple(int(rows[key].split()[0]) * 1024 for key in keys)

    def _memory(self):
        return self._meminfo('MemTotal', 'MemAvailable')

    def _cma(self):
        return self._meminfo('CmaTotal', 'CmaFree')

    def _own_memory(self):
        return (int(self._text('proc/self/statm').split()[1]) * PAGE,)

    def _clock(self):
        told = self._repository.accelerator.describe()
        if 'clock_khz' not in told:
            raise LookupError(told.get('pl_refusal') or 'no programmable logic is in use: the processor computes here')
        return (told['clock_khz'],)


def _reason(error):
    if isinstance(error, OSError):
        return '%s: %s' % (error.filename, error.strerror)
    return str(error.args[0]) if error.args else type(error).__name__
