/** The table's first half, made again: no fault, and docs/conformance.md says the same. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import type { Decoder } from '../../src/dicom/index.ts';
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

  test('catches one colour sample that is 1 off, decoded by us or written', { timeout: 120_000 }, async () => {
    const codecs = nodeCodecs();
    const off: Decoder = { decode: async (stream, expected) => {
      const decoded = await codecs.decode(stream, expected);
      decoded.bytes[4]! ^= 1;
      return decoded;
    } };
    const changed = (samples: ArrayLike<number>): ArrayLike<number> => Array.from(samples, (value, i) => (i === 4 ? value ^ 1 : value));
    const decoded = ['JPEG-LS RGB by planes', 'JPEG 2000 YBR_RCT', 'JPEG XL RGB', 'JPEG baseline RGB, by DCMTK', 'JPEG baseline YBR_FULL_422, by DCMTK'];
    const native = ['RLE RGB', 'RGB, planar 1', 'YBR_FULL', 'YBR_FULL_422'];
    const subjects = (await syntheticFiles(join(scratch, 'wrong'))).filter(({ name }) => decoded.includes(name) || native.includes(name));
    const rows = await conformance(subjects.map((one) => (native.includes(one.name) ? { ...one, written: one.written!.map(changed) } : one)), off, join(scratch, 'wrong'));
    const stored = rows.flatMap(faultsOf).filter((fault) => fault.includes(': stored: within ')).map((fault) => fault.split(': stored')[0]!);
    expect(stored.sort()).toEqual([...decoded, ...native].sort());
  });
});
