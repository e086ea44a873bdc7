"""The models in memory: load, unload, look up, count. A model in use stays until its last request has ended."""

import contextlib
import sys
import threading
import time

from .errors import PackageError, RequestError
from .packages import check_program, find_package, package_folders, read_package
from .runtime import Estimate, RuntimeFailure
from .turns import Job

TRY_OUT_NS = 300 * 10 ** 9  # a program that takes longer would keep the accelerator from everybody else


class Statistics:
    """Counts and nanoseconds, as Triton's statistics extension names them."""

    def __init__(self):
        self._lock = threading.Lock()
        self.last_ms = 0
        self.inferences = 0  # a batch counts as many as it holds; each is an execution of its own
        self.durations = {kind: [0, 0] for kind in
                          ('success', 'fail', 'queue', 'compute_input', 'compute_infer', 'compute_output', 'cancel')}

    def add(self, inferences=0, **nanoseconds):
        with self._lock:
            self.inferences += inferences
            self.last_ms = int(time.time() * 1000)
            for kind, value in nanoseconds.items():
                self.durations[kind][0] += 1
                self.durations[kind][1] += value

    def describe(self, name, version):
        with self._lock:
            return {
                'name': name, 'version': version, 'last_inference': self.last_ms,
                'inference_count': self.inferences, 'execution_count': self.inferences,
                'inference_stats': {kind: {'count': count, 'ns': ns} for kind, (count, ns) in self.durations.items()},
                'batch_stats': [],
            }


class Model:
    def __init__(self, package, program, estimate):
        self.name = package.name
        self.version = package.version
        self.sha256 = package.sha256
        self.program = program
        self.statistics = Statistics()
        self._lock = threading.Lock()
        self._users = 1  # the repository itself
        self._estimate = estimate  # an Estimate, or the RuntimeFailure that says why there is none

    def estimate(self):
        """Of the clock and memory that the library presumes, found once. Raises RuntimeFailure where the core cannot run it."""
        with self._lock:
            if self._estimate is None:
                self._estimate = _estimated(self.program)
        if isinstance(self._estimate, RuntimeFailure):
            raise self._estimate
        return self._estimate

    @property
    def pl_ns(self):
        """Nanoseconds of the core by the cycle model; None where they were not found at load."""
        if not isinstance(self._estimate, Estimate):
            return None
        return self._estimate.cycles * 1000000 // self._estimate.clock_khz

    def acquire(self):
        with self._lock:
            self._users += 1

    def release(self):
        with self._lock:
            self._users -= 1
            last = self._users == 0
        if last:
            self.program.close()


def _estimated(program):
    try:
        return program.estimate()
    except RuntimeFailure as failure:
        return failure


