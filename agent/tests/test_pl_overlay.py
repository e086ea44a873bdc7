import os
import random
import tempfile
import unittest

from fabriclens_agent.pl import PlRefusal, bitstream, handoff, overlay

from .board import ADDRESS, bit_file, configuration, hwh_file, write_overlay


class RefusalTest(unittest.TestCase):
    def refused(self, text, function, *arguments):
        with self.assertRaises(PlRefusal) as caught:
            function(*arguments)
        self.assertIn(text, str(caught.exception))


class BitTest(RefusalTest):
    def test_the_words_are_turned_round(self):
        bit = bitstream.parse(bit_file())
        self.assertEqual((bit.part, bit.date, bit.design.split(';')[0]), ('7z020clg400', '2026/11/26', 'overlay_wrapper'))
        firmware = bitstream.swapped(bit.data)
        self.assertEqual(len(firmware), 4045564)
        self.assertIn(bytes.fromhex('665599aa'), firmware[:64])
        self.assertEqual(bitstream.swapped(firmware), configuration())

    def test_what_is_no_bitstream_of_this_part(self):
        data = configuration()
        for raw, text in ((b'', 'no header'), (b'\0' * 100, 'no header'), (b'PK\3\4' + bytes(200), 'no header'), (bit_file()[:60], 'no header'),
                          (bit_file(part='7z010clg400'), "'7z010clg400', the PYNQ-Z2 has a 7z020clg400"), (bit_file()[:-1], 'announces 4045564 bytes'),
                          (bit_file(length=1 << 31), 'announces 2147483648'), (bit_file(data[:4000]), 'holds 4000 bytes'),
                          (bit_file(bytes(len(data))), 'no sync word'), (bit_file(b'\xff' + data[:-1]), 'no sync word')):
            self.refused(text, bitstream.parse, raw)

    def test_hostile_bytes_are_refused_and_nothing_else(self):
        rng = random.Random(3)
        head = bit_file()[:200]
        for _ in range(3000):
            raw = bytearray(head[:rng.randrange(len(head))] if rng.random() < 0.5 else head)
            for _ in range(rng.randrange(4)):
                if raw:
                    raw[rng.randrange(len(raw))] = rng.randrange(256)
            with self.assertRaises(PlRefusal):
                bitstream.parse(bytes(raw))


class HwhTest(RefusalTest):
    def test_address_and_clock_of_the_core(self):
        said = handoff.parse(hwh_file(mhz='142.857132'))
        self.assertEqual(said, ('xilinx.com:module_ref:fabriclens_core:1.0', ADDRESS, 4096, 142857, '7z020clg400', '2022.1'))

    def test_what_it_lacks_is_named(self):
        for raw, text in ((hwh_file(core='axi_gpio'), 'describes no fabriclens_core, but axi_gpio, processing_system7'), (hwh_file(enabled='0'), 'leaves FCLK0 off'),
                          (hwh_file().replace(b'MEMTYPE="REGISTER"', b''), 'registers of fabriclens no address'), (hwh_file(mhz='fast'), 'fast'),
                          (hwh_file(mhz='inf'), 'lacks'), (hwh_file().replace(b'INSTANCE="fabriclens" IPTYPE', b'IPTYPE'), 'no address'),
                          (hwh_file()[:-20], 'cannot be read'), (b'', 'cannot be read'), (b'<EDKSYSTEM/>', 'but nothing'),
                          (hwh_file().replace(b'smartconnect"', b'fabriclens_core"'), 'more than one'), (b'<a>' * 100, 'nest deeper')):
            self.refused(text, handoff.parse, raw)

    def test_entities_are_not_unfolded(self):
        laughs = b''.join(b'<!ENTITY a%d "%s">' % (level, b'&a%d;' % (level - 1) * 10) for level in range(1, 30))
        self.refused('document type', handoff.parse, b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a0 "ha">%s]><x>&a29;</x>' % laughs)
        self.refused('document type', handoff.parse, b'<!DOCTYPE x [<!ENTITY f SYSTEM "file:///etc/passwd">]><x>&f;</x>')

    def test_hostile_bytes_are_refused_or_read(self):
        rng = random.Random(5)
        whole = hwh_file()
        for _ in range(2000):
            raw = bytearray(whole)
            for _ in range(rng.randrange(1, 6)):
                at = rng.randrange(len(raw))
                raw[at:at + rng.randrange(3)] = bytes(rng.randrange(256) for _ in range(rng.randrange(3)))
            try:
                handoff.parse(bytes(raw))
            except PlRefusal:
                pass


class OverlayTest(RefusalTest):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def test_a_whole_one(self):
        found = overlay.read(write_overlay(self.folder))
        self.assertEqual((found.address, found.span, found.clock_khz), (ADDRESS, 4096, 100000))
        self.assertEqual(found.firmware, bitstream.swapped(configuration()))
        self.assertEqual(found.stem, 'fabriclens-' + found.sha256[:16])

    def test_what_is_absent_is_named(self):
        for name in ('overlay.json', 'fabriclens.bit', 'fabriclens.hwh'):
            write_overlay(self.folder)
            os.remove(os.path.join(self.folder, name))
            self.refused('%s/%s is absent; an overlay is overlay.json, a bit and a hwh in one folder' % (self.folder, name), overlay.read, self.folder)

    def test_parts_of_different_builds(self):
        for text, arguments in (('the address is', {'hwh': hwh_file(address=0x43C10000)}), ('the span is 8192', {'hwh': hwh_file(span=8192)}),
                                ('the clock in kHz is 142857 by the hwh and 100000', {'hwh': hwh_file(mhz='142.857')}),
                                ('the part is 7z010clg400', {'hwh': hwh_file(device='7z010')}),
                                ('is not the file that', {'bit': bit_file(), 'hwh': hwh_file()})):
            write_overlay(self.folder, **arguments)
            if 'bit' in arguments:
                with open(os.path.join(self.folder, 'fabriclens.bit'), 'r+b') as stream:
                    stream.seek(5000)
                    stream.write(b'\1')
            self.refused(text, overlay.read, self.folder)

    def test_a_manifest_that_is_none(self):
        for changes, text in (({'format': 2}, 'not of format 1'), ({'address': 0x80000000}, 'outside of the processor'), ({'address': 0x43C00010}, 'outside'),
                              ({'address': 0xF8000000}, 'outside'), ({'span': 64}, 'outside'), ({'address': '0x43C00000'}, 'a number'), ({'clock_khz': -1}, 'a number'),
                              ({'core': {'version': 1, 'layout': 99}}, 'speaks layout 99'), ({'core': {'version': 9, 'layout': 2}}, 'holds core version 9'), ({'core': None}, "'core'"), ({'core': []}, 'lacks'),
                              ({'bit': {'file': '../x.bit', 'sha256': '0' * 64}}, 'a file name'), ({'bit': {'file': 'x', 'sha256': 'zz'}}, 'a SHA-256')):
            write_overlay(self.folder, changes=changes)
            self.refused(text, overlay.read, self.folder)
        for raw in (b'{', b'[]', b'null', b'[' * 60000, b'\xff'):
            with open(os.path.join(self.folder, 'overlay.json'), 'wb') as stream:
                stream.write(raw)
            self.refused('overlay.json', overlay.read, self.folder)

    @unittest.skipUnless(hasattr(os, 'mkfifo'), 'named pipes')
    def test_a_pipe_does_not_hang(self):
        write_overlay(self.folder)
        path = os.path.join(self.folder, 'fabriclens.bit')
        os.remove(path)
        os.mkfifo(path)
        self.refused('not a regular file', overlay.read, self.folder)
