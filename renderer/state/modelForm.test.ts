import { expect, test } from 'vitest';
import type { ModelDraft } from '../../src/contract/ipc.ts';
import { fieldsOf, formOf } from './modelForm.ts';

const draft: ModelDraft = {
  name: 'hand', title: 'Hand', quantised: false, input: { name: 'x', shape: [1, 3, 8, 8] }, outputs: [], task: 'classification', labels: ['a', 'b'], classes: 2, modalities: ['DX'], unknown: [], notes: [],
  preprocessing: { width: 8, height: 8, channels: 3, fit: 'squash', pad: 0, resample: 'triangle', mean: [0.4, 0.5, 0.6], std: 1 },
};

test('what nobody touched goes back as it came', () => {
  expect(fieldsOf(formOf(draft), draft, ['other'])).toEqual({ fields: { name: 'hand', title: 'Hand', task: 'classification', labels: ['a', 'b'], modalities: ['DX'], preprocessing: draft.preprocessing } });
});

test('text becomes values: lines, commas, decimal commas, equal channels', () => {
  const form = { ...formOf(draft), labels: ' one \n\ntwo\n', modalities: 'dx， cr;MG', mean: ['0,5', '0.5', '.5'], std: ['1', '2', '3'] };
  expect(fieldsOf(form, draft, [])).toMatchObject({ fields: { labels: ['one', 'two'], modalities: ['DX', 'CR', 'MG'], preprocessing: { mean: 0.5, std: [1, 2, 3] } } });
  expect(fieldsOf({ ...form, labels: '' }, draft, [])).toMatchObject({ fields: { labels: null } });
});

test('every fault is named at its field', () => {
  const form = { ...formOf(draft), name: 'Hand', title: ' ', task: null, labels: 'a\na', mean: ['', '0', '0'], std: ['1', '0', '1'], modalities: 'D/X' };
  expect(fieldsOf(form, draft, ['hand'])).toEqual({ faults: { name: 'nameTaken', title: 'title', task: 'task', labels: 'duplicate', mean: 'mean', std: 'std', modalities: 'modalities' } });
  expect(fieldsOf({ ...formOf(draft), name: '../x', labels: 'a\nb\nc' }, draft, [])).toEqual({ faults: { name: 'name', labels: 'labelCount' } });
  expect(fieldsOf({ ...formOf(draft), task: 'detection', labels: '' }, { ...draft, labels: null }, [])).toEqual({ faults: { labels: 'labels' } });
});

test('letterboxing pads a detector with YOLO’s grey, a classifier with black', () => {
  const pad = (task: 'classification' | 'detection'): unknown => fieldsOf({ ...formOf(draft), task, fit: 'letterbox' }, draft, []);
  expect([pad('detection'), pad('classification')]).toMatchObject([{ fields: { preprocessing: { pad: 114 / 255 } } }, { fields: { preprocessing: { pad: 0 } } }]);
});
