"""What keeps the agent from the PL. FAKE_BUS=hang: had it touched the PL, it would not answer."""

import os
import shutil
import sys
import tempfile
import unittest

from .board import BOOT_ID, MANAGER, Board, hwh_file, make_root, write, write_overlay
from .board_case import CODES, MARKER, Case


@unittest.skipUnless(sys.platform == 'linux', 'the board is Linux')
class ProcessorTest(Case):
    def test_a_board_without_an_overlay_computes_by_its_processor(self):
        with tempfile.TemporaryDirectory() as root:
            agent = self.agent('--board-root', make_root(root), BUS='hang')
            self.assertEqual(self.told(agent), {'backend': 'ps', 'queue_depth': 0})
            status, head, answer = agent.infer(CODES)
            parameters = head['parameters']
            self.assertEqual((status, answer), (200, self.golden()))
            self.assertEqual((parameters['backend'], parameters['timing_source'], parameters['timing_pl_ns']), ('ps', 'measured', 0))
            self.assertNotIn('timing_pl_source', parameters)
            self.assertGreater(parameters['timing_ps_ns'], 0)

    def test_an_overlay_for_a_computer_that_is_no_board(self):
        with tempfile.TemporaryDirectory() as root:
            agent = self.agent('--board-root', root, '--overlay', write_overlay(os.path.join(root, 'overlay')), BUS='hang')
            told = self.told(agent)
            self.assertEqual(told['backend'], 'golden')
            self.assertIn('no PYNQ image', told['pl_refusal'])
            self.assertEqual(agent.infer(CODES)[1]['parameters']['timing_source'], 'host')

    def test_what_refuses_the_pl_leaves_the_processor_and_a_reason(self):
        def slcr(board, offset, value):
            with open(board.root + '/dev/mem/f8000000', 'r+b') as stream:
                stream.seek(offset)
                stream.write(value.to_bytes(4, 'little'))
        cases = (
            (lambda board: write(board.root, '/etc/os-release', 'ID=pynqlinux\nVERSION_ID="2.6"\n'), 'v2.6, whose Python 3.6'),
            (lambda board: os.remove(board.overlay + '/fabriclens.hwh'), 'fabriclens.hwh is absent'),
            (lambda board: write_overlay(board.overlay, hwh=hwh_file(address=0x43C10000)), 'the address is'),
            (lambda board: write(board.root, MARKER, 'in use\n' + BOOT_ID), 'Nothing is loaded until somebody has looked'),
            (lambda board: slcr(board, 0x108, 0), 'IO PLL is off'),
            (lambda board: os.remove(board.root + MANAGER + 'firmware'), 'firmware is absent'),
            (lambda board: os.chmod(board.root + '/dev/mem', 0) or shutil.rmtree(board.root + '/dev/mem'), '/dev/mem cannot be opened'),
        )
        for change, reason in cases:
            board = Board(self)
            change(board)
            agent = self.on_board(board, BUS='hang')
            told = self.told(agent)
            self.assertEqual(told['backend'], 'ps')
            self.assertIn(reason, told['pl_refusal'])
            self.assertIn('no PL: ', agent.log_text())
            row = agent.post('/v2/repository/index')[1][0]
            self.assertEqual((row['state'], row['reason']), ('READY', told['pl_refusal']))
            self.assertEqual(agent.infer(CODES)[0], 200)
            self.assertEqual(agent.get('/v2/health/ready')[0], 200)
            self.end(agent)
            self.assertEqual(board.exists(MARKER), 'somebody has looked' in reason)

    def test_a_bus_that_hangs_is_remembered(self):
        board = Board(self)
        agent = self.on_board(board, BUS='hang')
        self.assertIn('did not return within', self.told(agent)['pl_refusal'])
        self.assertIn('about to touch 0x43C00000', agent.log_text())
        self.end(agent)
        self.assertIn('first access to 0x43C00000', board.read(MARKER))
        write(board.root, '/proc/sys/kernel/random/boot_id', 'after the power cycle\n')
        agent = self.on_board(board, BUS='hang')
        self.assertIn('it may have hung', self.told(agent)['pl_refusal'])
        self.assertNotIn('about to touch', agent.log_text())

    def test_a_bus_error_and_a_foreign_design_are_refused_and_forgotten(self):
        board = Board(self)
        for fakes, text in (({'BUS': 'error'}, 'got a bus error'), ({}, 'this bitstream holds another design')):
            agent = self.on_board(board, **fakes)
            self.assertIn(text, self.told(agent)['pl_refusal'])
            self.end(agent)
            self.assertFalse(board.exists(MARKER))
