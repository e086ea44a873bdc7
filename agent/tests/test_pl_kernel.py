"""The FPGA manager, the guards and the contiguous memory against a kernel that behaves as a board's (kernel.c)."""

import os
import sys
import unittest

from .board import ADDRESS, BOOT_ID, MANAGER, Board, bit_file, configuration, write, write_overlay

LOAD = '''
from fabriclens_agent.pl import fpga_manager, overlay
found = overlay.read(folder)
fpga_manager.load(root, found)
print('loaded')
'''


@unittest.skipUnless(sys.platform == 'linux', 'the board is Linux')
class ManagerTest(unittest.TestCase):
    def test_what_is_loaded_lies_under_a_name_of_its_content(self):
        board = Board(self)
        write(board.root, '/lib/firmware/fabriclens-0123456789abcdef.bin', b'of an overlay before')
        self.assertEqual(board.python(LOAD), 'loaded')
        self.assertEqual((board.read(MANAGER + 'state'), board.read(MANAGER + 'flags')), ('operating\n', '0'))
        first = sorted(os.listdir(board.root + '/lib/firmware'))
        self.assertEqual(len(first), 2)
        data = configuration()[:-4] + b'abcd'
        write_overlay(board.overlay, bit=bit_file(data))
        self.assertEqual(board.python(LOAD), 'loaded')
        self.assertNotEqual(sorted(os.listdir(board.root + '/lib/firmware'))[1], first[1])

    def test_the_kernel_refuses(self):
        for load, change, text in (('', 'found = found._replace(firmware=bytes(1000))', '(state: write init error): the kernel refused its content'),
                                   ('timeout', '', '(state: write complete error): the PL did not answer'),
                                   ('hang', 'fpga_manager.LOAD_S = 2', 'within 2 s (state: write); restart the board')):
            board = Board(self)
            said = board.python(LOAD.replace('fpga_manager.load', change + '\nfpga_manager.load'), LOAD=load)
            self.assertIn(text, said)

    def test_no_manager_and_a_foreign_kernel(self):
        board = Board(self)
        os.remove(board.root + MANAGER + 'flags')
        self.assertIn('flags is absent: this is not the kernel of a PYNQ image', board.python(LOAD))
        for name in ('state', 'firmware'):
            os.remove(board.root + MANAGER + name)
        os.rmdir(board.root + MANAGER)
        self.assertIn('has no FPGA manager', board.python(LOAD))

    def test_another_load_is_noticed(self):
        for change, text in (('open(root + "/lib/firmware/mine.bin", "wb")', '(/lib/firmware changed)'), ('os.utime(root + "/lib/firmware/base.bin")', '(/lib/firmware/base.bin changed)'),
                             ('open(root + "%sstate", "w").write("write init error")' % MANAGER, "says 'write init error'"),
                             ('os.remove(root + "/lib/firmware/" + found.stem + ".bin")', 'changed'),
                             ('open(p + "/_current_metadata.pkl", "w")', 'pl_server changed'), ('open(p + "/global_pl_state.json", "w").write("{}")', 'global_pl_state.json changed')):
            board = Board(self)
            said = board.python(LOAD + 'import os\np = root + "/usr/local/share/pynq-venv/lib/python3.10/site-packages/pynq/pl_server"\n'
                                'os.makedirs(p)\nopen(p + "/global_pl_state.json", "w")\nloads = fpga_manager.Loads(root)\nloads.check()\n%s\nloads.check()' % change)
            self.assertIn(text, said)


TOUCH = '''
from fabriclens_agent.pl import guards, overlay
guards.first_touch(root, overlay.read(folder))
print('ours')
'''


