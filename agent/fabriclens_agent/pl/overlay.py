"""An overlay on the disk: a folder with overlay.json (hls/vivado/build.tcl writes it), the bit and the hwh that it names."""

import hashlib
import json
import os
import sys
from collections import namedtuple

from .. import layout
from . import PlRefusal, bitstream, handoff

MANIFEST = 'overlay.json'
FORMAT = 1
MANIFEST_BYTES = 65536
PAGE = 4096
GP0 = range(0x40000000, 0x80000000)  # where the processor reaches the PL

# sha256: of the bit file, which names the overlay; firmware: what the kernel is given; address and span of the registers in bytes.
Overlay = namedtuple('Overlay', 'folder sha256 firmware stem address span clock_khz')


def read(folder):
    """The Overlay in `folder`, checked: whole, of one build, for this part and this agent's layout. PlRefusal."""
    manifest = _manifest(folder)
    try:
        core = manifest['core']
        expected = {'bit': _hash(manifest['bit']['sha256']), 'hwh': _hash(manifest['hwh']['sha256'])}
        files = {kind: _plain(manifest[kind]['file']) for kind in expected}
        address, span, clock_khz = (_number(manifest[name]) for name in ('address', 'span', 'clock_khz'))
        core_version, layout_version = _number(core['version']), _number(core['layout'])
    except (KeyError, TypeError, ValueError) as error:
        raise PlRefusal('%s/%s lacks or misstates %s; build the overlay again with hls/vivado/build.tcl' % (folder, MANIFEST, error))
    if layout_version != layout.LAYOUT_VERSION:
        raise PlRefusal('the overlay in %s speaks layout %d, this agent %d; build it from this release, or install the release that it '
                        'was built from' % (folder, layout_version, layout.LAYOUT_VERSION))
    if core_version != layout.CORE_VERSION:
        raise PlRefusal('the overlay in %s holds core version %d, this agent drives %d; build it from this release, or install the release '
                        'that it was built from' % (folder, core_version, layout.CORE_VERSION))
    if address % PAGE or address not in GP0 or address + span > GP0.stop or not layout.REGISTER_SPAN <= span <= 1 << 20:
        raise PlRefusal('%s/%s places the registers at 0x%08X, %d bytes: outside of the processor\'s first port to the PL; build the '
                        'overlay again with hls/vivado/build.tcl' % (folder, MANIFEST, address, span))
    raw = {kind: _file(folder, files[kind], limit) for kind, limit in (('bit', bitstream.FILE_BYTES), ('hwh', handoff.FILE_BYTES))}
    for kind, data in raw.items():
        found = hashlib.sha256(data).hexdigest()
        if found != expected[kind]:
            raise PlRefusal('%s/%s is not the file that %s was written for: its SHA-256 is %s, expected is %s; copy the whole folder '
                            'again' % (folder, files[kind], MANIFEST, found, expected[kind]))
    bit = bitstream.parse(raw['bit'])
    said = handoff.parse(raw['hwh'])
    near = clock_khz if abs(said.clock_khz - clock_khz) <= clock_khz / 1000 else said.clock_khz  # the hwh rounds in its own way
    for what, of_hwh, of_manifest in (('part', said.package, bitstream.PART), ('address', said.address, address), ('span', said.span, span),
                                      ('clock in kHz', near, clock_khz)):
        if of_hwh != of_manifest:
            raise PlRefusal('%s: the %s is %s by the hwh and %s by %s; bit, hwh and manifest are of different builds: copy the whole '
                            'folder again' % (folder, what, of_hwh, of_manifest, MANIFEST))
    # Two overlays of one name would overwrite each other in /lib/firmware, where boards have many.
    return Overlay(folder, expected['bit'], bitstream.swapped(bit.data), 'fabriclens-' + expected['bit'][:16], address, span, clock_khz)


def _manifest(folder):
    try:
        manifest = json.loads(_file(folder, MANIFEST, MANIFEST_BYTES).decode('utf-8'))
    except (ValueError, RecursionError) as error:
        raise PlRefusal('%s/%s is not JSON (%s); build the overlay again with hls/vivado/build.tcl' % (folder, MANIFEST, error))
    if not isinstance(manifest, dict) or manifest.get('format') != FORMAT:
        raise PlRefusal('%s/%s is not of format %d; install the release that the overlay was built from' % (folder, MANIFEST, FORMAT))
    return manifest


def _file(folder, name, limit):
    path = os.path.join(folder, name)
    if os.path.exists(path) and not os.path.isfile(path):
        raise PlRefusal('%s is not a regular file; copy the overlay again' % path)
    try:
        with open(path, 'rb') as stream:
            data = stream.read(limit + 1)
    except FileNotFoundError:
        raise PlRefusal('%s is absent; an overlay is %s, a bit and a hwh in one folder, as hls/vivado/build.tcl leaves them' %
                        (path, MANIFEST))
    except OSError as error:
        raise PlRefusal('%s cannot be read: %s' % (path, error.strerror))
    if len(data) > limit:
        raise PlRefusal('%s is larger than %d bytes, more than such a file can have' % (path, limit))
    return data


def _plain(name):
    if not isinstance(name, str) or name != os.path.basename(name) or name in ('', '.', '..'):
        raise ValueError('a file name, not %r' % (name,))
    return name


def _hash(text):
    if not isinstance(text, str) or len(text) != 64 or text.strip('0123456789abcdef'):
        raise ValueError('a SHA-256, not %.80r' % (text,))
    return text


def _number(value):
    if type(value) is not int or not 0 <= value < 1 << 32:
        raise ValueError('a number, not %.80r' % (value,))
    return value


def main(folder):
    """For who imports an overlay: what read() makes of it as one line of JSON; {"error"} and exit code 1 where it refuses."""
    try:
        found = read(folder)
    except PlRefusal as refusal:
        print(json.dumps({'error': str(refusal)}))
        return 1
    manifest = _manifest(folder)
    print(json.dumps({'sha256': found.sha256, 'clock_khz': found.clock_khz, 'files': [{'name': manifest[kind]['file'], 'sha256': manifest[kind]['sha256']} for kind in ('bit', 'hwh')]}))
    return 0


if __name__ == '__main__':
    sys.exit(main(sys.argv[1]))
