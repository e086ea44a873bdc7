import { expect, test } from 'vitest';
import type { MeasurementRow } from '../contract/measurement.ts';
import { measurementsCsv } from './measurements.ts';

const row = (change: Partial<MeasurementRow>): MeasurementRow => ({
  instanceId: 'opaque', frame: 0, number: 1, kind: 'length', text: '', points: [{ x: 1, y: 2.005 }, { x: 3, y: 4 }], quantity: 'length', value: 12.5, unit: 'mm', plane: 'detector', ...change,
});
const table = (...rows: MeasurementRow[]): string[] => measurementsCsv(rows, () => '1.2.3').split('\r\n');

test('a row a quantity, under a heading; frames count from 1 as on the screen', () => {
  expect(table(row({ frame: 4 }))).toEqual(['sop_instance_uid,frame,number,kind,text,points,quantity,value,unit,plane', '1.2.3,5,1,length,,1.00 2.00; 3.00 4.00,length,12.5,mm,detector', '']);
});

test('texts with marks of the format are quoted, and a formula stays a text', () => {
  const [, quoted, formula] = table(row({ text: 'node, "left"\nlower', quantity: '', value: null }), row({ text: '=1+1', value: -3 }));
  expect(quoted).toContain(',"node, ""left""\nlower",');
  expect(formula).toContain(",'=1+1,");
  expect(formula).toContain(',length,-3,mm,');
});
