import json
import os
import shutil
import tempfile
import threading

from .program import write_package
from .support import SHAPE, Agent, AgentTest
from .upload import CODES, deploy, files_in, listing, manifest_of, put, sha256, state


class StoreTest(AgentTest):
    """An agent with an empty store and the folder package `tiny`."""

    def setUp(self):
        # In memory where that can be: fsync is what takes time here, and what a cut takes away is a model's (tests/disk.py).
        self.folder = tempfile.mkdtemp(prefix='fabriclens-store-', dir='/dev/shm' if os.path.isdir('/dev/shm') else None)
        self.addCleanup(shutil.rmtree, self.folder)
        self.store = os.path.join(self.folder, 'store')
        self.stored = self.start()

    def start(self, *options):
        agent = Agent(self.models, '--store', self.store, '--store-reserve', '0', *options)
        self.addCleanup(agent.stop)
        self.assertIsNotNone(agent.port, agent.first_line)
        return agent

    def restart(self, *options):
        self.stored.stop()
        self.stored = self.start(*options)

    def files(self, name='mine', version='1', flip=None, **more):
        """{name: bytes} of a package; flip: that bit of a weight is turned."""
        program = bytearray(self.program)
        if flip is not None:
            program[self.weight_at] ^= 1 << flip
        root = tempfile.mkdtemp(dir=self.folder)
        return dict(files_in(write_package(root, name, bytes(program), SHAPE, version=version)), **more)

    def answer(self, name='mine', agent=None):
        status, _, values = (agent or self.stored).infer(CODES, name=name)
        return values['features'] if status == 200 else status


