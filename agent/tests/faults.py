"""An agent whose disk can be made to fail, or whose process to die, at any step of its store (tests/faults.c)."""

import errno
import mmap
import os
import struct
import subprocess

NOTHING, KILL, TEAR, FAIL, FULL = range(5)
SOURCE = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'faults.c')


class Faults:
    """For the agents that are started with `environment`. folder: for the built library and its files; root: what is watched."""

    def __init__(self, folder, root):
        library = os.path.join(folder, 'faults.so')
        subprocess.run([os.environ.get('CC', 'cc'), '-O1', '-Wall', '-Werror', '-shared', '-fPIC', '-o', library, SOURCE, '-ldl', '-pthread'],
                       check=True, timeout=120)
        control = os.path.join(folder, 'control')
        with open(control, 'wb') as stream:
            stream.write(bytes(16))
        with open(control, 'r+b') as stream:
            self._shared = mmap.mmap(stream.fileno(), 16)
        self.log = os.path.join(folder, 'log')
        self.environment = {'LD_PRELOAD': library, 'FAULTS_ROOT': root, 'FAULTS_CONTROL': control, 'FAULTS_LOG': self.log}

    def set(self, mode, at=0, error=errno.EIO):
        """From now on: the at-th step, counted from 1, is that of the process's death (KILL before it, TEAR in the middle of it or
        right after), or fails with `error` (FAIL), as do all after it that take room (FULL)."""
        self._shared[:] = struct.pack('4i', NOTHING, 0, 0, 0)
        self._shared[:] = struct.pack('4i', mode, at, error, 0)

    @property
    def count(self):
        """Steps since set()."""
        return struct.unpack_from('i', self._shared, 12)[0]

    def steps(self):
        """What was done, as lists of words."""
        with open(self.log) as stream:
            return [line.rstrip('\n').split('\t') for line in stream]
