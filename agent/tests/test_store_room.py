import contextlib
import os
import resource
import subprocess
import unittest

from fabriclens_agent.store import PENDING_FILES

from .support import Agent
from .test_store import StoreTest, listing_of
from .upload import deploy, listing, manifest_of, put, send, sha256, state


class Room(StoreTest):
    def test_the_reserve_stays_free(self):
        files = self.files()
        deploy(self.stored, 'mine', files)
        self.restart('--store-reserve', str(1 << 30))
        self.assertEqual(self.stored.get('/v2/store')[1]['free_bytes'], 0)
        new = self.files(version='2', flip=6)
        status, answer = deploy(self.stored, 'mine', new)
        self.assertEqual(status, 507)
        for words in ('%d more bytes are needed' % len(new['metadata.json']), '%d of them stay free' % (1 << 50), 'remove'):
            self.assertIn(words, answer['error'])
        self.assertEqual(self.answer(), self.answer('tiny'))
        self.assertEqual(listing(self.store), listing_of({'mine': files}))

    def test_a_write_that_the_system_cuts_short_is_taken_back(self):
        self.stored.stop()
        limit = 1 << 16
        self.stored = Agent(self.models, '--store', self.store, '--store-reserve', '0',
                            before=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)))
        self.addCleanup(self.stored.stop)
        data = os.urandom(100000)
        status, answer = send(self.stored, data, 40000)
        self.assertEqual((status, 'the store is full (File too large)' in answer['error']), (507, True))
        self.assertEqual(state(self.stored, data), (40000, False))
        status, answer = put(self.stored, data[1:], 0, data[1:])
        self.assertEqual(status, 507)
        self.assertEqual(state(self.stored, data[1:]), (0, False))
        self.assertEqual(len(listing(self.store)['incoming']), 1)
        self.assertEqual(deploy(self.stored, 'mine', self.files())[0], 200)
        self.restart()
        self.assertEqual(send(self.stored, data, 40000)[0], 200)

    def test_a_disk_that_is_full_takes_no_package_and_a_disk_with_room_again_does(self):
        with small_disk(self.folder) as disk:
            self.stored.stop()
            self.store = os.path.join(disk, 'store')
            self.stored = self.start()
            self.addCleanup(self.stored.stop)
            old, new = self.files(version='1'), self.files(version='2', flip=6)
            self.assertEqual(deploy(self.stored, 'mine', old)[0], 200)
            before = self.answer()
            for data in new.values():
                self.assertEqual(send(self.stored, data, 1000)[0], 200)
            fill(os.path.join(disk, 'filler'))
            status, _, raw = self.stored.request('PUT', '/v2/store/models/mine', manifest_of(new))
            self.assertEqual((status, 'No space left' in raw.decode()), (507, True))
            more = os.urandom(5000)
            status, answer = send(self.stored, more, 1000)
            self.assertEqual((status, '5000 more bytes are needed, 0 are free' in answer['error']), (507, True))
            self.assertEqual(self.answer(), before)
            self.restart()
            self.assertEqual(self.answer(), before)
            os.remove(os.path.join(disk, 'filler'))
            self.assertEqual(deploy(self.stored, 'mine', new)[0], 200)
            self.assertNotEqual(self.answer(), before)
            self.assertEqual(listing(self.store), listing_of({'mine': new}))
            self.stored.stop()

    def test_abandoned_uploads_make_room_and_others_do_not(self):
        starts = [b'%05d' % k for k in range(PENDING_FILES)]
        for age, data in enumerate(starts):
            self.assertEqual(put(self.stored, data, 0, data[:1])[0], 200)
            # Which one is the oldest is told by the clock of the disk, on many kernels a coarse one.
            os.utime(os.path.join(self.store, 'incoming', sha256(data) + '.part'), (age, age))
        status, answer = put(self.stored, b'one more', 0, b'o')
        self.assertEqual((status, 'are being sent already' in answer['error']), (503, True))
        self.assertEqual(put(self.stored, starts[0], 1, starts[0][1:])[0], 200)
        self.restart()  # after which nobody is known to go on with any
        self.assertEqual(put(self.stored, starts[2], 1, starts[2][1:2])[0], 200)
        for data in (b'one more', b'and one'):
            self.assertEqual(put(self.stored, data, 0, data[:1])[0], 200)
        self.assertEqual([state(self.stored, data)[0] for data in starts[:5]], [5, 0, 2, 0, 1])


@contextlib.contextmanager
def small_disk(folder):
    """A file system of 256 KiB."""
    disk = os.path.join(folder, 'disk')
    os.mkdir(disk)
    if subprocess.run(['mount', '-t', 'tmpfs', '-o', 'size=256k', 'tmpfs', disk], stderr=subprocess.DEVNULL, timeout=30).returncode:
        raise unittest.SkipTest('mounting a small disk needs more rights')
    try:
        yield disk
    finally:
        subprocess.run(['umount', '-l', disk], check=True, timeout=30)


def fill(path):
    with open(path, 'wb', buffering=0) as stream, contextlib.suppress(OSError):
        while stream.write(bytes(4096)):
            pass
