import errno
import http.client
import os
import shutil
import tempfile

from .faults import FAIL, FULL, KILL, NOTHING, TEAR, Faults
from .support import Agent
from .test_store import StoreTest, listing_of
from .upload import deploy, listing, manifest_of, put, sha256, state

GONE = (ConnectionError, http.client.HTTPException)
CHUNK = 600  # a program of three chunks


class FaultsTest(StoreTest):
    """The agent of StoreTest with every step of its store in the test's hands."""

    def setUp(self):
        folder = tempfile.mkdtemp(prefix='fabriclens-faults-')
        self.addCleanup(shutil.rmtree, folder)
        self.faults = None
        self.preload = lambda root: Faults(folder, root)
        super().setUp()
        self.old = self.files(version='1')
        self.new = self.files(version='2', flip=6)
        self.old_answer = self.answer('tiny')
        self.assertEqual(deploy(self.stored, 'mine', self.new)[0], 200)
        self.new_answer = self.answer()
        self.assertNotEqual(self.old_answer, self.new_answer)

    def start(self, *options, wait=True):
        self.faults = self.faults or self.preload(self.store)
        agent = Agent(self.models, '--store', self.store, '--store-reserve', '0', *options, wait=wait,
                      environment=self.faults.environment)
        self.addCleanup(agent.stop)
        return agent

    def served(self):
        """'old', 'new' or None, and that the manifest on the disk says the same."""
        answer = self.answer()
        self.assertIn(answer, (self.old_answer, self.new_answer, 404))
        which = {self.old_answer: 'old', self.new_answer: 'new', 404: None}[answer]
        files = {'old': self.old, 'new': self.new, None: None}[which]
        manifest = listing(self.store)['models'].get('mine')
        return which, manifest == (files and manifest_of(files))

    def until_done(self, mode, prepare, act, check, error=errno.EIO, steps=range(1, 200)):
        """act() with the fault at its first step, its second, … until it gets by; check() after each. Returns how many there were."""
        for at in steps:
            prepare()
            self.faults.set(mode, at, error)
            with self.subTest(at=at):
                try:
                    outcome = act()
                except GONE:
                    outcome = None
                reached = self.faults.count >= at
                self.faults.set(NOTHING)
                check(outcome, reached)
            if not reached:
                return at - 1
        return len(steps)


