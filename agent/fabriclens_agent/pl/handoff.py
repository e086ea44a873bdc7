"""A .hwh file: Vivado's hand-off of the block design, XML. Read for where the core's registers lie and what clock it has (pure).

By expat's events and not as a tree: PYNQ's own base.hwh is 4.5 MB, a tree of it some 100 MB of the board's 512."""

import xml.parsers.expat
from collections import namedtuple

from . import PlRefusal

FILE_BYTES = 32 << 20
MAX_DEPTH = 64
CORE = 'fabriclens_core'
PROCESSOR = 'processing_system7'

# vlnv of the core; address and span of its registers in bytes; clock_khz of FCLK0; package: device and package together.
Handoff = namedtuple('Handoff', 'vlnv address span clock_khz package vivado')


def parse(raw):
    """The Handoff of a .hwh file's bytes. PlRefusal where it is none, or describes no design of ours."""
    reader = _Reader()
    try:
        reader.read(raw)
    except (xml.parsers.expat.ExpatError, ValueError) as error:
        _refuse('cannot be read (%s)' % error)
    if reader.vlnv is None:
        _refuse('describes no %s, but %s' % (CORE, ', '.join(sorted(reader.others))[:200] or 'nothing'))
    if reader.range is None:
        _refuse('gives the registers of %s no address' % reader.instance)
    try:
        low, high = (int(text, 16) for text in reader.range)
        clock_khz = round(float(reader.parameters['PCW_ACT_FPGA0_PERIPHERAL_FREQMHZ']) * 1000)
        if reader.parameters['PCW_FPGA_FCLK0_ENABLE'] != '1':
            _refuse('leaves FCLK0 off')
    except (KeyError, ValueError, OverflowError) as error:
        _refuse('lacks the clock or the address of the core (%s)' % error)
    return Handoff(reader.vlnv, low, high - low + 1, clock_khz, reader.package, reader.vivado)


def _refuse(what):
    raise PlRefusal('the hwh file %s; build the overlay again with hls/vivado/build.tcl and copy bit, hwh and overlay.json together' % what)


class _Reader:
    def __init__(self):
        self.vlnv = self.instance = self.range = None
        self.package = self.vivado = ''
        self.parameters = {}
        self.others = set()
        self._ranges = {}
        self._depth = 0
        self._in_processor = False

    def read(self, raw):
        parser = xml.parsers.expat.ParserCreate('utf-8')  # whatever the file says of itself
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        # Without a document type there are no entities, and so none that unfold to gigabytes or name a file.
        parser.StartDoctypeDeclHandler = self._doctype
        parser.Parse(raw, True)
        self.range = self._ranges.get(self.instance)

    @staticmethod
    def _doctype(*_):
        raise ValueError('it has a document type declaration, which Vivado does not write')

    def _start(self, tag, attributes):
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise ValueError('its elements nest deeper than %d' % MAX_DEPTH)
        if tag == 'EDKSYSTEM':
            self.vivado = attributes.get('VIVADOVERSION', '')[:32]
        elif tag == 'SYSTEMINFO':
            self.package = attributes.get('DEVICE', '') + attributes.get('PACKAGE', '')
        elif tag == 'MODULE':
            kind = attributes.get('MODTYPE', '')
            self._in_processor = kind == PROCESSOR
            if kind == CORE:
                if self.vlnv is not None:
                    raise ValueError('it has more than one %s' % CORE)
                self.vlnv, self.instance = attributes.get('VLNV', ''), attributes.get('INSTANCE', '')
            elif len(self.others) < 64:
                self.others.add(kind)
        elif self._in_processor and tag == 'PARAMETER' and attributes.get('NAME', '').startswith('PCW_'):
            self.parameters[attributes['NAME']] = attributes.get('VALUE', '')
        elif self._in_processor and tag == 'MEMRANGE' and attributes.get('MEMTYPE') == 'REGISTER':
            self._ranges[attributes.get('INSTANCE')] = (attributes.get('BASEVALUE', ''), attributes.get('HIGHVALUE', ''))

    def _end(self, tag):
        self._depth -= 1
        if tag == 'MODULE':
            self._in_processor = False
