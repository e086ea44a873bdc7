import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { against, countCells, printed, withParameters } from './fit.mjs';

/** What `stat -json` of Yosys 0.23 said of fl_core once. */
const sample = readFileSync(new URL('tests/yosys-stat.json', import.meta.url), 'utf8');
type Stat = { design: { num_cells_by_type: Record<string, number> } };
/** The sample with other numbers of some cells. */
const planted = (cells: Record<string, number>): string => {
  const stat = JSON.parse(sample) as Stat;
  Object.assign(stat.design.num_cells_by_type, cells);
  return JSON.stringify(stat);
};
const tooLarge = (text: string): string[] => against(countCells(text)).filter(({ fits }) => !fits).map(({ part }) => part);

describe('npm run fit', () => {
  it('counts the cells of a report', () => {
    // 732 INV + 317 + 8238 + 4464 + 573 small LUTs, 1667 + 4406 large ones, 4 * (96 + 110) + 90 of memory.
    expect(countCells(sample)).toEqual({ dsp: 208, bram: 85, lut: 21_311, lutMemory: 914, ff: 20_552, logicCells: 29_084, gates: 436_260 });
    expect(tooLarge(sample)).toEqual([]);
  });

  it('half a block memory counts as half', () => {
    expect(countCells(planted({ RAMB18E1: 3 })).bram).toBe(86.5);
  });

  it.each([
    ['DSP48E1', { DSP48E1: 221 }],
    ['BRAM36', { RAMB36E1: 126, RAMB18E1: 1 }],
    ['LUT', { LUT6: 4406 + 37_240 - 21_311 + 1 }],
    ['FF', { FDRE: 74_480 - 117 + 1 }],
  ])('sees a planted excess of %s', (part, cells) => {
    expect(tooLarge(planted(cells))).toEqual([part]);
  });

  it('the limits themselves still fit', () => {
    expect(tooLarge(planted({ DSP48E1: 220, RAMB36E1: 126, LUT6: 4406 + 37_240 - 21_311, FDRE: 74_480 - 117 }))).toEqual([]);
  });

  it('refuses a report with cells that the chip has not, and one without cells', () => {
    expect(() => countCells(planted({ LDCE: 4 }))).toThrow("4 LDCE");
    expect(() => countCells('{"design":{"num_cells_by_type":{}}}')).toThrow('no cells');
    expect(() => countCells('{}')).toThrow('no cells');
  });

  it('prints every part, its limit and what is too large', () => {
    const text = printed('8x3', 97.4, countCells(planted({ DSP48E1: 230 })));
    expect(text).toContain('fl_core 8x3 on XC7Z020 (Yosys, 97 s)');
    expect(text).toMatch(/DSP48E1 +230 of +220 +104\.5 % +limit +220 +TOO LARGE/);
    expect(text).toMatch(/BRAM36 +85 of +140 +60\.7 % +limit +126 +fits/);
    expect(text).toContain('k ASIC gates');
  });

  it('sets the parameters of the real top, and says so where it has none of the name', () => {
    const top = readFileSync(new URL('rtl/fl_core.sv', import.meta.url), 'utf8');
    const other = withParameters(top, { OC: 16, PX: 1 });
    expect(other).toMatch(/parameter int OC = 16\b[\s\S]*parameter int PX = 1\b/);
    expect(() => withParameters(top, { NOT_THERE: 1 })).toThrow('no parameter NOT_THERE');
  });
});