class Uploading(StoreTest):
    def test_a_package_in_chunks_is_served_now_and_after_a_restart(self):
        self.assertIn('fabriclens_store', self.stored.get('/v2')[1]['extensions'])
        files = self.files(**{'CARD.md': b'# Mine\n'})
        status, answer = deploy(self.stored, 'mine', files, chunk=1000)
        self.assertEqual((status, answer), (200, {'name': 'mine', 'package': sha256(manifest_of(files))}))
        self.assertEqual(self.answer(), self.answer('tiny'))
        self.assertEqual(self.stored.get('/v2/models/mine')[1]['parameters']['program_sha256'], sha256(files['program.bin']))
        status, said = self.stored.get('/v2/store')
        self.assertEqual([said['pending_bytes'], [dict(row, files=len(row['files'])) for row in said['models']]],
                         [0, [{'name': 'mine', 'package': answer['package'], 'files': 3}]])
        self.restart()
        self.assertEqual(self.answer(), self.answer('tiny'))
        self.assertEqual(listing(self.store), listing_of({'mine': files}))

    def test_a_new_package_takes_the_place_of_the_old_and_nothing_of_that_stays(self):
        first, second = self.files(version='1'), self.files(version='2', flip=6)
        deploy(self.stored, 'mine', first)
        before = self.answer()
        deploy(self.stored, 'mine', second)
        self.assertNotEqual(self.answer(), before)
        self.assertEqual(self.stored.get('/v2/models/mine')[1]['versions'], ['2'])
        self.assertEqual(listing(self.store), listing_of({'mine': second}))
        deploy(self.stored, 'mine', first)
        self.assertEqual(self.answer(), before)

    def test_what_the_store_has_is_not_sent_again(self):
        files = self.files()
        deploy(self.stored, 'mine', files)
        self.assertEqual(state(self.stored, files['program.bin']), (len(files['program.bin']), True))
        again = dict(files, **{'metadata.json': files['metadata.json'] + b' '})
        self.assertEqual(put(self.stored, again['program.bin'], 0, again['program.bin'][:10])[0], 200)
        self.assertEqual(deploy(self.stored, 'mine', again)[0], 200)

    def test_a_stored_model_goes_before_a_folder_and_gives_way_when_it_is_removed(self):
        shipped = self.answer('tiny')
        deploy(self.stored, 'tiny', self.files('tiny', flip=6))
        mine = self.answer('tiny')
        self.assertNotEqual(mine, shipped)
        self.restart()
        self.assertEqual(self.answer('tiny'), mine)
        self.assertEqual(self.stored.post('/v2/repository/models/tiny/load'), (200, None))
        self.assertEqual(self.answer('tiny'), mine)
        self.assertEqual(self.stored.request('DELETE', '/v2/store/models/tiny')[0], 200)
        self.assertEqual(self.answer('tiny'), shipped)
        self.assertEqual(listing(self.store), listing_of({}))
        self.assertEqual(self.stored.request('DELETE', '/v2/store/models/tiny')[0], 404)
        deploy(self.stored, 'mine', self.files())
        self.assertEqual(self.stored.request('DELETE', '/v2/store/models/mine')[0], 200)
        self.assertEqual(self.answer(), 404)
        self.assertNotIn('mine', json.dumps(self.stored.post('/v2/repository/index')[1]))

    def test_two_models_share_a_file_and_one_of_them_may_go(self):
        one, other = self.files('one'), self.files('other')
        self.assertEqual(one['program.bin'], other['program.bin'])
        deploy(self.stored, 'one', one)
        deploy(self.stored, 'other', other)
        self.stored.request('DELETE', '/v2/store/models/one')
        self.restart()
        self.assertEqual(self.answer('other'), self.answer('tiny'))
        self.assertEqual(listing(self.store), listing_of({'other': other}))

    def test_it_goes_on_where_it_was_cut_also_after_a_restart(self):
        program = self.files()['program.bin']
        self.assertEqual(put(self.stored, program, 0, program[:1000]), (200, {'bytes': 1000, 'whole': False}))
        status, answer = put(self.stored, program, 900, program[900:2000])
        self.assertEqual((status, '1000 bytes' in answer['error']), (409, True))
        self.restart()
        self.assertEqual(state(self.stored, program), (1000, False))
        self.assertEqual(put(self.stored, program, 1000, program[1000:]), (200, {'bytes': len(program), 'whole': True}))

    def test_every_byte_is_here_but_nobody_said_so(self):
        # A kill between the last byte and its verification leaves this.
        program = self.files()['program.bin']
        with open(os.path.join(self.store, 'incoming', sha256(program) + '.part'), 'wb') as stream:
            stream.write(program)
        self.assertEqual(state(self.stored, program), (len(program), False))
        self.assertEqual(put(self.stored, program, None, b''), (200, {'bytes': len(program), 'whole': True}))

    def test_wrong_bytes_are_thrown_away(self):
        program = self.files()['program.bin']
        wrong = bytes(100) + program[100:]
        status, answer = put(self.stored, program, 0, wrong)
        self.assertEqual((status, sha256(wrong) in answer['error']), (422, True))
        self.assertEqual(listing(self.store), listing_of({}))
        self.assertEqual(put(self.stored, program, 0, program)[0], 200)

    def test_a_file_that_changed_on_the_disk_is_found_and_can_be_sent_again(self):
        files = self.files()
        deploy(self.stored, 'mine', files)
        for damaged in (files['program.bin'][:-1], files['program.bin'][:-1] + b'x'):
            with open(os.path.join(self.store, 'objects', sha256(files['program.bin'])), 'wb') as stream:
                stream.write(damaged)
            status, answer = self.stored.post('/v2/repository/models/mine/load')
            self.assertEqual((status, 'has changed on the disk; deploy the model again' in answer['error']), (400, True))
            self.assertEqual(self.answer(), self.answer('tiny'))
            self.assertEqual(deploy(self.stored, 'mine', files)[0], 200)
            self.restart()
            self.assertEqual(self.answer(), self.answer('tiny'))

    def test_a_package_that_does_not_load_leaves_what_is_served(self):
        good = self.files()
        deploy(self.stored, 'mine', good)
        right = self.answer()
        bad = b'not a program'
        metadata = json.loads(good['metadata.json'])
        metadata['fabriclens']['sha256']['program.bin'] = sha256(bad)
        for files, words in (({'program.bin': bad, 'metadata.json': json.dumps(metadata).encode()}, 'refused by the runtime'),
                             (dict(good, **{'program.bin': bad}), 'corrupt'), ({'program.bin': bad}, 'metadata.json is absent'),
                             ({'metadata.json': good['metadata.json']}, 'program.bin is absent'),
                             (self.files('other'), 'names the model')):
            status, answer = deploy(self.stored, 'mine', files)
            self.assertEqual((status, words in answer['error']), (400, True), answer)
            self.assertEqual(self.answer(), right)
        self.restart()
        self.assertEqual(self.answer(), right)

    def test_a_manifest_of_what_is_not_here_is_refused(self):
        files = self.files()
        put(self.stored, files['program.bin'], 0, files['program.bin'])
        status, answer = self.stored.post('/v2/store/models/mine', json.loads(manifest_of(files)))
        self.assertEqual(status, 405)
        status, _, raw = self.stored.request('PUT', '/v2/store/models/mine', manifest_of(files))
        self.assertEqual((status, 'metadata.json' in raw.decode(), 'program.bin' in raw.decode()), (409, True, False))

    def test_what_is_no_manifest_is_refused(self):
        row = {'name': 'a', 'bytes': 1, 'sha256': '0' * 64}
        for value in ({}, [], {'files': []}, {'files': [row] * 2}, {'files': [dict(row, name='n%d' % k) for k in range(17)]},
                      {'files': [row], 'more': 1}, {'files': [dict(row, more=1)]}, {'files': [3]}, {'files': [{'name': 'a'}]},
                      *({'files': [dict(row, name=name)]} for name in ('../a', '/a', 'a/b', '.a', '', 'a' * 65, 'a\n', 3, None, ['a'])),
                      *({'files': [dict(row, bytes=count)]} for count in (0, -1, 1.5, True, '1', 1 << 40)),
                      *({'files': [dict(row, sha256=text)]} for text in ('0' * 63, 'A' * 64, '../' + '0' * 61, 3))):
            status, _, raw = self.stored.request('PUT', '/v2/store/models/mine', json.dumps(value).encode())
            self.assertEqual(status, 400, value)
        self.assertEqual(self.stored.request('PUT', '/v2/store/models/mine', b'[' * 10000)[0], 400)
        self.assertEqual(listing(self.store), listing_of({}))

    def test_paths_and_ranges_that_lie(self):
        digest = 'a' * 64
        for path in ('..', '%2e%2e', digest.upper(), digest[:-1], '%2e%2e%2fmodels%2fmine', digest + '.part', digest + '%00'):
            self.assertEqual(self.stored.request('GET', '/v2/store/objects/' + path)[0], 404, path)
            self.assertEqual(self.stored.request('DELETE', '/v2/store/models/' + path + '%2fx')[0], 404, path)
        for text, status in (('', 400), ('bytes 0-4/5', 422), ('bytes 0-5/5', 400), ('bytes 0-3/5', 400), ('bytes 1-5/6', 409),
                             ('bytes 4-0/5', 400), ('bytes 0-4/*', 400), ('bytes */5', 400), ('bytes 0-4/4', 400), ('items 0-4/5', 400),
                             ('bytes -5/5', 400), ('bytes 0-4/99999999999', 413), ('bytes 0-4/' + '9' * 40, 400), ('bytes ٠-٤/٥', 400)):
            headers = {'Content-Range': text.encode('utf-8').decode('latin-1')}
            self.assertEqual(self.stored.request('PUT', '/v2/store/objects/' + digest, b'12345', headers)[0], status, text)
        self.assertEqual(self.stored.request('PUT', '/v2/store/objects/' + digest, b'', {'Content-Range': 'bytes */5'})[0], 409)
        self.assertEqual(self.stored.request('PUT', '/v2/store/objects/' + digest, bytes((4 << 20) + 1), {})[0], 413)
        self.assertEqual(self.stored.request('GET', '/v2/store', token='wrong-token-0123456789')[0], 401)
        self.assertEqual(self.agent.request('GET', '/v2/store')[0], 404)
        self.assertEqual(listing(self.store), listing_of({}))

    def test_two_clients_send_one_file_at_once_and_both_see_it_whole(self):
        program = self.files()['program.bin'] * 40
        outcomes = []
        threads = [threading.Thread(target=lambda: outcomes.append(deploy_file(self.stored, program, 4096))) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        self.assertEqual(outcomes, [True] * 3)

    def test_replacing_under_fire_never_answers_wrongly(self):
        kinds = [self.files(version='1'), self.files(version='2', flip=6)]
        right = {}
        for files in kinds:
            deploy(self.stored, 'mine', files)
            right[self.stored.get('/v2/models/mine')[1]['versions'][0]] = self.answer()
        stop = threading.Event()
        seen = []

        def ask():
            connection = self.stored.connect()
            while not stop.is_set():
                status, head, values = self.stored.infer(CODES, name='mine', connection=connection)
                seen.append(status == 200 and right[head['model_version']] == values['features'])
            connection.close()
        threads = [threading.Thread(target=ask) for _ in range(2)]
        for thread in threads:
            thread.start()
        for round in range(10):
            self.assertEqual(deploy(self.stored, 'mine', kinds[round % 2])[0], 200)
        stop.set()
        for thread in threads:
            thread.join(60)
        self.assertGreater(len(seen), 10)
        self.assertTrue(all(seen))

    def test_one_agent_a_store(self):
        second = Agent(self.models, '--store', self.store, wait=False)
        self.addCleanup(second.stop)
        self.assertIn('used by another agent', second.first_line['error'])

    def test_a_folder_that_cannot_be_a_store(self):
        for path in (os.path.join(self.folder, 'absent', 'store'), os.path.join(self.models, 'tiny', 'program.bin')):
            agent = Agent(self.models, '--store', path, wait=False)
            self.addCleanup(agent.stop)
            self.assertIn('correct --store', agent.first_line['error'])

    def test_a_damaged_manifest_harms_no_other_model(self):
        deploy(self.stored, 'mine', self.files())
        deploy(self.stored, 'other', self.files('other'))
        for raw in (b'', b'{}', b'[' * 5000, b'\xff', manifest_of(self.files())[:-1], b' ' + manifest_of(self.files())):
            with open(os.path.join(self.store, 'models', 'mine'), 'wb') as stream:
                stream.write(raw)
            self.restart()
            self.assertEqual(self.answer('other'), self.answer('tiny'))
            self.assertEqual(self.answer(), 404)
            self.assertEqual([row['name'] for row in self.stored.get('/v2/store')[1]['models']], ['other'])
            self.assertIn('deploy the model again', json.dumps(self.stored.post('/v2/repository/index')[1]))
        self.assertEqual(deploy(self.stored, 'mine', self.files())[0], 200)
        self.assertEqual(self.answer(), self.answer('tiny'))


def deploy_file(agent, data, chunk):
    """As a client that meets another: where its offset isn't right it asks for the right one."""
    for _ in range(10000):
        offset, whole = state(agent, data)
        if whole:
            return True
        put(agent, data, offset, data[offset:offset + chunk])
    return False


def listing_of(models):
    """What the store's folder holds when these models, {name: files}, are all that is in it."""
    return {'objects': sorted({sha256(data) for files in models.values() for data in files.values()}),
            'models': {name: manifest_of(files) for name, files in models.items()}, 'incoming': []}
