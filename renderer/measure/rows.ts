/** Measurements as rows for export: one a quantity. Pure. */
import type { InstanceInfo, Library } from '../../src/contract/dicom.ts';
import type { MeasurementRow } from '../../src/contract/measurement.ts';
import type { Frame } from '../../src/contract/pixels.ts';
import { measure, type Kind, type Result } from './measure.ts';
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

/** @param frameOf pixels of an image; measurements of one that is closed are left out */
export async function rowsOf(all: Measurements, library: Library, frameOf: (slice: Slice) => Promise<Frame>): Promise<MeasurementRow[]> {
  const instances = new Map<string, InstanceInfo>(library.studies.flatMap((study) => study.series.flatMap((series) => series.instances.map((instance) => [instance.id, instance] as const))));
  const rows: MeasurementRow[] = [];
  for (const [key, list] of Object.entries(all)) {
    const [, instanceId = '', number] = /^(.*)\/(\d+)$/.exec(key) ?? [];
    const instance = instances.get(instanceId);
    if (!instance || list.length === 0) continue;
    const frame = Number(number);
    const pixels = list.some(({ kind }) => READS.has(kind)) ? await frameOf({ instance, frame }) : null;
    list.forEach(({ kind, points, text }, index) => {
      for (const quantity of quantitiesOf(measure({ kind, points }, instance, pixels))) rows.push({ instanceId, frame, number: index + 1, kind, text, points: [...points], ...quantity });
    });
  }
  return rows;
}
