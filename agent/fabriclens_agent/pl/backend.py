"""Where programs run: on the core where there is one and they fit, else on the processor; and what happens when the core fails."""

import sys
import threading

from ..runtime import DEVICE, RuntimeFailure
from . import PlRefusal, board

FAILURES = 3  # of the core, one after the other, after which it is left alone
CLOSE_S = 5.0
THREADS = 2  # a Cortex-A9 of a PYNQ-Z2 has two


class Backend:
    """device: a Hardware, a Simulated or None. refusal: why there is none although one was asked for. on_board: this processor is a
    board's, so its clock on the wall is a measurement. processor_instead: programs move there when the core is given up; otherwise their
    requests are refused."""

    def __init__(self, runtime, device=None, refusal='', on_board=False, processor_instead=False):
        self.refusal = refusal
        self.given_up = ''  # why, once the core failed too often or is no longer ours
        self._runtime = runtime
        self._device = device
        self._told = device.describe() if device else {}
        self._ours = True
        self._running = None  # the flag by which the job on the core is cancelled
        self.processor = 'ps' if on_board else 'golden'
        self._on_board = on_board
        self._instead = processor_instead
        self._failures = 0
        self._lock = threading.Lock()  # the core is used, checked and closed by one at a time
        self._placed = []

    @property
    def name(self):
        """Of where programs that can use a core run: 'hardware', 'rtl', 'ps' (a board's processor) or 'golden'."""
        return self._device.backend if self._device and not (self.given_up and self._instead) else self.processor

    @property
    def overlay_sha256(self):
        return self._told.get('overlay_sha256', '')

    @property
    def not_ready(self):
        """Why requests for the core cannot be answered; '' where they can."""
        return '' if self._instead else self.given_up

    def describe(self):
        """Scalars for the server's metadata."""
        told = dict({'backend': self.name}, **self._told)
        if self.refusal or self.given_up:
            told['pl_refusal'] = self.refusal or self.given_up
        return told

    def load(self, data):
        """A Placed program from the bytes of a program.bin. RuntimeFailure."""
        program = self._runtime.load(data)
        if board.processors() >= THREADS:
            try:
                program.set_threads(THREADS)
            except RuntimeFailure as failure:
                print('one thread computes: %s' % failure, file=sys.stderr, flush=True)
        placed = Placed(self, program)
        with self._lock:
            if not self._device:
                placed.refusal = self.refusal
            elif self.given_up and self._instead:
                placed.refusal = self.given_up
            else:
                self._place(placed)
        return placed

    def _place(self, placed):
        try:
            if self._check():
                placed.program.use_core(self._device.core)
            placed.on_core = True
            self._placed.append(placed)
        except RuntimeFailure as failure:
            placed.refusal = str(failure)

    def _check(self):
        """Whether the core may be used now; if not, it is given up."""
        if not self.given_up:
            try:
                self._device.check()
            except PlRefusal as refusal:
                self._ours = False
                self._give_up(str(refusal))
        return not self.given_up

    def run(self, placed, *arguments):
        if placed.on_core:
            with self._lock:
                if self._usable(placed):
                    return self._run_on_core(placed, *arguments)
        results, timing = placed.program.run(*arguments)
        if self._on_board:  # the processor does what the PL would, and the time is what it takes
            timing = timing._replace(source='measured', pl_ns=0, ps_ns=timing.pl_ns + timing.ps_ns)
        return results, timing

    def _usable(self, placed):
        """Whether the core may have the job; False where the processor takes it. RuntimeFailure."""
        if self._check():
            return True
        if not self._instead:
            raise RuntimeFailure(DEVICE, self.given_up)
        self._take_back(placed)
        return False

    def _take_back(self, placed):
        if placed in self._placed:
            self._placed.remove(placed)
            placed.program.use_core(None)
            placed.on_core = False
            placed.refusal = self.given_up

    def _run_on_core(self, placed, inputs, wanted, timeout_ns, cancel):
        self._running = cancel
        try:
            outcome = placed.program.run(inputs, wanted, timeout_ns, cancel)
        except RuntimeFailure as failure:
            if failure.status != DEVICE:
                raise
            self._failures += 1
            print('the core failed, %d of %d in a row: %s' % (self._failures, FAILURES, failure), file=sys.stderr, flush=True)
            if self._failures >= FAILURES:
                self._give_up('the core failed %d times in a row, at last so: %s; restart the agent, or the board' % (FAILURES, failure))
            raise RuntimeFailure(DEVICE, str(failure), not self.given_up)
        finally:
            self._running = None
        self._failures = 0
        return outcome

    def _give_up(self, why):
        self.given_up = why
        print('the PL is given up: %s' % why, file=sys.stderr, flush=True)

    def forget(self, placed):
        with self._lock:
            if placed in self._placed:
                self._placed.remove(placed)
            placed.program.close()

    def close(self):
        """Stops the core and gives its memory back; a job that still runs on it is cancelled."""
        running = self._running
        if running is not None:
            running.value = 1
        if not self._lock.acquire(timeout=CLOSE_S):
            return
        self.given_up = self.given_up or 'the agent is stopping'
        try:
            for placed in list(self._placed):
                self._take_back(placed)
            device, self._device = self._device, None
            if device:
                device.close(self._ours)
        except (RuntimeFailure, OSError) as error:
            print('the PL was not put to rest: %s' % error, file=sys.stderr, flush=True)
        finally:
            self._lock.release()


class Placed:
    """A runtime.Program and where it runs; refusal: why not on the core."""

    def __init__(self, backend, program):
        self._backend = backend
        self.program = program
        self.on_core = False
        self.refusal = ''
        self.model_sha256 = program.model_sha256
        self.layer_count = program.layer_count
        self.macs = program.macs
        self.inputs = program.inputs
        self.outputs = program.outputs
        self.estimate = program.estimate

    @property
    def backend(self):
        return self._backend.name if self.on_core else self._backend.processor

    @property
    def overlay_sha256(self):
        """Of the overlay that it runs on, or ''."""
        return self._backend.overlay_sha256 if self.on_core else ''

    def describe(self):
        """Scalars for the model's metadata."""
        return dict({'backend': self.backend}, **({'pl_refusal': self.refusal} if self.refusal else {}))

    def run(self, inputs, wanted, timeout_ns=0, cancel=None):
        """As runtime.Program.run."""
        return self._backend.run(self, inputs, wanted, timeout_ns, cancel)

    def close(self):
        self._backend.forget(self)
