/** Overlay planes, against what was written. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { dcmtk } from '../../test/support/dcmtk.ts';
import type { Elements } from '../../test/support/dicom-writer.ts';
import { TS, writeDicom } from '../../test/support/dicom-writer.ts';
import { overlaysOf, parseDicom } from './index.ts';

const folder = mkdtempSync(join(tmpdir(), 'fabriclens-overlays-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const size = (rows: number, columns: number, frames = 1): Elements => ({ '00280008': ['IS', String(frames)], '00280010': ['US', rows], '00280011': ['US', columns] });
const plane = (group: string, change: Elements = {}): Elements => ({ [`${group}0010`]: ['US', 3], [`${group}0011`]: ['US', 3], [`${group}0040`]: ['CS', 'G'], [`${group}0050`]: ['SS', [1, 1]], [`${group}0100`]: ['US', 1], [`${group}0102`]: ['US', 0], ...change });
const read = (elements: Elements, frame = 0, transferSyntax: string = TS.explicit, pixels = new Uint16Array(9)) => overlaysOf(parseDicom(writeDicom({ transferSyntax, pixels, elements: { ...size(3, 3), ...elements } })), frame);

describe('planes beside the pixels', () => {
  // Diagonal of three: bits 0, 4 and 8.
  const data = Uint8Array.of(0x11, 0x01);
  const diagonal = [1, 0, 0, 0, 1, 0, 0, 0, 1];

  test.each([TS.implicit, TS.explicit, TS.bigEndian])('%s: bits from the least significant on; origin and label', (transferSyntax) => {
    const [overlay, ...others] = read(plane('6002', { '60023000': ['OB', data], '60020050': ['SS', [-1, 4]], '60021500': ['LO', 'Marks'] }), 0, transferSyntax);
    expect(others).toEqual([]);
    expect(overlay).toMatchObject({ rows: 3, columns: 3, top: -2, left: 3, label: 'Marks' });
    expect([...overlay!.bits]).toEqual(diagonal);
  });

  test('several groups, in their order', () => {
    expect(read({ ...plane('601e', { '601e3000': ['OB', data], '601e0022': ['LO', 'last'] }), ...plane('6000', { '60003000': ['OB', data], '60000022': ['LO', 'first'] }) }).map(({ label }) => label)).toEqual(['first', 'last']);
  });

  test('of several frames each has its own, from the image frame that it begins at; a single one lies over all', () => {
    const frames = plane('6000', { '60000015': ['IS', '2'], '60000051': ['US', 2], '60003000': ['OB', Uint8Array.of(0x11, 0x03, 0x00, 0x00)] });
    const of = (frame: number) => read({ ...size(3, 3, 4), ...frames }, frame, TS.explicit, new Uint16Array(36)).map(({ bits }) => bits.join(''));
    expect([of(0), of(1), of(2), of(3)]).toEqual([[], ['100010001'], ['100000000'], []]);
    expect(read({ ...size(3, 3, 2), ...plane('6000', { '60003000': ['OB', data] }) }, 1, TS.explicit, new Uint16Array(18))).toHaveLength(1);
  });

  test('one that is cut short, empty or too large is left out', () => {
    expect(read(plane('6000', { '60003000': ['OB', new Uint8Array(0)] }))).toEqual([]);
    expect(read(plane('6000', { '60000010': ['US', 0], '60003000': ['OB', data] }))).toEqual([]);
    expect(read(plane('6000', { '60000010': ['US', 65535], '60000011': ['US', 65535], '60003000': ['OB', data] }))).toEqual([]);
    expect(read(plane('6000'))).toEqual([]);
  });
});

describe('planes among the pixels', () => {
  const depth: Elements = { '00280100': ['US', 16], '00280101': ['US', 12], '00280102': ['US', 11], '00280103': ['US', 0] };
  const pixels = Uint16Array.from([0x8fff, 0x0fff, 0x4000, 0x8000, 0, 0, 0, 0, 0xffff]);

  test.each([TS.explicit, TS.bigEndian])('%s: the bit that the overlay names', (transferSyntax) => {
    const bits = (bit: number) => read({ ...depth, ...plane('6000', { '60000100': ['US', 16], '60000102': ['US', bit] }) }, 0, transferSyntax, pixels).map((overlay) => overlay.bits.join(''));
    expect(bits(15)).toEqual(['100100001']);
    expect(bits(14)).toEqual(['001000001']);
    // A bit of the image itself is none of an overlay.
    expect(bits(11)).toEqual([]);
    expect(bits(16)).toEqual([]);
  });
});

describe('overlays as DCMTK draws them', () => {
  test.each<[string, Elements, string]>([
    ['beside the pixels', { '60000010': ['US', 4], '60000011': ['US', 5], '60000050': ['SS', [3, 2]], '60000102': ['US', 0], '60003000': ['OB', Uint8Array.of(0x51, 0x8a, 0x09, 0x00)] }, TS.explicit],
    ['beside the pixels, in words of big endian', { '60000010': ['US', 4], '60000011': ['US', 5], '60000050': ['SS', [3, 2]], '60000102': ['US', 0], '60003000': ['OW', Uint8Array.of(0x8a, 0x51, 0x00, 0x09)] }, TS.bigEndian],
    ['reaching over the edge', { '60000010': ['US', 6], '60000011': ['US', 6], '60000050': ['SS', [-1, 5]], '60000102': ['US', 0], '60003000': ['OB', Uint8Array.of(0xff, 0x10, 0xc3, 0x5a, 0x07, 0x00)] }, TS.explicit],
    ['among the pixels', { '60000010': ['US', 8], '60000011': ['US', 8], '60000050': ['SS', [1, 1]], '60000100': ['US', 16], '60000102': ['US', 13] }, TS.explicit],
  ])('%s', async (_, elements, transferSyntax) => {
    const pixels = Uint16Array.from({ length: 64 }, (_, i) => (i % 3 === 0 ? 0x2000 : 0));
    const bytes = writeDicom({ transferSyntax, pixels, elements: { ...size(8, 8), '00280100': ['US', 16], '00280101': ['US', 12], '00280102': ['US', 11], '00280103': ['US', 0], '00281050': ['DS', '2048'], '00281051': ['DS', '4096'], '60000040': ['CS', 'G'], ...(elements['60000100'] ? {} : { '60000100': ['US', 1] as const }), ...elements } });
    const path = join(folder, 'overlay.dcm');
    writeFileSync(path, bytes);
    const drawn = Array.from((await dcmtk('dcmj2pnm', ['-q', '+O', '0', '+Wi', '1', '+op', path]))!.subarray(-64), (grey) => (grey > 128 ? 1 : 0));
    const ours = new Array<number>(64).fill(0);
    for (const { rows, columns, left, top, bits } of overlaysOf(parseDicom(bytes), 0)) {
      for (let i = 0; i < rows * columns; i++) {
        const [x, y] = [left + (i % columns), top + Math.floor(i / columns)];
        if (bits[i] === 1 && x >= 0 && x < 8 && y >= 0 && y < 8) ours[y * 8 + x] = 1;
      }
    }
    expect(ours).toEqual(drawn);
    expect(drawn).toContain(1);
  });
});
