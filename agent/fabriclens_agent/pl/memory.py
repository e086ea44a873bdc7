"""One contiguous buffer that both the processor and the core see: u-dma-buf's of our name where there is one, else one of zocl, the memory
manager that is in the kernel of every PYNQ image (by its ioctls, without XRT's library and without `pynq`). Both are cached: the runtime has
ranges written back and invalidated by sync()."""

import ctypes
import fcntl
import glob
import mmap
import os
import struct

from . import PlRefusal, at, read_text
from .board import free_contiguous

LEAST = 8 << 20  # a buffer below two pages may lie where 32 address bits do not reach (PYNQ v3.1); below this no network fits
SPARE = 4 << 20  # of CmaFree, for drivers that allocate while they work
LINE = 64
UDMABUF = 'fabriclens'  # another name is another program's buffer
TO_CORE, FROM_CORE = 0, 1


def allocate(root, most):
    """A buffer of up to `most` bytes, as much as there is. PlRefusal where there is none."""
    udmabuf = _find_udmabuf(root)
    if udmabuf:
        return UdmaBuf(root, udmabuf)
    free = free_contiguous(root)
    size = most if free is None else min(most, free - SPARE)
    size -= size % mmap.PAGESIZE
    if size < LEAST:
        raise PlRefusal('%d KiB of contiguous memory are free, at least %d are needed; stop Jupyter kernels and other programs that use '
                        'the PL, or restart the board' % ((free or most) >> 10, (LEAST + SPARE) >> 10))
    device = _find_zocl(root)
    while True:
        try:
            return Zocl(device, size)
        except PlRefusal:
            os.close(device)
            raise
        except OSError as error:  # free, but not in one piece
            if size // 2 < LEAST:
                os.close(device)
                raise PlRefusal('%d MiB of contiguous memory cannot be had (%s); stop Jupyter kernels and other programs that use the PL, '
                                'or restart the board' % (size >> 20, error.strerror))
            size = size // 2 // mmap.PAGESIZE * mmap.PAGESIZE


class Buffer:
    """address: where the core sees it. pointer: in this process. descriptor and offset: to map it elsewhere."""

    def __init__(self, descriptor, offset, size, address):
        if address % mmap.PAGESIZE or address + size > 1 << 32:
            raise PlRefusal('the contiguous buffer lies at 0x%X, where the core\'s 32 address bits do not reach; restart the board' % address)
        self.descriptor = descriptor
        self.offset = offset
        self._map = mmap.mmap(descriptor, size, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE, offset=offset)
        self.size = size
        self.address = address
        self.pointer = ctypes.addressof(ctypes.c_char.from_buffer(self._map))

    def sync(self, direction, offset, size):
        """Whole cache lines around the range, written back (TO_CORE) or invalidated (FROM_CORE). OSError."""
        end = min(self.size, -(-(offset + size) // LINE) * LINE)
        self._sync(direction, offset - offset % LINE, end - (offset - offset % LINE))

    def close(self):
        """Zeroed and given back; the core must have stopped."""
        ctypes.memset(self.pointer, 0, self.size)
        try:
            self._sync(TO_CORE, 0, self.size)
        finally:
            self._map.close()
            os.close(self.descriptor)


class UdmaBuf(Buffer):
    """A buffer that was allocated when the module was loaded; `folder` is its folder in sysfs."""

    def __init__(self, root, folder):
        name = os.path.basename(folder)
        size, address = (int(read_text(folder, attribute).strip(), 0) for attribute in ('size', 'phys_addr'))
        if size < LEAST:
            raise PlRefusal('/dev/%s has %d KiB, at least %d are needed; load u-dma-buf with more' % (name, size >> 10, LEAST >> 10))
        self._folder = folder
        self._write('sync_mode', 1)  # cached, since it is opened without O_SYNC
        self._write('sync_direction', 0)  # both
        super().__init__(os.open(at(root, '/dev/' + name), os.O_RDWR | os.O_CLOEXEC), 0, size, address)

    def _sync(self, direction, offset, size):
        self._write('sync_offset', offset)
        self._write('sync_size', size)
        self._write('sync_for_cpu' if direction == FROM_CORE else 'sync_for_device', 1)

    def _write(self, attribute, value):
        descriptor = os.open(os.path.join(self._folder, attribute), os.O_WRONLY | os.O_TRUNC)
        try:
            os.write(descriptor, b'%d' % value)
        finally:
            os.close(descriptor)


def _find_udmabuf(root):
    folders = [at(root, '/sys/class/%s/%s' % (kind, UDMABUF)) for kind in ('u-dma-buf', 'udmabuf')]
    return next(filter(os.path.isdir, folders), None)


def _ioctl(number, size):
    """A DRM driver's own ioctl that is written and read (_IOWR)."""
    return 3 << 30 | size << 16 | ord('d') << 8 | 0x40 + number


# The same in zocl of XRT 2.8 (v2.7), 2.13 (v3.0) and 2.17 (v3.1), by its source.
CREATE_BO, MAP_BO, SYNC_BO, INFO_BO = _ioctl(0, 16), _ioctl(3, 16), _ioctl(4, 24), _ioctl(5, 24)
CACHEABLE = 1 << 24
NO_BANK = 0xFFFF  # of no xclbin: then it comes from CMA, with or without one loaded
NODES = '/dev/dri/renderD*'


class Zocl(Buffer):
    """`size` bytes of CMA from the open render node `device`. OSError where there are none in one piece."""

    def __init__(self, device, size):
        _, self._handle, _ = self._call(device, CREATE_BO, 'QII', size, 0, CACHEABLE | NO_BANK)
        _, _, got, address = self._call(device, INFO_BO, 'IIQQ', self._handle, 0, 0, 0)
        _, _, offset = self._call(device, MAP_BO, 'IIQ', self._handle, 0, 0)
        super().__init__(device, offset, min(got, size), address)

    def _sync(self, direction, offset, size):
        self._call(self.descriptor, SYNC_BO, 'IIQQ', self._handle, direction, offset, size)

    @staticmethod
    def _call(device, request, form, *values):
        data = bytearray(struct.pack('=' + form, *values))
        fcntl.ioctl(device, request, data)
        return struct.unpack('=' + form, data)


class _Version(ctypes.Structure):
    _fields_ = [('numbers', ctypes.c_int * 3), ('name_bytes', ctypes.c_size_t), ('name', ctypes.c_char_p), ('date_bytes', ctypes.c_size_t),
                ('date', ctypes.c_char_p), ('text_bytes', ctypes.c_size_t), ('text', ctypes.c_char_p)]


def _find_zocl(root):
    """A descriptor of zocl's render node."""
    refused = []
    for path in sorted(glob.glob(at(root, NODES))):
        try:
            device = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except OSError as error:
            refused.append('%s: %s' % (path, error.strerror))
            continue
        name = ctypes.create_string_buffer(16)
        version = _Version(name_bytes=15, name=ctypes.cast(name, ctypes.c_char_p))
        try:
            fcntl.ioctl(device, 3 << 30 | ctypes.sizeof(_Version) << 16 | ord('d') << 8, version)
        except OSError:
            pass
        if name.value == b'zocl':
            return device
        os.close(device)
    raise PlRefusal('neither a u-dma-buf named fabriclens nor zocl is there (%s): no contiguous memory; use an official PYNQ image, and let the agent open %s' %
                    ('; '.join(refused) or 'no ' + NODES, NODES))
