/** The table's second half, as far as DCMTK alone can judge it; and files of one image in several encodings against one another. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { decodeFrame, parseDicom } from '../../src/dicom/index.ts';
import { nodeCodecs } from '../support/codecs.ts';
import { dataPath, hasData, ROOT } from '../support/data.ts';
import { differences } from './page.ts';
import { conformance } from './row.ts';
import { sharedFiles, SIBLINGS } from './shared-set.ts';

const codecs = nodeCodecs();
const scratch = mkdtempSync(join(tmpdir(), 'fabriclens-conformance-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

describe.skipIf(!hasData('dicom'))('conformance of files of others', () => {
  test('is what docs/conformance.md says, where DCMTK is the peer', { timeout: 600_000 }, async () => {
    const page = readFileSync(join(ROOT, 'docs/conformance.md'), 'utf8');
    const rows = await conformance(sharedFiles(), codecs, scratch);
    expect(rows).toHaveLength(146);
    expect(differences(page, 'shared', rows, false)).toEqual([]);
    expect(page).not.toContain('FAULT');
  });

  test('files of one image in several encodings show the same pixels', { timeout: 120_000 }, async () => {
    const values = async (name: string, frame: number): Promise<ArrayLike<number>> => {
      const decoded = await decodeFrame(parseDicom(readFileSync(dataPath('dicom', name))), frame, codecs);
      return decoded.kind === 'grey' ? decoded.pixels : decoded.rgba;
    };
    const unlike: string[] = [];
    for (const [a, b, frames] of SIBLINGS) {
      for (const n of frames) {
        const [one, other] = [await values(a, n), await values(b, n)];
        if (one.length !== other.length || Array.prototype.some.call(one, (value, i) => value !== other[i])) unlike.push(`${a} ${b} ${n}`);
      }
    }
    expect(unlike).toEqual([]);
  });
});
