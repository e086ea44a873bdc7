"""A .bit file: tagged header and configuration words, big-endian; the kernel takes the words alone, bytes swapped (pure)."""

import array
import struct
from collections import namedtuple

from . import PlRefusal

PART = '7z020clg400'
DATA_BYTES = 4045564  # of an uncompressed XC7Z020
FILE_BYTES = DATA_BYTES + 65536
SYNC = b'\xaa\x99\x55\x66'
SYNC_WITHIN = 4096  # the dummy words and the bus width pattern before it are some ten words

Bitstream = namedtuple('Bitstream', 'design part date time data')


def parse(raw):
    """The Bitstream of a .bit file's bytes. PlRefusal where it is none, is for another part, or is not whole."""
    def refuse(what):
        raise PlRefusal('the bit file %s; build the overlay again with hls/vivado/build.tcl or copy it again' % what)
    fields = {}
    try:
        length, = struct.unpack_from('>H', raw, 0)
        at = 2 + length + 2
        while True:
            tag = raw[at:at + 1]
            if tag == b'e':
                length, = struct.unpack_from('>I', raw, at + 1)
                at += 5
                break
            if tag not in (b'a', b'b', b'c', b'd') or tag in fields:
                refuse('has no header of a bitstream')
            length, = struct.unpack_from('>H', raw, at + 1)
            fields[tag] = raw[at + 3:at + 3 + length].rstrip(b'\0').decode('ascii')
            at += 3 + length
        part = fields[b'b']
    except (struct.error, KeyError, UnicodeDecodeError):
        refuse('has no header of a bitstream')
    if part != PART:
        refuse('is for the part %.40r, the PYNQ-Z2 has a %s' % (part, PART))
    if len(raw) - at != length:
        refuse('announces %d bytes of configuration and holds %d' % (length, len(raw) - at))
    if length != DATA_BYTES:
        refuse('holds %d bytes of configuration; an uncompressed one for this part has %d' % (length, DATA_BYTES))
    data = bytes(raw[at:])
    sync = data.find(SYNC, 0, SYNC_WITHIN)
    if sync < 0 or sync % 4:
        refuse('has no sync word at its start')
    return Bitstream(fields.get(b'a', ''), part, fields.get(b'c', ''), fields.get(b'd', ''), data)


def swapped(data):
    """The bytes that Linux's FPGA manager takes: every 32-bit word turned round."""
    words = array.array('I', data)
    assert words.itemsize == 4
    words.byteswap()
    return words.tobytes()
