import { expect, test } from 'vitest';
import { tally, unlisted } from './vitest-results.mjs';

const assertion = (fullName: string, status: string): { fullName: string; status: string } => ({ fullName, status });

test('passes, failures and skips are counted, and so is a file that could not run', () => {
  const result = tally({
    testResults: [
      { name: 'a.test.ts', status: 'failed', assertionResults: [assertion('a one', 'passed'), assertion('a two', 'failed'), assertion('a three', 'skipped'), assertion('a four', 'todo')] },
      { name: 'b.test.ts', status: 'failed', message: 'SyntaxError: no\n  at …', assertionResults: [] },
      { name: 'c.test.ts', status: 'failed', message: 'afterAll failed', assertionResults: [assertion('c one', 'passed')] },
    ],
  });
  expect(result).toEqual({ passed: 2, failed: 3, skipped: ['a three', 'a four'], failures: ['a two', 'b.test.ts: SyntaxError: no', 'c.test.ts: afterAll failed'] });
});

test('only a skip that is listed by its full name is allowed', () => {
  const allowed = '# comment\n\na three\n  a five  \n';
  expect(unlisted(['a three', 'a four', 'a five', '# comment'], allowed)).toEqual(['a four', '# comment']);
});