class Repository:
    """The model packages in `store` (a Store, or None) and in the folders `roots`, run by `accelerator`, one at a time in `turns`. Of two
    with one name that of the store is served, then that of the first folder."""

    def __init__(self, roots, accelerator, turns, store=None):
        self.roots = roots
        self.store = store
        self.accelerator = accelerator
        self._turns = turns
        self._lock = threading.Lock()
        self._loading = threading.Lock()
        self._models = {}
        self._reasons = {}

    @property
    def backend(self):
        return self.accelerator.name

    def load_all(self):
        for name in self._names():
            try:
                self.load(name)
            except Exception as error:  # out of memory, say: the next package may be smaller
                print('model %s is not served: %s' % (name, error or type(error).__name__), file=sys.stderr, flush=True)

    def load(self, name):
        """Reads the package, loads its program, runs it once, and only then puts it in place of a model of that name.
        Raises PackageError, or busy where too many wait for the accelerator; what was served before stays."""
        with self._loading:
            self._load(name)

    def replace(self, name, source, commit):
        """As load(), of a package from `source`; commit() between its trial and its place, whose error leaves what was served."""
        with self._loading:
            self._load(name, source, commit)

    def withdraw(self, name, remove):
        """Where remove() says that it took the package away, what has its name in a folder is served instead, or nothing."""
        with self._loading:
            if not remove():
                raise RequestError(404, 'the store holds no package of model %r' % name)
            self._serve(name, None)
            if name in package_folders(self.roots):
                with contextlib.suppress(PackageError):  # the index says why it is not served
                    self._load(name)

    def _names(self):
        return sorted(set(package_folders(self.roots)) | set(self.store.names() if self.store else ()))

    def _source(self, name):
        stored = self.store.package(name) if self.store else None
        return stored or find_package(self.roots, name)

    def _load(self, name, source=None, commit=lambda: None):
        try:
            package = read_package(source or self._source(name), name)
            try:
                program = self.accelerator.load(package.program)
            except RuntimeFailure as error:
                raise PackageError('%s/program.bin was refused by the runtime (%s); compile the model again' % (name, error))
            try:
                check_program(package, program)
                self._try_out(name, program)
                # On a real board the time is measured; there nobody waits for an estimate before it is asked for.
                estimate = _estimated(program) if program.backend == 'golden' else None
                commit()
            except BaseException:
                program.close()
                raise
        except PackageError as error:
            if name in self._names():  # not whatever name a client thinks of
                with self._lock:
                    self._reasons[name] = str(error)
            raise
        self._serve(name, Model(package, program, estimate))
        print('model %s version %s loaded: %d layers, %d MMAC' %
              (name, package.version, program.layer_count, program.macs // 1000000), file=sys.stderr, flush=True)

    def _serve(self, name, model, reason=None):
        """Puts `model`, or for that reason none, in the place of what has its name. True where something was served."""
        with self._lock:
            previous = self._models.pop(name, None)
            if model:
                self._models[name] = model
            if reason and previous:
                self._reasons[name] = reason
            else:
                self._reasons.pop(name, None)
        if previous:
            previous.release()
        return previous is not None

    def _try_out(self, name, program):
        """Ready means that it has run: one inference of an input of zeros, for the result's existence only."""
        inputs = [('INT8', bytearray([tensor.zero_point & 0xff]) * tensor.elements) for tensor in program.inputs]
        job = Job()
        self._turns.take(job, None)
        try:
            while True:  # a core that failed once has been reset; the backend says when it is not to be tried again
                try:
                    program.run(inputs, [True] * len(program.outputs), TRY_OUT_NS, job.flag)
                    return
                except RuntimeFailure as error:
                    if job.cancelled:  # the agent is stopping
                        raise job.ended()
                    if not error.again:
                        raise PackageError('%s/program.bin loads but does not run (%s)' % (name, error))
        finally:
            self._turns.give_back()

    def unload(self, name):
        if not self._serve(name, None, 'unloaded'):
            raise RequestError(404, 'model %r is not loaded' % name)

    @contextlib.contextmanager
    def use(self, name, version=None):
        """The model, which cannot go away inside the `with`. RequestError 404 where it is not served."""
        with self._lock:
            model = self._models.get(name)
            if model:
                model.acquire()
            reason = self._reasons.get(name)
        if not model:
            raise RequestError(404, 'model %r is not served here%s' % (name, ': ' + reason if reason else ''))
        try:
            if version is not None and version != model.version:
                raise RequestError(404, 'model %r is served in version %s, not %s' % (name, model.version, version))
            yield model
        finally:
            model.release()

    def ready(self):
        """Names of the models that are served, sorted."""
        with self._lock:
            return sorted(self._models)

    def index(self):
        """Triton's repository index: every package there is, served or with the reason why not."""
        with self._lock:
            names = set(self._models) | set(self._reasons)
            models, reasons = dict(self._models), dict(self._reasons)
        names.update(self._names())
        rows = []
        for name in sorted(names):
            model = models.get(name)
            rows.append({'name': name, 'version': model.version if model else '',
                         'state': 'READY' if model else 'UNAVAILABLE',
                         'reason': model.program.refusal if model else reasons.get(name, 'not loaded')})
        return rows
