import json
import os
import shutil
import tempfile
import unittest

from .program import write_package
from .support import SHAPE, Agent, AgentTest

CODES = bytes(range(64))


class Repository(AgentTest):
    def row(self, name):
        status, rows = self.agent.post('/v2/repository/index')
        self.assertEqual(status, 200)
        return next((row for row in rows if row['name'] == name), None)

    def load(self, name, **options):
        return self.agent.post('/v2/repository/models/%s/load' % name, **options)

    def package(self, folder, program=None, **changes):
        self.addCleanup(shutil.rmtree, os.path.join(self.models, folder), True)
        return write_package(self.models, folder, self.program if program is None else program, SHAPE, **changes)

    def test_index_load_unload(self):
        self.assertEqual(self.row('tiny'), {'name': 'tiny', 'version': '1.2.0', 'state': 'READY', 'reason': ''})
        self.package('second')
        self.assertEqual(self.row('second'), {'name': 'second', 'version': '', 'state': 'UNAVAILABLE', 'reason': 'not loaded'})
        self.assertEqual(self.agent.infer(CODES, name='second')[0], 404)
        self.assertEqual(self.load('second'), (200, None))
        self.assertEqual(self.agent.infer(CODES, name='second')[0], 200)
        status, rows = self.agent.post('/v2/repository/index', {'ready': True})
        self.assertTrue({'second', 'tiny'} <= {row['name'] for row in rows})
        self.assertEqual({row['state'] for row in rows}, {'READY'})
        self.assertEqual(self.agent.post('/v2/repository/models/second/unload', {'parameters': {'unload_dependents': False}}),
                         (200, None))
        self.assertEqual(self.row('second')['reason'], 'unloaded')
        status, answer = self.agent.get('/v2/models/second/ready')
        self.assertEqual((status, 'unloaded' in answer['error']), (404, True))
        self.assertEqual(self.agent.post('/v2/repository/models/second/unload')[0], 404)
        self.assertEqual(self.load('second', value={'parameters': {'config': '{}'}})[0], 400)

    def test_a_second_folder_of_models(self):
        with tempfile.TemporaryDirectory() as more:
            write_package(more, 'mine', self.program, SHAPE)
            write_package(more, 'tiny', self.program, SHAPE, version='9.9.9')
            agent = Agent(self.models, '--models', more)
            self.addCleanup(agent.stop)
            self.assertEqual(agent.infer(CODES, name='mine')[0], 200)
            self.assertEqual(agent.get('/v2/models/tiny')[1]['versions'], ['1.2.0'])
            shutil.rmtree(os.path.join(more, 'mine'))
            self.assertEqual(agent.post('/v2/repository/models/mine/load')[0], 400)

    def test_names_cannot_leave_the_folder(self):
        # Nor does what a client asks for stay in the index.
        for name in ('..', '%2e%2e', '..%2fx', '%2fetc', 'a%00b', '.hidden', 'absent', 'x' * 65):
            status, answer = self.load(name)
            self.assertIn(status, (400, 404), name)
            self.assertNotIn('Traceback', json.dumps(answer))
        self.assertIsNone(self.row('absent'))

    def test_a_link_to_outside_is_refused(self):
        folder = self.package('linked')
        outside = os.path.join(os.path.dirname(self.models), 'outside-%d.bin' % os.getpid())
        os.rename(os.path.join(folder, 'program.bin'), outside)
        self.addCleanup(os.remove, outside)
        os.symlink(outside, os.path.join(folder, 'program.bin'))
        status, answer = self.load('linked')
        self.assertEqual(status, 400)
        self.assertIn('link to outside', answer['error'])

    @unittest.skipUnless(hasattr(os, 'mkfifo'), 'named pipes')
    def test_a_pipe_for_a_program_does_not_hang(self):
        path = os.path.join(self.package('piped'), 'program.bin')
        os.remove(path)
        os.mkfifo(path)
        status, answer = self.load('piped')
        self.assertEqual(status, 400)
        self.assertIn('piped/program.bin is not a regular file', answer['error'])

    def test_a_flipped_weight_is_caught_and_with_its_new_hash_changes_the_answer(self):
        _, _, right = self.agent.infer(CODES)
        flipped = bytearray(self.program)
        flipped[self.weight_at] ^= 0x40
        folder = self.package('flipped', self.program)
        with open(os.path.join(folder, 'program.bin'), 'wb') as stream:
            stream.write(flipped)
        status, answer = self.load('flipped')
        self.assertEqual(status, 400)
        for word in ('flipped/program.bin', 'corrupt', 'SHA-256', 'compile'):
            self.assertIn(word, answer['error'])
        self.assertEqual(self.row('flipped')['reason'], answer['error'])
        self.package('flipped', bytes(flipped))
        self.assertEqual(self.load('flipped')[0], 200)
        status, head, wrong = self.agent.infer(CODES, name='flipped')
        self.assertEqual(status, 200)
        self.assertNotEqual(wrong['features'], right['features'])
        self.assertEqual(self.agent.infer(CODES)[2], right)

    def test_a_package_that_is_not_whole_names_file_and_mend(self):
        hashes = {'model.onnx': '0' * 64, 'model.int8.onnx': '0' * 64}
        tensor = {'name': 'image', 'shape': SHAPE, 'scale': 0.03125, 'zeroPoint': 3}
        for changes, words in (
                ({'name': 'other'}, ['metadata.json', "'other'", 'folder']),
                ({'sha256': hashes}, ['program.bin', 'compile']),
                ({'sha256': {}}, ['metadata.json', 'model.int8.onnx']),
                ({'input': 3}, ['metadata.json']),
                ({'input': dict(tensor, name='picture')}, ["'picture'", "'image'", 'compile']),
                ({'input': dict(tensor, shape=[1, 3, 8, 8])}, ['[1, 3, 8, 8]', 'compile']),
                ({'input': dict(tensor, scale=0.5)}, ['0.5', 'compile']),
                ({'input': dict(tensor, zeroPoint=0)}, ['zero point 3', 'compile'])):
            self.package('broken', **changes)
            status, answer = self.load('broken')
            self.assertEqual(status, 400)
            for word in words:
                self.assertIn(word, answer['error'], changes)
        for raw, words in ((b'{', ['not JSON']), (b'[]', ['not a JSON object']), (b'[' * 200000, ['not JSON']), (b'\xff', ['not JSON'])):
            folder = self.package('broken')
            with open(os.path.join(folder, 'metadata.json'), 'wb') as stream:
                stream.write(raw)
            status, answer = self.load('broken')
            self.assertEqual(status, 400)
            for word in words + ['broken/metadata.json', 'restore']:
                self.assertIn(word, answer['error'])
        folder = self.package('broken')
        os.remove(os.path.join(folder, 'program.bin'))
        self.assertIn('program.bin is absent', self.load('broken')[1]['error'])
        self.package('broken', self.program[:-100])
        self.assertIn('refused by the runtime', self.load('broken')[1]['error'])

    def test_a_failed_reload_leaves_the_served_model(self):
        folder = self.package('kept')
        self.assertEqual(self.load('kept')[0], 200)
        before = self.agent.infer(CODES, name='kept')[2]
        with open(os.path.join(folder, 'program.bin'), 'ab') as stream:
            stream.write(b'x')
        self.assertEqual(self.load('kept')[0], 400)
        self.assertEqual(self.agent.infer(CODES, name='kept')[2], before)
        self.assertEqual(self.row('kept')['state'], 'READY')

    def test_reloading_under_fire_never_answers_wrongly(self):
        import threading
        self.package('busy')
        self.load('busy')
        right = self.agent.infer(CODES, name='busy')[2]
        stop = threading.Event()
        seen = []

        def ask():
            connection = self.agent.connect()
            while not stop.is_set():
                seen.append(self.agent.infer(CODES, name='busy', connection=connection)[0::2])
            connection.close()
        threads = [threading.Thread(target=ask) for _ in range(3)]
        for thread in threads:
            thread.start()
        for _ in range(20):
            self.assertEqual(self.load('busy')[0], 200)
        stop.set()
        for thread in threads:
            thread.join()
        self.assertGreater(len(seen), 20)
        self.assertTrue(all(one == (200, right) for one in seen))

    def test_one_bad_package_does_not_keep_the_others_from_being_served(self):
        self.package('bad', b'not a program')
        agent = Agent(self.models)
        self.addCleanup(agent.stop)
        self.assertEqual(agent.infer(CODES)[0], 200)
        self.assertIn('bad/program.bin', agent.log_text())
