/** What a measurement says, in the reader's language. */
import type { TFunction } from 'i18next';
import type { Result } from './measure.ts';

/** With the digits that mean something: three, or the whole part. */
export const figure = (value: number): string => (Math.abs(value) >= 100 ? value.toFixed(0) : Math.abs(value) >= 10 ? value.toFixed(1) : value.toFixed(2));
/** Of the image's values: whole where they are. */
const grey = (value: number): string => (Number.isInteger(value) ? String(value) : figure(value));

/** A line each; a length or area says what its millimetres are those of, where that is not the imaged plane. */
export function linesOf(t: TFunction, result: Result): string[] {
  const units = 'units' in result && result.units !== 'US' && result.units !== '' ? ` ${result.units}` : '';
  switch (result.kind) {
    case 'length':
      return [t(result.plane === null ? 'measure.pixels' : 'measure.millimetres', { value: figure(result.length) }), ...planeOf(t, result.plane)];
    case 'angle':
      return [t('measure.degrees', { value: result.degrees.toFixed(1) })];
    case 'area': {
      const { statistics } = result;
      const area = t(result.plane === null ? 'measure.pixelArea' : 'measure.area', { value: figure(result.area) });
      const values = statistics ? [t('measure.mean', { mean: figure(statistics.mean), sd: figure(statistics.sd), units }), t('measure.range', { min: grey(statistics.min), max: grey(statistics.max), count: statistics.count })] : [];
      return [area, ...planeOf(t, result.plane), ...values];
    }
    case 'probe':
      return [`${result.values.length === 0 ? '–' : result.values.map(grey).join(' / ')}${units}`, t('measure.place', { x: result.x, y: result.y })];
    case 'note':
      return [];
  }
}

const planeOf = (t: TFunction, plane: Extract<Result, { kind: 'length' }>['plane']): string[] => (plane === 'patient' || plane === 'region' ? [] : [t(`measure.plane.${plane ?? 'none'}`)]);
