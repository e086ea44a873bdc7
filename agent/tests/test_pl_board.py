import tempfile
import unittest

from fabriclens_agent.pl import PlRefusal, board, clocks

from .board import BOOT_ID, make_root, register


class RootTest(unittest.TestCase):
    def root(self, **options):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        return make_root(folder.name, **options)

    def refused(self, text, function, *arguments):
        with self.assertRaises(PlRefusal) as caught:
            function(*arguments)
        self.assertIn(text, str(caught.exception))


class BoardTest(RootTest):
    def test_the_images_that_are_known(self):
        for image in ('2.7', '3.0', '3.1'):
            found = board.identify(self.root(image={'VERSION_ID': image}))
            self.assertEqual(found, ('Pynq-Z2', image, BOOT_ID))

    def test_the_others_are_named(self):
        for options, text in (({'image': {'VERSION_ID': '"2.6"'}}, 'v2.6, whose Python 3.6'), ({'image': {'VERSION_ID': '4.0'}}, "image '4.0'; known are v2.7, v3.0, v3.1"),
                              ({'image': {'VERSION_ID': ''}}, "image ''"), ({'image': {'ID': 'debian', 'PRETTY_NAME': '"Debian GNU/Linux 12"'}}, 'runs Debian GNU/Linux 12'),
                              ({'board': 'Pynq-Z1'}, "calls itself 'Pynq-Z1'"), ({'board': 'Unknown'}, "'Unknown'")):
            self.refused(text, board.identify, self.root(**options))
        with tempfile.TemporaryDirectory() as empty:
            self.refused('a system without /etc/os-release', board.identify, empty)
            self.assertFalse(board.is_pynq(empty))

    def test_a_processor_of_another_make(self):
        root = self.root()
        with open(root + '/proc/device-tree/compatible', 'w') as stream:
            stream.write('xlnx,zynqmp\0')
        self.refused('does not name a Zynq-7000', board.identify, root)


class ClocksTest(RootTest):
    def test_every_frequency_that_there_is_is_met(self):
        for product in range(4, 200):
            wanted = 1000000 / product
            try:
                first, second = clocks.dividers(1000000, wanted)
            except PlRefusal:
                self.assertFalse(any(product % a == 0 and product // a < 64 for a in range(1, 64)), product)
                continue
            self.assertLessEqual(abs(1000000 / first / second - wanted), wanted / 1000)

    def test_one_that_is_not_there_names_the_nearest(self):
        self.refused('cannot be 150.000 MHz from an IO PLL of 1000.000 MHz; the nearest is 142.857 MHz', clocks.dividers, 1000000, 150000)

    def test_set_and_read_back(self):
        root = self.root(registers={0x170: 0x00A00420 | 0xC000000F})
        found = clocks.Clocks(root)
        self.assertEqual(found.fclk0_khz(), 0)  # from the ARM PLL
        found.set_fclk0(142857)
        self.assertEqual(found.fclk0_khz(), 142857)
        self.assertEqual(register(root, 0x170) & 0xC000000F, 0xC000000F)  # what is not ours stays
        self.assertEqual((register(root, 0x008), register(root, 0x004)), (0, 0))  # it was open and stays open
        found.check(142857)
        self.refused('FCLK0 is 142.857 MHz, the overlay was built for 100.000', found.check, 100000)
        found.close()

    def test_what_would_hang_the_bus_is_seen_in_the_registers(self):
        for registers, text in (({0x240: 1}, 'held in reset'), ({0x900: 0}, 'level shifters'), ({0x900: 10}, 'level shifters'), ({0x170: 0}, 'FCLK0 is 0.000'),
                                ({0x108: 20 << 12 | 16}, 'IO PLL is off or bypassed'), ({0x108: 0}, 'IO PLL')):
            self.refused(text, clocks.Clocks(self.root(registers=registers)).check, 100000)

    def test_a_lock_is_opened_and_closed_again(self):
        root = self.root(registers={0x00C: 1})
        clocks.Clocks(root).set_fclk0(50000)
        self.assertEqual((register(root, 0x008), register(root, 0x004)), (0xDF0D, 0x767B))
