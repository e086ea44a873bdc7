"""Which machine this is, by what the image itself says of it."""

import os
import re
from collections import namedtuple

from . import PlRefusal, read_text

NAME = 'Pynq-Z2'
IMAGES = ('2.7', '3.0', '3.1')

# image: VERSION_ID; boot_id: another after every boot.
Board = namedtuple('Board', 'name image boot_id')


def is_pynq(root):
    """Whether a PYNQ image of any version and board runs here."""
    return _release(root).get('ID') == 'pynqlinux'


def identify(root):
    """The Board. PlRefusal for anything but a PYNQ-Z2 with an image of IMAGES, which it names."""
    release = _release(root)
    if release.get('ID') != 'pynqlinux':
        raise PlRefusal('this machine runs %s, no PYNQ image; start the agent without --overlay, or on the board' %
                        (release.get('PRETTY_NAME') or release.get('ID') or 'a system without /etc/os-release'))
    image = release.get('VERSION_ID', '')
    if image == '2.6':
        raise PlRefusal('this is the PYNQ image v2.6, whose Python 3.6 and buffer allocator (Xlnk) this agent does not speak; '
                        'write an image of v2.7 or later to the card')
    if image not in IMAGES:
        raise PlRefusal('this is the PYNQ image %r; known are %s: write one of those to the card' %
                        (image, ', '.join('v' + known for known in IMAGES)))
    if 'xlnx,zynq-7000' not in read_text(root, '/proc/device-tree/compatible').split('\0'):
        raise PlRefusal('the device tree does not name a Zynq-7000; the overlay is for a PYNQ-Z2')
    name = read_text(root, '/proc/device-tree/chosen/pynq_board').rstrip('\0\n')
    if name != NAME:
        raise PlRefusal('this board calls itself %r, the overlay is for a %s; use the image made for that board' % (name, NAME))
    return Board(name, image, read_text(root, '/proc/sys/kernel/random/boot_id').strip())


def free_contiguous(root):
    """Bytes of contiguous memory that are free (CmaFree), or None."""
    match = re.search(r'^CmaFree:\s+([0-9]+) kB$', read_text(root, '/proc/meminfo'), re.M)
    return int(match.group(1)) << 10 if match else None


def processors():
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count() or 1


def _release(root):
    pairs = re.findall(r'^([A-Z_]+)=["\']?(.*?)["\']?$', read_text(root, '/etc/os-release'), re.M)
    return dict(pairs)
