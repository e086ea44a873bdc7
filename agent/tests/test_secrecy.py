"""No tensor is logged, none is written to disk: of whatever the agent opens for writing, Python's audit events tell."""

import os
import subprocess
import sys
import tempfile
import unittest

from .support import AGENT, SHAPE, Agent, AgentTest

# A pattern that no path, message or program holds by chance, in every form in which it could be written down.
MARKED = b'\x5a\x17\x4c\x63' * 16
AUDITED = '''
import os, runpy, sys
def hook(event, arguments):
    if event == 'open':
        path, mode, flags = arguments
        if (flags or 0) & (os.O_WRONLY | os.O_RDWR | os.O_CREAT) or mode and set(mode) & set('wax+'):
            os.write(2, ('opened for writing: %r\\n' % (path,)).encode())
    elif event.startswith(('os.rename', 'os.mkdir', 'os.link', 'os.symlink', 'os.truncate', 'tempfile.', 'shutil.')):
        os.write(2, ('written: %s\\n' % event).encode())
sys.addaudithook(hook)
if sys.argv[1:2] == ['--planted']:
    open(os.devnull, 'w')
else:
    runpy.run_module('fabriclens_agent', run_name='__main__', alter_sys=True)
'''


class AuditedAgent(Agent):
    COMMAND = ['-c', AUDITED]


class Secrecy(AgentTest):
    def test_no_tensor_reaches_log_or_disk(self):
        with tempfile.TemporaryDirectory() as home:
            agent = AuditedAgent(self.models, environment={'HOME': home, 'TMPDIR': home})
            self.addCleanup(agent.stop)
            for _ in range(5):
                self.assertEqual(agent.infer(MARKED)[0], 200)
            self.assertEqual(agent.infer(MARKED * 8, shape=[8, 1, 8, 8])[0], 200)
            numbers = [90, 23, 76, 99] * 16
            tensor = {'name': 'image', 'datatype': 'INT8', 'shape': SHAPE, 'data': numbers}
            self.assertEqual(agent.post('/v2/models/tiny/infer', {'id': 'Doe^Jane', 'inputs': [tensor]})[0], 200)
            self.assertEqual(agent.post('/v2/models/tiny/infer', {'id': 'Doe^Jane', 'inputs': [dict(tensor, data=numbers[1:])]})[0], 400)
            self.assertEqual(agent.infer(MARKED[:-1])[0], 400)
            agent.get('/v2/fabriclens/trace')
            agent.process.terminate()
            self.assertEqual(agent.process.wait(60), 0)
            log = agent.log_text()
            self.assertIn('model tiny version 1.2.0 loaded', log)
            for form in ('\x5a\x17\x4c\x63', '5a174c63', '90, 23', '90,23', '\\x17', 'WhdMY1oX', 'Doe'):
                self.assertNotIn(form, log)
            for line in log.splitlines():
                self.assertNotRegex(line, '^(opened for writing|written): ')
            self.assertEqual(os.listdir(home), [])

    def test_the_audit_sees_a_planted_write(self):
        done = subprocess.run([sys.executable, '-B', '-c', AUDITED, '--planted'], cwd=AGENT, stderr=subprocess.PIPE, timeout=60)
        self.assertIn(b'opened for writing', done.stderr)

    @unittest.skipUnless(os.path.exists('/proc/self/io'), 'needs the kernel to count what a process writes')
    def test_the_process_writes_less_than_the_tensors_it_was_sent(self):
        def written():
            with open('/proc/%d/io' % self.agent.process.pid) as stream:
                return int(dict(line.split(': ') for line in stream)['wchar'])
        before = written()
        for _ in range(20):
            self.assertEqual(self.agent.infer(MARKED * 64, shape=[64, 1, 8, 8])[0], 200)
        self.assertLess(written() - before, 64 * 64)
