/** What the window is told of a file before it becomes a model, and what becomes of the reader's answers. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { writeOnnx } from '../compiler/onnx-write.ts';
import { parseGiven } from '../compiler/quantise/describe.ts';
import type { ModelFields } from '../contract/ipc.ts';
import { yolov5 } from '../../test/networks/yolo.ts';
import { tinyFp32, tinyInt8 } from '../../test/support/model-package.ts';
import { draftModel, givenWith } from './draft-model.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'fabriclens-draft-'));
  writeFileSync(join(folder, 'Tiny net 2.onnx'), tinyFp32());
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test('a file that says nothing of itself: a name of its own, what is read off the network, and what is a guess', async () => {
  const draft = await draftModel(join(folder, 'Tiny net 2.onnx'), null);
  expect(draft).toMatchObject({ name: 'Tiny-net-2', title: 'Tiny net 2', quantised: false, task: 'classification', labels: null, modalities: [], unknown: ['labels', 'preprocessing', 'modalities'] });
  expect(draft.input.shape).toHaveLength(4);
  expect(draft.classes).toBeGreaterThan(0);
});

test('metadata fills it in', async () => {
  writeFileSync(join(folder, 'metadata.json'), JSON.stringify({
    name: 'Hands', network_data_format: { inputs: { image: { modality: 'DX' } }, outputs: { logits: { channel_def: { 0: 'whole', 1: 'broken' } } } }, fabriclens: { preprocessing: { mean: 0.5, std: 0.25 } },
  }));
  expect(await draftModel(join(folder, 'Tiny net 2.onnx'), join(folder, 'metadata.json'))).toMatchObject({ title: 'Hands', labels: ['whole', 'broken'], modalities: ['DX'], preprocessing: { mean: 0.5, std: 0.25 }, unknown: [] });
});

test('a table of boxes that nobody explains is left to a person; metadata that explains it wrongly is refused', async () => {
  writeFileSync(join(folder, 'boxes.onnx'), writeOnnx(yolov5('n', { style: 'scoped', opset: 17, seed: 5, head: 'split' }, 64)));
  expect(await draftModel(join(folder, 'boxes.onnx'), null)).toMatchObject({ task: null, labels: null, classes: null, preprocessing: { width: 64, channels: 3, fit: 'letterbox' }, unknown: ['task', 'labels', 'preprocessing', 'modalities'] });
  writeFileSync(join(folder, 'wrong.json'), JSON.stringify({ fabriclens: { task: 'detection', labels: [{ name: 'one' }] } }));
  await expect(draftModel(join(folder, 'boxes.onnx'), join(folder, 'wrong.json'))).rejects.toMatchObject({ name: 'CompileError' });
});

test('a file that is quantised already says so', async () => {
  writeFileSync(join(folder, 'int8.onnx'), tinyInt8());
  expect(await draftModel(join(folder, 'int8.onnx'), null)).toMatchObject({ quantised: true, task: 'classification' });
});

test('what is no network is refused with what to do', async () => {
  writeFileSync(join(folder, 'no.onnx'), 'not a network');
  await expect(draftModel(join(folder, 'no.onnx'), null)).rejects.toMatchObject({ name: 'CompileError' });
  await expect(draftModel(join(folder, 'absent.onnx'), null)).rejects.toThrow(/cannot be read/);
});

const FIELDS: ModelFields = { name: 'm', title: 'Mine', task: 'classification', labels: ['A', 'C'], modalities: ['CT'], preprocessing: { width: 8, height: 8, channels: 1, fit: 'squash', pad: 0, resample: 'triangle', mean: 0, std: 1 } };

test('the reader’s words stand over the file’s, whose translations and purposes stay', () => {
  const given = parseGiven(JSON.stringify({ intended_use: 'To try.', authors: 'We', fabriclens: { labels: [{ name: 'A', text: { en: 'A', 'zh-CN': '甲' } }, { name: 'B', text: { en: 'B' } }], title: { en: 'Old', 'zh-CN': '旧' } } }), 'metadata.json');
  expect(givenWith(given, FIELDS)).toMatchObject({
    authors: 'We', name: 'Mine',
    fabriclens: { title: { en: 'Mine', 'zh-CN': '旧' }, task: 'classification', labels: [{ name: 'A', text: { en: 'A', 'zh-CN': '甲' } }, { name: 'C', text: { en: 'C' } }], intended: { modalities: ['CT'], bodyParts: [], text: { en: 'To try.' } } },
  });
});

test('what the reader leaves open stays open', () => {
  const { fabriclens } = givenWith({}, { ...FIELDS, labels: null, modalities: [] });
  expect(fabriclens).not.toHaveProperty('labels');
  expect(fabriclens).not.toHaveProperty('intended');
});
