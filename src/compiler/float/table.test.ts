import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ROOT } from '../../../test/support/data.ts';
import { OPERATORS, operatorsPage, REMEDIES } from './table.ts';

describe('the table of operators', () => {
  it('is what docs/operators.md says (write it anew: npx vitest run src/compiler/float/table.test.ts -u)', async () => {
    await expect(operatorsPage()).toMatchFileSnapshot(join(ROOT, 'docs/operators.md'));
  });

  it('remedies only what it lacks', () => {
    expect(Object.keys(REMEDIES).filter((name) => Object.hasOwn(OPERATORS, name))).toEqual([]);
  });
});
