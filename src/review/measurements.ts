/** Measurements as a table, one quantity a row. */
import type { MeasurementRow } from '../contract/measurement.ts';
import { csv } from './csv.ts';

const COLUMNS = ['sop_instance_uid', 'frame', 'number', 'kind', 'text', 'points', 'quantity', 'value', 'unit', 'plane'] as const;

/**
 * @param sopInstanceUidOf of an image, (0008,0018): the only thing in the table that leads to a patient
 * @returns with a heading; frames and measurements count from 1, points are image pixels from the corner of the first: `x y; x y`
 */
export function measurementsCsv(rows: readonly MeasurementRow[], sopInstanceUidOf: (instanceId: string) => string): string {
  const lines = rows.map(({ instanceId, frame, number, kind, text, points, quantity, value, unit, plane }) =>
    [sopInstanceUidOf(instanceId), frame + 1, number, kind, text, points.map(({ x, y }) => `${x.toFixed(2)} ${y.toFixed(2)}`).join('; '), quantity, value, unit, plane]);
  return csv(COLUMNS, lines);
}
