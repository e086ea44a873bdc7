"""The command line's part about the PL."""

import sys

from . import PlRefusal, board
from .backend import Backend


def add_options(parser):
    parser.add_argument('--overlay', metavar='DIR', help='folder of an overlay (overlay.json, bit, hwh), loaded into the PL of the board '
                        '(without it: the processor computes everything)')
    parser.add_argument('--ps-fallback', action='store_true',
                        help='let the processor take over when the PL is given up (without it: such requests are refused)')
    parser.add_argument('--board-root', default='/', metavar='DIR', help='where the board\'s /dev, /proc, /sys, ... are (default: /)')
    parser.add_argument('--simulated-board', metavar='DIR', help='folder in which hls/sim\'s simulated-board serves the core, in place of a PL')


def start(options, runtime):
    """The Backend that the options ask for; where the PL refuses, one without it that says why."""
    on_board = board.is_pynq(options.board_root)
    try:
        if options.simulated_board:
            from .simulated import Simulated
            return Backend(runtime, Simulated(runtime, options.simulated_board), processor_instead=options.ps_fallback)
        if options.overlay:
            if not on_board:
                board.identify(options.board_root)
            from .hardware import Hardware  # POSIX alone
            device = Hardware(runtime, options.board_root, options.overlay)
            return Backend(runtime, device, on_board=True, processor_instead=options.ps_fallback)
    except PlRefusal as refusal:
        print('no PL: %s' % refusal, file=sys.stderr, flush=True)
        return Backend(runtime, refusal=str(refusal), on_board=on_board)
    return Backend(runtime, on_board=on_board)
