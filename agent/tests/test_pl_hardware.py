"""The whole way to a core and back."""

import os
import shutil
import tempfile
import unittest

from fabriclens_agent import layout

from .board import BOOT_ID, write
from .board_case import CODES, MARKER, SIMULATED_BOARD, Case, Core
from .program import large_program, slow_program, write_package
from .support import SLOW_SHAPE, Agent


@unittest.skipUnless(SIMULATED_BOARD, 'FABRICLENS_SIMULATED_BOARD: hls/sim\'s simulated_board')
class HardwareTest(Case):
    def test_from_overlay_to_answer_to_rest(self):
        board = self.board()
        agent = self.on_board(board)
        told = self.told(agent)
        self.assertEqual((told['backend'], told['board'], told['clock_khz'], told['core_memory_bytes']),
                         ('hardware', 'Pynq-Z2, PYNQ v3.0', 100000, 16 << 20), told)
        self.assertEqual(board.read(MARKER).split('\n'), ['in use', BOOT_ID])
        status, head, answer = agent.infer(CODES)
        self.assertEqual((status, answer), (200, self.golden()))
        parameters = head['parameters']
        self.assertEqual((parameters['backend'], parameters['timing_source'], parameters['overlay_sha256']), ('hardware', 'measured', told['overlay_sha256']))
        self.assertGreater(parameters['timing_pl_ns'], 0)
        self.assertTrue(board.read('/syncs'))
        second = self.on_board(board)
        self.assertIn('another agent on this board uses the PL', self.told(second)['pl_refusal'])
        memories = board.memory, board.root + '/dram'
        self.assertTrue(all(map(self.contents, memories)))
        self.end(agent)
        self.assertFalse(any(map(self.contents, memories)))
        self.assertFalse(board.exists(MARKER))
        self.assertEqual(self.told(self.on_board(board))['backend'], 'hardware')

    def test_a_bus_that_fails_once_while_a_model_is_tried_out_costs_nobody_the_model(self):
        board = self.board()
        agent = self.on_board(board)
        board.core.tell('fault read slverr')
        self.assertEqual(agent.post('/v2/repository/models/tiny/load')[0], 200)
        self.assertIn('the core failed, 1 of 3 in a row', agent.log_text())
        status, head, answer = agent.infer(CODES)
        self.assertEqual((status, answer, head['parameters']['backend']), (200, self.golden(), 'hardware'))

    def test_another_program_takes_the_pl(self):
        for options, status in (((), 503), (('--ps-fallback',), 200)):
            board = self.board()
            agent = self.on_board(board, *options)
            self.assertEqual(agent.infer(CODES)[0], 200)
            write(board.root, '/lib/firmware/theirs.bin', b'loaded by a notebook')
            board.core.tell('hang')  # whatever touched it now would wait
            code, answer, _ = agent.infer(CODES)
            self.assertEqual(code, status, answer)
            ready = agent.get('/v2/health/ready')
            self.assertEqual((ready[0], agent.get('/v2/models/tiny/ready')[0]), (status, status))
            self.assertIn('(/lib/firmware changed)', self.told(agent)['pl_refusal'])
            if status == 200:
                self.assertEqual((answer['parameters']['backend'], self.told(agent)['backend']), ('ps', 'ps'))
            else:
                self.assertIn('(/lib/firmware changed)', answer['error'])
            self.end(agent)
            with open(board.root + '/dev/mem/f8000000', 'rb') as stream:
                stream.seek(0x240)
                self.assertEqual(stream.read(1), b'\0')  # theirs is not held in reset

    def test_a_bus_error_is_one_request_and_three_are_the_end(self):
        board = self.board()
        agent = self.on_board(board)
        expected = agent.infer(CODES)[2]
        for fault in ('fault read slverr', 'fault write decerr'):
            board.core.tell(fault)
            status, answer, _ = agent.infer(CODES)
            self.assertEqual(status, 503, answer)
            self.assertIn('bus error on a %s' % fault.split()[1], answer['error'])
            self.assertEqual(agent.infer(CODES)[2], expected)
        for count in range(3):
            board.core.tell('fault read decerr')
            self.assertEqual(agent.infer(CODES)[0], 503)
            self.assertEqual(agent.get('/v2/health/ready')[0], 503 if count == 2 else 200)
        status, answer, _ = agent.infer(CODES)
        self.assertEqual(status, 503)
        self.assertIn('the core failed 3 times in a row', answer['error'])
        self.assertEqual(agent.get('/v2/models/tiny/ready')[0], 503)
        self.end(agent)

    def test_a_model_that_does_not_fit_says_so(self):
        board = self.board(memory=8 << 20)
        write_package(self.models, 'large', large_program(), [1, 16, 512, 512])
        self.addCleanup(shutil.rmtree, os.path.join(self.models, 'large'))
        agent = self.on_board(board)
        rows = {row['name']: row['reason'] for row in agent.post('/v2/repository/index')[1]}
        self.assertEqual(rows['tiny'], '')
        self.assertIn('bytes of the core\'s memory; of its 8388608 bytes', rows['large'])
        self.assertEqual((agent.get('/v2/models/tiny')[1]['parameters']['backend'], agent.get('/v2/models/large')[1]['parameters']['backend']), ('hardware', 'ps'))
        self.assertEqual(agent.get('/v2/models/large')[1]['parameters']['pl_refusal'], rows['large'])

    def test_killed_it_comes_back_without_the_pl(self):
        board = self.board()
        agent = self.on_board(board)
        self.assertEqual(self.told(agent)['backend'], 'hardware')
        self.assertEqual(agent.infer(CODES)[0], 200)
        agent.process.kill()
        agent.process.wait(10)
        Agent.until(lambda: not self.contents(board.memory), 30)  # what held a tensor is zeroed by who is left
        again = self.on_board(board, BUS='hang')
        self.assertIn('was in use (in use) when the agent last ended without a word; the board runs on since', self.told(again)['pl_refusal'])
        self.end(again)
        os.remove(board.root + MARKER)
        self.assertEqual(self.told(self.on_board(board))['backend'], 'hardware')

    def test_killed_in_the_middle_of_a_segment_nothing_writes_the_memory_any_more(self):
        board = self.board()
        write_package(self.models, 'slow', slow_program(40), SLOW_SHAPE)
        self.addCleanup(shutil.rmtree, os.path.join(self.models, 'slow'))
        agent = self.on_board(board, wait=False)
        Agent.until(lambda: self.word(board, layout.REGISTER_STATUS) & layout.STATUS_BIT_BUSY)  # its trial at the start
        agent.process.kill()
        agent.process.wait(10)
        Agent.until(lambda: not self.contents(board.memory), 30)
        self.assertFalse(self.word(board, layout.REGISTER_STATUS) & layout.STATUS_BIT_BUSY)

    def test_stopped_while_a_model_is_tried_out_it_puts_the_pl_to_rest(self):
        board = self.board()
        write_package(self.models, 'slow', slow_program(40), SLOW_SHAPE)
        self.addCleanup(shutil.rmtree, os.path.join(self.models, 'slow'))
        agent = self.on_board(board, wait=False)
        Agent.until(lambda: self.word(board, layout.REGISTER_STATUS) & layout.STATUS_BIT_BUSY)
        self.end(agent)
        self.assertFalse(board.exists(MARKER))
        self.assertFalse(self.contents(board.memory))
        self.assertFalse(self.word(board, layout.REGISTER_STATUS) & layout.STATUS_BIT_BUSY)

    def word(self, board, offset):
        with open(board.registers, 'rb') as stream:
            return int.from_bytes(stream.read()[offset:offset + 4], 'little')

    def test_the_simulated_board(self):
        with tempfile.TemporaryDirectory() as folder:
            agent = self.agent('--simulated-board', folder)
            self.assertIn('cannot be mapped', self.told(agent)['pl_refusal'])
            core = Core(self, folder, address=0x10000000)
            agent = self.agent('--simulated-board', folder)
            self.assertEqual(self.told(agent)['backend'], 'rtl')
            status, head, answer = agent.infer(CODES)
            self.assertEqual((status, answer), (200, self.golden()))
            self.assertEqual((head['parameters']['backend'], head['parameters']['timing_source']), ('rtl', 'rtl'))
            core.tell('fault read slverr')
            self.assertEqual(agent.infer(CODES)[0], 503)
            self.assertEqual(agent.infer(CODES)[2], answer)
            self.end(agent)