class Kill(FaultsTest):
    def killed(self, reached):
        """Waits for the death and starts the agent anew."""
        if reached:
            self.assertEqual(self.stored.process.wait(60), -9)
            self.stored.stop()
            self.stored = self.start()
            self.assertIsNotNone(self.stored.port, self.stored.first_line)

    def finish(self):
        """The deployment goes on where it was; then nothing is left of the old package, nor of the accident."""
        self.assertEqual(deploy(self.stored, 'mine', self.new, CHUNK)[0], 200)
        self.assertEqual(self.served(), ('new', True))
        self.assertEqual(listing(self.store), listing_of({'mine': self.new}))

    def old_package(self):
        self.assertEqual(deploy(self.stored, 'mine', self.old)[0], 200)

    def no_package(self):
        self.stored.request('DELETE', '/v2/store/models/mine')

    def replacing(self, mode, **options):
        def check(outcome, reached):
            self.killed(reached)
            self.assertIn(self.served(), (('old', True), ('new', True)))
            self.finish()
        return self.until_done(mode, self.old_package, lambda: deploy(self.stored, 'mine', self.new, CHUNK), check, **options)

    def test_before_every_step_of_replacing_a_package(self):
        self.assertIn(self.replacing(KILL), range(25, 100))

    def test_in_the_middle_of_every_write_of_replacing_a_package(self):
        self.old_package()
        self.faults.set(NOTHING)
        deploy(self.stored, 'mine', self.new, CHUNK)
        done = self.faults.steps()[-self.faults.count:]
        writes = [at for at, step in enumerate(done, 1) if step[0] == 'write']
        self.assertEqual(self.replacing(TEAR, steps=writes), len(writes))
        self.assertGreaterEqual(len(writes), 5)

    def test_before_every_step_of_a_first_package(self):
        def check(outcome, reached):
            self.killed(reached)
            self.assertIn(self.served(), ((None, True), ('new', True)))
            self.finish()
        steps = self.until_done(KILL, self.no_package, lambda: deploy(self.stored, 'mine', self.new, CHUNK), check)
        self.assertIn(steps, range(25, 100))

    def test_before_every_step_of_removing_a_package(self):
        def check(outcome, reached):
            self.killed(reached)
            which, same = self.served()
            self.assertTrue(same)
            self.assertEqual(listing(self.store), listing_of({'mine': self.old} if which else {}))
        steps = self.until_done(KILL, self.old_package, lambda: self.stored.request('DELETE', '/v2/store/models/mine'), check)
        self.assertIn(steps, range(4, 100))

    def test_before_every_step_of_the_start_after_a_kill(self):
        # What a kill leaves at its worst: an upload, a manifest in the making, and files that nothing names.
        self.old_package()
        kept = put(self.stored, self.new['program.bin'], 0, self.new['program.bin'][:CHUNK])
        self.assertEqual(kept[0], 200)
        self.stored.stop()
        for name, data in (('models/.mine.tmp', b'{'), ('objects/' + '0' * 64, b'x'), ('objects/odd', b'x'),
                           ('incoming/' + sha256(self.old['program.bin']), self.old['program.bin']), ('incoming/odd', b'x')):
            with open(os.path.join(self.store, name), 'wb') as stream:
                stream.write(data)
        for at in range(1, 50):
            self.faults.set(KILL, at)
            self.stored = self.start(wait=False)
            if self.stored.port:
                break
            self.assertEqual(self.stored.process.wait(60), -9)
        self.assertGreater(at, 5)
        self.faults.set(NOTHING)
        self.stored.until(self.stored.ready)
        self.assertEqual(self.served(), ('old', True))
        self.assertEqual(dict(listing(self.store), incoming=[]), listing_of({'mine': self.old}))
        self.assertEqual(state(self.stored, self.new['program.bin']), (CHUNK, False))
        self.finish()

    def test_what_was_answered_for_is_not_sent_again(self):
        program = self.old['program.bin']
        for at in range(3, 11):
            self.no_package()
            self.faults.set(KILL, at)
            answered = 0
            try:
                while answered < len(program):
                    answered = put(self.stored, program, answered, program[answered:answered + CHUNK])[1]['bytes']
                raise AssertionError('no death in %d steps' % self.faults.count)
            except GONE:
                self.faults.set(NOTHING)
                self.killed(True)
            self.assertGreaterEqual(state(self.stored, program)[0], answered)
            self.assertEqual(deploy(self.stored, 'mine', self.old)[0], 200)


class Full(FaultsTest):
    def after_failure(self, statuses):
        def check(outcome, reached):
            status, answer = outcome
            self.assertIn(status, statuses + (() if reached and status != 200 else (200,)), answer)
            which, same = self.served()
            self.assertEqual(which, 'new' if status == 200 else 'old')
            self.assertTrue(same or status != 200)
            self.assertEqual(deploy(self.stored, 'mine', self.new, CHUNK)[0], 200)
            self.assertEqual(self.served(), ('new', True))
            self.assertEqual(listing(self.store), listing_of({'mine': self.new}))
        return check

    def replacing(self, mode, error, statuses):
        def prepare():
            self.assertEqual(deploy(self.stored, 'mine', self.old)[0], 200)
        return self.until_done(mode, prepare, lambda: deploy(self.stored, 'mine', self.new, CHUNK), self.after_failure(statuses), error)

    def test_the_disk_is_full_from_every_step_on(self):
        self.assertGreater(self.replacing(FULL, errno.ENOSPC, (507,)), 25)

    def test_every_step_fails_once(self):
        self.assertGreater(self.replacing(FAIL, errno.EIO, (500,)), 25)
