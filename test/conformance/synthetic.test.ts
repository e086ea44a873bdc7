/** The table's first half, made again: no fault, and docs/conformance.md says the same. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { nodeCodecs } from '../support/codecs.ts';
import { ROOT } from '../support/data.ts';
import { differences } from './page.ts';
import { conformance, faultsOf } from './row.ts';
import { syntheticFiles } from './synthetic.ts';

const scratch = mkdtempSync(join(tmpdir(), 'fabriclens-conformance-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));
const page = readFileSync(join(ROOT, 'docs/conformance.md'), 'utf8');

describe('conformance of files of our own', () => {
  test('is what docs/conformance.md says (npm run conformance writes it)', { timeout: 300_000 }, async () => {
    const rows = await conformance(await syntheticFiles(join(scratch, 'files')), nodeCodecs(), scratch);
    expect(rows.length).toBeGreaterThan(120);
    expect(rows.flatMap(faultsOf)).toEqual([]);
    expect(differences(page, 'synthetic', rows, false)).toEqual([]);
    // A page that lies is caught.
    expect(differences(page.replace('window LINEAR |', 'window LINEAL |'), 'synthetic', rows, false)).toEqual(['window LINEAR: not on the page', 'window LINEAL: only on the page']);
    const wrong = rows.map((row) => (row.file === 'RGB' ? { ...row, rendering: { text: 'within 9 (DCMTK)', ok: false } } : row));
    expect(differences(page, 'synthetic', wrong, false)).toEqual([expect.stringContaining('FAULT: within 9')]);
  });
});
