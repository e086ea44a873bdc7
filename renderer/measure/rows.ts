/** Measurements as rows for export: one a quantity. Pure. */
import type { InstanceInfo, Library } from '../../src/contract/dicom.ts';
import type { MeasurementRow } from '../../src/contract/measurement.ts';
import type { Frame } from '../../src/contract/pixels.ts';
import { measure, type Kind, type Measurement, type Result } from './measure.ts';
import type { Slice } from '../state/selectors.ts';
import type { Measurements } from './measurer.ts';

/** Kinds that read the image's values. */
const READS: ReadonlySet<Kind> = new Set(['rectangle', 'ellipse', 'probe']);

type Quantity = Pick<MeasurementRow, 'quantity' | 'value' | 'unit' | 'plane'>;
const COLOURS = ['red', 'green', 'blue'] as const;

function quantitiesOf(result: Result): Quantity[] {
  switch (result.kind) {
    case 'length':
      return [{ quantity: 'length', value: result.length, unit: result.plane === null ? 'px' : 'mm', plane: result.plane ?? '' }];
    case 'angle':
      return [{ quantity: 'angle', value: result.degrees, unit: 'deg', plane: '' }];
    case 'area': {
      const { area, plane, statistics, units } = result;
      const rest = statistics ? (['mean', 'sd', 'min', 'max'] as const).map((quantity) => ({ quantity, value: statistics[quantity], unit: units, plane: '' as const })) : [];
      const count = statistics ? [{ quantity: 'count' as const, value: statistics.count, unit: '', plane: '' as const }] : [];
      return [{ quantity: 'area', value: area, unit: plane === null ? 'px2' : 'mm2', plane: plane ?? '' }, ...count, ...rest];
    }
    case 'probe':
      if (result.values.length === 1) return [{ quantity: 'value', value: result.values[0]!, unit: result.units, plane: '' }];
      return result.values.map((value, i) => ({ quantity: COLOURS[i]!, value, unit: '', plane: '' }));
    case 'note':
      return [{ quantity: '', value: null, unit: '', plane: '' }];
  }
}

/** What was measured on images that are open. */
export function measuredSlices(all: Measurements, library: Library): { slice: Slice; list: readonly Measurement[] }[] {
  const instances = new Map<string, InstanceInfo>(library.studies.flatMap((study) => study.series.flatMap((series) => series.instances.map((instance) => [instance.id, instance] as const))));
  return Object.entries(all).flatMap(([key, list]) => {
    const [, instanceId = '', frame] = /^(.*)\/(\d+)$/.exec(key) ?? [];
    const instance = instances.get(instanceId);
    return instance && list.length > 0 ? [{ slice: { instance, frame: Number(frame) }, list }] : [];
  });
}

/** @param frameOf pixels of an image */
export async function rowsOf(all: Measurements, library: Library, frameOf: (slice: Slice) => Promise<Frame>): Promise<MeasurementRow[]> {
  const rows: MeasurementRow[] = [];
  for (const { slice, list } of measuredSlices(all, library)) {
    const pixels = list.some(({ kind }) => READS.has(kind)) ? await frameOf(slice) : null;
    list.forEach(({ kind, points, text }, index) => {
      for (const quantity of quantitiesOf(measure({ kind, points }, slice.instance, pixels))) rows.push({ instanceId: slice.instance.id, frame: slice.frame, number: index + 1, kind, text, points: [...points], ...quantity });
    });
  }
  return rows;
}
