/** Every sample says in its header that it is synthetic, and the two studies hold what the viewer is shown with. */
import { spawnSync } from 'node:child_process';
import { readFileSync, readdirSync, statSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import dicomParser from 'dicom-parser';
import { describe, expect, test } from 'vitest';

const folder = (name: string): URL => new URL(`samples/${name}/`, import.meta.url);
const files = (name: string): string[] => readdirSync(folder(name)).filter((f) => f.endsWith('.dcm')).sort();
const open = (study: string, file: string): dicomParser.DataSet => dicomParser.parseDicom(readFileSync(new URL(file, folder(study))));

const dciodvfy = (args: string[]) => spawnSync('dciodvfy', args, { encoding: 'utf8' });
const hasDciodvfy = !dciodvfy(['-version']).error;

describe.each([['chest-synthetic', 'DX', 4], ['ct-synthetic', 'CT', 10]] as const)('%s', (study, modality, count) => {
  const sets = files(study).map((file) => open(study, file));

  test('holds one study of the modality, each instance its own', () => {
    expect(sets).toHaveLength(count);
    expect(sets.map((ds) => ds.string('x00080060'))).toEqual(Array(count).fill(modality));
    expect(new Set(sets.map((ds) => ds.string('x0020000d'))).size).toBe(1);
    expect(new Set(sets.map((ds) => ds.string('x00080018'))).size).toBe(count);
  });

  test('is marked as synthetic in every file', () => {
    for (const ds of sets) {
      expect(ds.string('x00100010')).toMatch(/^Synthetic\^Phantom/);
      expect(ds.string('x00280300')).toBe('YES'); // Quality Control Image
      expect(ds.string('x00204000')).toMatch(/^Synthetic image/);
      expect(ds.string('x00081030')).toMatch(/^SYNTHETIC/);
      expect(ds.string('x00080008')).toMatch(/^DERIVED/);
    }
  });

  test('has pixels for its rows and columns, in the 12 bits stored', () => {
    for (const ds of sets) {
      const element = ds.elements['x7fe00010']!;
      expect(element.length).toBe(ds.uint16('x00280010')! * ds.uint16('x00280011')! * 2);
      const at = element.dataOffset;
      const values = new Uint16Array(Uint8Array.from(ds.byteArray.subarray(at, at + element.length)).buffer);
      expect(values.reduce((a, b) => Math.max(a, b), 0)).toBeLessThan(4096);
      expect(new Set(values).size).toBeGreaterThan(200);
    }
  });
});

test.skipIf(!hasDciodvfy)('dciodvfy has neither an error nor a warning for any sample', () => {
  for (const study of ['chest-synthetic', 'ct-synthetic']) {
    for (const file of files(study)) {
      const { status, stderr, stdout } = dciodvfy([fileURLToPath(new URL(file, folder(study)))]);
      // It names the IOD it took the file for, and says nothing else.
      expect({ file, status, said: (stdout + stderr).trim() }).toEqual({ file, status: 0, said: study === 'ct-synthetic' ? 'CTImage' : 'DXImageForPresentation' });
    }
  }
});

test('the samples stay under 6 MB', () => {
  const bytes = ['chest-synthetic', 'ct-synthetic'].flatMap((s) => files(s).map((f) => statSync(new URL(f, folder(s))).size));
  expect(bytes.reduce((a, b) => a + b, 0)).toBeLessThan(6e6);
});
