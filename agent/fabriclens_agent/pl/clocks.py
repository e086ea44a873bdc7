"""FCLK0, the clock of the PL, and what else of the processor's system registers (SLCR) the PL needs; their names are those of UG585.
These registers belong to the processor: they answer whatever the PL does."""

from . import PlRefusal
from .physical import PAGE, Window

SLCR = 0xF8000000
LOCK, UNLOCK, LOCKED = 0x004, 0x008, 0x00C
LOCK_KEY, UNLOCK_KEY = 0x767B, 0xDF0D
IO_PLL_CTRL, FPGA0_CLK_CTRL, FPGA_RST_CTRL, LVL_SHFTR_EN = 0x108, 0x170, 0x240, 0x900

REFERENCE_KHZ = 50000  # the PYNQ-Z2's crystal
DIVIDERS = range(1, 64)
PLL_OFF = 0b10011  # IO_PLL_CTRL: reset, power down, bypass
SOURCE_MASK, IO_PLL = 0b11 << 4, 0
FIELDS = 63 << 20 | 63 << 8 | SOURCE_MASK


def dividers(pll_khz, wanted_khz):
    """(first, second) divider of the PLL's clock for `wanted_khz`, met within 0.1 %. PlRefusal names the nearest there is."""
    first, second = min(((a, b) for a in DIVIDERS for b in DIVIDERS if a >= b), key=lambda pair: abs(pll_khz / pair[0] / pair[1] - wanted_khz))
    nearest = pll_khz / first / second
    if abs(nearest - wanted_khz) > wanted_khz / 1000:
        raise PlRefusal('FCLK0 cannot be %.3f MHz from an IO PLL of %.3f MHz; the nearest is %.3f MHz: build the overlay for that' %
                        (wanted_khz / 1000, pll_khz / 1000, nearest / 1000))
    return first, second


class Clocks:
    def __init__(self, root):
        self._slcr = Window(root, SLCR, PAGE)

    def io_pll_khz(self):
        control = self._slcr[IO_PLL_CTRL]
        factor = control >> 12 & 0x7F
        if control & PLL_OFF or not factor:
            raise PlRefusal('the IO PLL is off or bypassed (IO_PLL_CTRL is 0x%08X); restart the board' % control)
        return REFERENCE_KHZ * factor

    def fclk0_khz(self):
        """The clock as it is set; 0 where it does not come from the IO PLL or a divider is 0."""
        control = self._slcr[FPGA0_CLK_CTRL]
        product = (control >> 8 & 63) * (control >> 20 & 63)
        return round(self.io_pll_khz() / product) if product and control & SOURCE_MASK == IO_PLL else 0

    def set_fclk0(self, khz):
        """Sets FCLK0 and reads it back."""
        first, second = dividers(self.io_pll_khz(), khz)
        control = self._slcr[FPGA0_CLK_CTRL] & ~FIELDS | second << 20 | first << 8 | IO_PLL
        self._write(FPGA0_CLK_CTRL, control)
        if self._slcr[FPGA0_CLK_CTRL] != control:
            raise PlRefusal('FCLK0 did not take its dividers: FPGA0_CLK_CTRL is 0x%08X, written was 0x%08X; restart the board' %
                            (self._slcr[FPGA0_CLK_CTRL], control))

    def hold_reset(self):
        """The PL's reset, until its next load: whatever it does on the memory ends, and no access to it may follow."""
        self._write(FPGA_RST_CTRL, self._slcr[FPGA_RST_CTRL] | 1)

    def _write(self, offset, value):
        locked = self._slcr[LOCKED] & 1
        if locked:
            self._slcr[UNLOCK] = UNLOCK_KEY
        self._slcr[offset] = value
        if locked:  # Linux leaves it open and writes it too: locked only where it was
            self._slcr[LOCK] = LOCK_KEY

    def check(self, khz):
        """PlRefusal unless FCLK0 is within 0.1 % of `khz`, the PL out of reset and its signals to the processor open: with any of
        them otherwise an access to the PL hangs the processor."""
        found = self.fclk0_khz()
        if abs(found - khz) > khz / 1000:
            raise PlRefusal('FCLK0 is %.3f MHz, the overlay was built for %.3f: another program changed it; stop it and restart the agent' %
                            (found / 1000, khz / 1000))
        if self._slcr[FPGA_RST_CTRL] & 1:
            raise PlRefusal('the PL is held in reset (FPGA_RST_CTRL); restart the agent')
        if self._slcr[LVL_SHFTR_EN] & 15 != 15:
            raise PlRefusal('the level shifters between processor and PL are off (LVL_SHFTR_EN); restart the agent')

    def close(self):
        self._slcr.close()
