/** Millimetres and what they are those of; a wrong one is worse than none. */
import { describe, expect, test } from 'vitest';
import type { Elements } from '../../test/support/dicom-writer.ts';
import { writeDicom } from '../../test/support/dicom-writer.ts';
import { parseDicom, summarise } from './index.ts';

const instance = (elements: Elements): ReturnType<typeof summarise>['instance'] =>
  summarise(parseDicom(writeDicom({ pixels: new Uint16Array(4), elements: { '00280010': ['US', 2], '00280011': ['US', 2], ...elements } })), { id: 'a', fileName: 'a' }).instance;

const of = (modality: string, more: Elements): Elements => ({ '00080060': ['CS', modality], ...more });
const pixel = (value: string): Elements => ({ '00280030': ['DS', value] });
const imager = (value: string): Elements => ({ '00181164': ['DS', value] });

describe('spacing of a whole image', () => {
  test.each<[string, Elements, object | null]>([
    ['a slice', of('CT', pixel('0.5\\0.25')), { row: 0.5, column: 0.25, source: 'PixelSpacing', plane: 'patient' }],
    ['a projection that only says Pixel Spacing', of('CR', pixel('0.2\\0.2')), { source: 'PixelSpacing', plane: 'unstated' }],
    ['a detector', of('DX', imager('0.14\\0.14')), { row: 0.14, source: 'ImagerPixelSpacing', plane: 'detector' }],
    ['a detector repeated as Pixel Spacing', of('DX', { ...imager('0.14\\0.14'), ...pixel('0.14\\0.14') }), { source: 'ImagerPixelSpacing', plane: 'detector' }],
    ['a detector under a magnification', of('MG', { ...imager('0.14\\0.07'), '00181114': ['DS', '1.4'] }), { row: 0.14 / 1.4, column: 0.07 / 1.4, source: 'ImagerPixelSpacing', plane: 'corrected' }],
    ['a magnification that makes things smaller', of('MG', { ...imager('0.14\\0.14'), '00181114': ['DS', '0.5'] }), { row: 0.14, plane: 'detector' }],
    ['a calibrated projection', of('XA', { ...imager('0.3\\0.3'), ...pixel('0.2\\0.2') }), { row: 0.2, source: 'PixelSpacing', plane: 'calibrated' }],
    ['a calibration that changed nothing', of('DX', { ...imager('0.2\\0.2'), ...pixel('0.2\\0.2'), '00280a02': ['CS', 'FIDUCIAL'] }), { source: 'PixelSpacing', plane: 'calibrated' }],
    ['a scanned film', of('CR', { '00182010': ['DS', '0.1\\0.1'] }), { row: 0.1, source: 'NominalScannedPixelSpacing', plane: 'scanned' }],
    ['nothing', of('OT', {}), null],
    ['zeros', of('CT', pixel('0\\0')), null],
    ['one number of two', of('CT', pixel('0.5')), null],
    ['no numbers', of('CT', pixel('none\\none')), null],
  ])('%s', (_, elements, expected) => {
    const { spacing } = instance(elements);
    if (expected === null) expect(spacing).toBeNull();
    else expect(spacing).toMatchObject(expected);
  });
});

describe('regions of an ultrasound image', () => {
  const region = (change: Elements = {}): Elements => ({
    '00186012': ['US', 1], '00186018': ['UL', 10], '0018601a': ['UL', 20], '0018601c': ['UL', 109], '0018601e': ['UL', 219],
    '00186024': ['US', 3], '00186026': ['US', 3], '0018602c': ['FD', 0.05], '0018602e': ['FD', -0.04], ...change,
  });
  const image = (...regions: Elements[]): ReturnType<typeof instance> => instance(of('US', { '00186011': ['SQ', regions] }));

  test('a plane in centimetres has millimetres; an axis may run backwards', () => {
    const { regions, spacing, pixelAspect } = image(region());
    expect(regions).toEqual([{ left: 10, top: 20, right: 109, bottom: 219, row: 0.4, column: 0.5 }]);
    expect(spacing).toBeNull();
    expect(pixelAspect).toBeCloseTo(0.8);
  });
  test('a trace, a spectrum, other units, a missing edge or step have none', () => {
    expect(image(region({ '00186012': ['US', 2] }), region({ '00186024': ['US', 4] }), region({ '0018602c': ['FD', 0] }), region({ '00186018': ['UL', []] })).regions).toEqual([]);
  });
  test('of two scales the pixels are drawn square', () => {
    expect(image(region(), region({ '0018602c': ['FD', 0.1] })).pixelAspect).toBe(1);
  });
});

test('Pixel Aspect Ratio is height over width, where there are no millimetres', () => {
  expect(instance(of('OT', { '00280034': ['IS', '2\\1'] })).pixelAspect).toBe(2);
  expect(instance(of('CT', { ...pixel('0.5\\0.25'), '00280034': ['IS', '1\\1'] })).pixelAspect).toBe(2);
  expect(instance(of('OT', { '00280034': ['IS', '0\\1'] })).pixelAspect).toBe(1);
});
