/** What damaged files may cost: a DicomError, never a crash, two seconds of the processor or 1 GB. `npm run fuzz:dicom` tries more of them. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { fuzz, fuzzSources, fuzzText } from './fuzz-run.ts';

const scratch = mkdtempSync(join(tmpdir(), 'fabriclens-fuzz-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

describe('damaged DICOM files', () => {
  test('are read, or refused', { timeout: 300_000 }, async () => {
    const sources = await fuzzSources(join(scratch, 'files'), false);
    const report = await fuzz(sources, { seed: 20, count: 4 * sources.length }, scratch);
    console.log(fuzzText(report));
    expect(report.faults).toEqual([]);
    expect(report.done).toBe(4 * sources.length);
    expect(report.frames).toBeGreaterThan(sources.length);
    expect(Object.keys(report.refused)).toEqual(expect.arrayContaining(['corrupt', 'truncated', 'too-large', 'not-dicom']));
  });

  test('one that hangs, takes too much memory or crashes is named, and the others go on', { timeout: 300_000 }, async () => {
    const [sound] = await fuzzSources(join(scratch, 'more'), false);
    const report = await fuzz([sound!, 'planted:crash', 'planted:hang', 'planted:memory', sound!], { seed: 1, count: 5 }, scratch);
    expect(report.faults.map(({ fault, file }) => [fault, file])).toEqual([['crash', 1], ['hang', 2], ['memory', 3]]);
    expect(report.done).toBe(5);
  });
});
