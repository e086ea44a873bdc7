import os
import random
import shutil
import tempfile

from fabriclens_agent.errors import RequestError
from fabriclens_agent.manifest import parse_manifest
from fabriclens_agent.packages import read_package
from fabriclens_agent.store import Store

from .disk import Disk
from .faults import KILL, NOTHING
from .test_store import listing_of
from .test_store_kill import CHUNK, GONE, FaultsTest
from .upload import deploy, listing, manifest_of, put, sha256

RANDOM_CUTS = 6


class Power(FaultsTest):
    """Cuts the power after every step of a life of a store: in the model of tests/disk.py, whose remains the store itself then takes up."""

    def setUp(self):
        super().setUp()
        self.promises = [(0, {'may': self.new})]  # (steps done when the agent answered, what it promised by that)
        self.promise(must=self.new)
        self.remove()

    def remove(self):
        self.promise(may=None)
        self.assertEqual(self.stored.request('DELETE', '/v2/store/models/mine')[0], 200)
        self.promise(must=None)

    def promise(self, **what):
        self.promises.append((len(self.faults.steps()), what))

    def send(self, files):
        """Chunk by chunk, so that each answer is a promise."""
        for data in files.values():
            for offset in range(0, len(data), CHUNK):
                status, answer = put(self.stored, data, offset, data[offset:offset + CHUNK])
                self.assertEqual((status, answer['bytes']), (200, min(len(data), offset + CHUNK)))
                self.promise(file=data, bytes=answer['bytes'])

    def deploy(self, files):
        self.send(files)
        self.promise(may=files)
        self.assertEqual(deploy(self.stored, 'mine', files)[0], 200)
        self.promise(must=files)

    def test_replacing_and_removing(self):
        self.deploy(self.old)
        self.deploy(self.new)
        self.remove()
        self.cut_everywhere()

    def test_after_a_kill_before_the_new_manifest_was_synchronised(self):
        self.deploy(self.old)
        self.send(self.new)
        self.promise(may=self.new)
        for at in range(1, 100):
            self.faults.set(KILL, at)
            try:
                deploy(self.stored, 'mine', self.new)
                raise AssertionError('no rename in %d steps' % at)
            except GONE:
                self.faults.set(NOTHING)
            self.stored.process.wait(60)
            self.stored.stop()
            if self.faults.steps()[-1][0] == 'rename':
                break
            self.stored = self.start()
        self.stored = self.start()
        self.assertEqual(self.served(), ('new', True))
        self.cut_everywhere()

    def cut_everywhere(self):
        steps = self.faults.steps()
        self.assertEqual({step[0] for step in steps}, {'mkdir', 'create', 'write', 'sync', 'rename', 'link', 'unlink'})
        disk = Disk(self.store)
        for done, step in enumerate(steps, 1):
            disk.apply(*step)
            drawn = random.Random(done)
            chance = [lambda: drawn.random() < 0.5] * 2
            for names, writes in [(lambda: False, lambda: False), (lambda: True, lambda: False), (lambda: False, lambda: True),
                                  (lambda: True, lambda: True)] + [chance] * RANDOM_CUTS:
                folder = tempfile.mkdtemp(dir=self.folder)
                disk.after_cut(names, writes, folder)
                with self.subTest(done=done, step=step):
                    self.take_up(folder, done)
                shutil.rmtree(folder)

    def take_up(self, folder, done):
        """The store on what was left: it keeps what was promised, holds nothing half, and takes the new package."""
        packages = [None]  # that may be there
        parts = {}
        for _, what in (promise for promise in self.promises if promise[0] <= done):
            if 'must' in what:
                packages, parts = [what['must']], {}
            elif 'may' in what:
                packages.append(what['may'])
            else:
                parts[sha256(what['file'])] = what['bytes']
        store = Store(folder, 0)
        try:
            manifest = store.manifest('mine')
            self.assertIn(manifest and manifest.text, [files and manifest_of(files) for files in packages])
            if manifest:
                read_package(store.package('mine'), 'mine')
            for digest, count in parts.items():
                self.assertGreaterEqual(store.state(digest)[0], count)
            self.finish(store)
        finally:
            os.close(store._held)
        left = listing(folder)
        old = {sha256(data) for data in self.old.values()}
        self.assertLessEqual({name.partition('.')[0] for name in left.pop('incoming')}, old)  # such an upload may go on
        self.assertEqual(dict(left, incoming=[]), listing_of({'mine': self.new}))

    def finish(self, store):
        manifest = parse_manifest({'files': [{'name': name, 'bytes': len(data), 'sha256': sha256(data)}
                                             for name, data in self.new.items()]})
        for data in self.new.values():
            try:
                self.send_rest(store, data)
            except RequestError as error:  # bytes that were not answered for and did not survive
                self.assertEqual(error.status, 422)
                self.send_rest(store, data)
        store.commit('mine', manifest)
        read_package(store.package('mine'), 'mine')

    @staticmethod
    def send_rest(store, data):
        have, whole = store.state(sha256(data))
        if not whole:
            store.append(sha256(data), have, len(data), data[have:])
