"""For agent.test.ts: `python3 -m tests --list` prints the tests' names as one JSON line; `python3 -m tests` runs them all and prints
a JSON line a test: {"name", "outcome": "ok" | "failed" | "skipped", "detail"}. For people: `python3 -m unittest` here."""

import json
import sys
import unittest

from .support import AGENT


def tests_in(suite):
    for item in suite:
        if isinstance(item, unittest.TestSuite):
            yield from tests_in(item)
        else:
            yield item


class Lines(unittest.TestResult):
    def say(self, test, outcome, detail=''):
        print(json.dumps({'name': test.id(), 'outcome': outcome, 'detail': detail}), flush=True)

    def addSuccess(self, test):
        super().addSuccess(test)
        self.say(test, 'ok')

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        self.say(test, 'skipped', reason)

    def addError(self, test, err):
        super().addError(test, err)
        self.say(test, 'failed', self.errors[-1][1])

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self.say(test, 'failed', self.failures[-1][1])


suite = unittest.TestLoader().discover('tests', top_level_dir=AGENT)
if '--list' in sys.argv:
    print(json.dumps([test.id() for test in tests_in(suite)]))
else:
    result = Lines()
    suite.run(result)
    sys.exit(0 if result.wasSuccessful() else 1)
