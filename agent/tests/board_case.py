"""Tests of the agent on a board: a root with an image's files, a kernel and a bus as kernel.c has them, and where it is asked for the Verilated core
behind the registers and the contiguous memory (hls/sim/simulated_board.cpp)."""

import os
import select
import shutil
import signal
import subprocess
import tempfile
import unittest

from .board import Board, environment
from .program import tiny_program, write_package
from .support import SHAPE, Agent

SIMULATED_BOARD = os.environ.get('FABRICLENS_SIMULATED_BOARD', '')
CODES = bytes(range(64))
MARKER = '/var/lib/fabriclens/touching-pl'


class Core:
    """simulated_board in `folder`; tell() gives it a command."""

    def __init__(self, test, folder, memory=16 << 20, address=0x16800000):
        self.process = subprocess.Popen([SIMULATED_BOARD, folder, str(memory), str(address)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
        test.addCleanup(self.end)
        self.expect('serving')

    def expect(self, start):
        if not select.select([self.process.stdout], [], [], 60)[0]:
            raise AssertionError('simulated_board is silent')
        line = self.process.stdout.readline().decode()
        if not line.startswith(start):
            raise AssertionError('simulated_board said %r' % line)

    def tell(self, command):
        self.process.stdin.write(command.encode() + b'\n')
        self.expect('ok')

    def end(self):
        self.process.kill()
        self.process.wait(10)
        self.process.stdin.close()
        self.process.stdout.close()


class Case(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.models = tempfile.mkdtemp(prefix='fabriclens-agent-')
        cls.addClassCleanup(shutil.rmtree, cls.models)
        write_package(cls.models, 'tiny', tiny_program()[0], SHAPE, version='1.2.0')

    def agent(self, *options, wait=True, **fakes):
        agent = Agent(self.models, *options, wait=wait, environment=environment(**fakes))
        self.addCleanup(agent.stop)
        return agent

    def on_board(self, board, *options, **fakes):
        return self.agent('--board-root', board.root, '--overlay', board.overlay, *options, **fakes)

    def board(self, **options):
        """With a core in its PL, whose memory the processor caches."""
        board = Board(self, **options)
        folder = os.path.dirname(board.root)
        core = Core(self, folder, os.path.getsize(board.memory))
        os.remove(board.registers)
        os.link(os.path.join(folder, 'registers'), board.registers)
        os.link(os.path.join(folder, 'memory'), board.root + '/dram')
        board.core = core
        return board

    def told(self, agent):
        return agent.get('/v2')[1]['parameters']

    def contents(self, path):
        with open(path, 'rb') as stream:
            return stream.read().strip(b'\0')

    def golden(self):
        agent = self.agent()
        answer = agent.infer(CODES)[2]
        agent.stop()
        return answer

    def end(self, agent):
        agent.process.send_signal(signal.SIGTERM)
        self.assertEqual(agent.process.wait(30), 0)