@unittest.skipUnless(sys.platform == 'linux', 'the board is Linux')
class GuardsTest(unittest.TestCase):
    def test_the_first_touch(self):
        board = Board(self)
        self.assertIn('0x43C00000 answers 0x00000000, our core 0x31504C46', board.python(TOUCH))
        write(board.root, '/dev/mem/%08x' % ADDRESS, b'FLP1' + bytes(4092))
        self.assertEqual(board.python(TOUCH), 'ours')

    def test_a_bus_that_hangs_takes_a_child_and_not_the_agent(self):
        self.assertIn('did not return within 3 s: the PL does not answer', Board(self).python(TOUCH.replace('guards.first', 'guards.TOUCH_S = 3\nguards.first'), BUS='hang'))

    def test_a_bus_error(self):
        self.assertIn('got a bus error: the PL has nothing at this address', Board(self).python(TOUCH, BUS='error'))

    def test_memory_that_cannot_be_mapped(self):
        board = Board(self)
        os.remove(board.registers)
        self.assertIn('ended with 1 and no answer; the log says why', board.python(TOUCH))

    def test_one_at_a_time(self):
        board = Board(self)
        self.assertIn('another agent on this board uses the PL', board.python('from fabriclens_agent.pl import guards\nfirst = guards.Lock(root)\nguards.Lock(root)'))
        self.assertEqual(board.python('from fabriclens_agent.pl import guards\nguards.Lock(root).close()\nguards.Lock(root)\nprint("free")'), 'free')

    def test_the_marker(self):
        board = Board(self)
        use = 'from fabriclens_agent.pl import guards\nmarker = guards.Marker(root, %r)\n' % BOOT_ID
        self.assertEqual(board.python(use + 'marker.say("in use")\nmarker.close()\nguards.Marker(root, "x")\nprint("clean")'), 'clean')
        board.python(use + 'marker.say("first access")')
        self.assertIn('was in use (first access) when the agent last ended without a word; the board runs on since', board.python(use))
        self.assertIn('it may have hung. Nothing is loaded', board.python(use.replace(BOOT_ID, 'another boot')))


ALLOCATE = '''
from fabriclens_agent.pl import memory
found = memory.allocate(root, 64 << 20)
print(type(found).__name__, found.size >> 20, hex(found.address))
import ctypes
ctypes.memset(found.pointer, 7, found.size)
found.sync(0, 100, 200)
found.sync(1, found.size - 1, 1)
'''


@unittest.skipUnless(sys.platform == 'linux', 'the board is Linux')
class MemoryTest(unittest.TestCase):
    def test_zocl(self):
        board = Board(self, memory=64 << 20)
        self.assertEqual(board.python(ALLOCATE + 'found.close()'), 'Zocl 64 0x16800000')
        with open(board.memory, 'rb') as stream:
            self.assertEqual(stream.read().strip(b'\0'), b'')
        self.assertEqual(board.read('/syncs').splitlines()[:2], ['0 64 256', '1 %d 64' % ((64 << 20) - 64)])

    def test_in_pieces_it_is_smaller(self):
        self.assertEqual(Board(self, memory=20 << 20).python(ALLOCATE), 'Zocl 16 0x16800000')
        self.assertIn('cannot be had (Cannot allocate memory)', Board(self, memory=7 << 20).python(ALLOCATE))

    def test_what_the_kernel_says_is_free_is_looked_at_first(self):
        self.assertEqual(Board(self, memory=64 << 20, cma_free_kib=42336).python(ALLOCATE), 'Zocl 37 0x16800000')
        self.assertIn('9000 KiB of contiguous memory are free, at least 12288 are needed; stop Jupyter', Board(self, cma_free_kib=9000).python(ALLOCATE))

    def test_u_dma_buf_goes_first(self):
        board = Board(self)
        write(board.root, '/sys/class/u-dma-buf/udmabuf0/size', '8388608\n')  # another program's
        self.assertIn('Zocl', board.python(ALLOCATE))
        folder = '/sys/class/u-dma-buf/fabriclens/'
        for name, text in (('size', '8388608\n'), ('phys_addr', '0x000000001f800000\n'), ('sync_mode', '0\n')) + tuple(
                (name, '') for name in ('sync_direction', 'sync_offset', 'sync_size', 'sync_for_cpu', 'sync_for_device')):
            write(board.root, folder + name, text)
        os.truncate(write(board.root, '/dev/fabriclens', b''), 8 << 20)
        self.assertEqual(board.python(ALLOCATE), 'UdmaBuf 8 0x1f800000')
        self.assertEqual([board.read(folder + name)[:8] for name in ('sync_mode', 'sync_direction', 'sync_offset', 'sync_size', 'sync_for_cpu', 'sync_for_device')],
                         ['1', '0', '8388544', '64', '1', '1'])
        write(board.root, folder + 'size', '4096\n')
        self.assertIn('/dev/fabriclens has 4 KiB', board.python(ALLOCATE))

    def test_where_neither_is_there(self):
        board = Board(self)
        os.remove(board.memory)
        self.assertIn('neither a u-dma-buf named fabriclens nor zocl is there', board.python(ALLOCATE))
        write(board.root, '/dev/dri/renderD129', b'')  # of a graphics card
        self.assertIn('neither a u-dma-buf named fabriclens nor zocl', board.python(ALLOCATE))


