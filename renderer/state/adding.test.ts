import { expect, test } from 'vitest';
import type { EventPayload, ModelDraft } from '../../src/contract/ipc.ts';
import { TestBridge, untilAborted, type Answers } from '../testing/bridge.ts';
import { model } from '../testing/samples.ts';
import { ModelAdder } from './adding.ts';
import { INITIAL_STATE, Store, type AppState } from './store.ts';

const draft: ModelDraft = {
  name: 'hand', title: 'Hand', quantised: false, input: { name: 'x', shape: [1, 1, 8, 8] }, outputs: [], task: 'classification', labels: null, classes: 2, modalities: [], unknown: ['labels'], notes: [],
  preprocessing: { width: 8, height: 8, channels: 1, fit: 'squash', pad: 0, resample: 'triangle', mean: 0, std: 1 },
};

function setUp(answers: Answers = {}): { adder: ModelAdder; store: Store<AppState>; asked: Array<[string, unknown]>; tell: (payload: EventPayload<'models.progress'>) => void } {
  const bridge = new TestBridge({
    'models.pick': ({ what }) => ({ file: { id: `id-${what}`, name: what } }), 'models.inspect': () => draft, 'models.add': ({ fields }) => ({ id: fields.name }), ...answers,
  });
  const { asked } = bridge;
  const store = new Store<AppState>({ ...INITIAL_STATE, models: [model] });
  const adder = new ModelAdder(bridge, store, async () => void asked.push(['refresh', {}]));
  adder.begin();
  return { adder, store, asked, tell: (payload) => bridge.emit('models.progress', payload) };
}
async function toSamples(adder: ModelAdder): Promise<void> {
  await adder.pick('onnx');
  await adder.next();
  await adder.next();
  await adder.pick('samples');
}

test('from a file to a model, a step at a time', async () => {
  const { adder, store, asked } = setUp();
  const step = (): string => store.get().adding!.step;
  await adder.next();
  expect(asked).toEqual([]);
  await adder.pick('onnx');
  await adder.next();
  expect([step(), store.get().adding!.form!.name]).toEqual(['describe', 'hand']);
  await adder.next();
  expect(step()).toBe('samples');
  await adder.next();
  expect(step()).toBe('samples');
  await adder.pick('samples');
  await adder.next();
  expect(step()).toBe('report');
  expect(store.get()).toMatchObject({ modelId: 'hand', adding: { added: 'hand', busy: null } });
  expect(adder.dirty).toBe(false);
  expect(asked.find(([name]) => name === 'models.add')![1]).toMatchObject({ model: 'id-onnx', metadata: null, samples: 'id-samples', method: null, limit: 128, fields: { name: 'hand', labels: null } });
});

test('a fault stays at its field until it is touched; a name in use is one', async () => {
  const { adder, store } = setUp();
  await adder.pick('onnx');
  await adder.next();
  adder.edit({ name: model.id, title: '' });
  await adder.next();
  expect(store.get().adding).toMatchObject({ step: 'describe', faults: { name: 'nameTaken', title: 'title' } });
  adder.edit({ name: 'other' });
  expect(store.get().adding!.faults).toEqual({ title: 'title' });
});

test('another file forgets what was known of the one before', async () => {
  const { adder, store } = setUp();
  await adder.pick('onnx');
  await adder.next();
  adder.back();
  await adder.pick('onnx');
  expect(store.get().adding).toMatchObject({ draft: null, form: null });
});

test('what the compiler refuses stands in its place, and one can go back', async () => {
  const { adder, store } = setUp({ 'models.add': () => Promise.reject(Object.assign(new Error('Take a smaller kernel.'), { name: 'not-compiled', node: 'conv1' })) });
  await toSamples(adder);
  await adder.next();
  expect(store.get().adding).toMatchObject({ step: 'make', busy: null, failure: { code: 'not-compiled', node: 'conv1', message: 'Take a smaller kernel.' } });
  adder.back();
  expect(store.get().adding).toMatchObject({ step: 'samples', failure: null });
});

test('progress is kept part by part; cancelling stays at the step', async () => {
  const { adder, store, tell } = setUp({ 'models.add': (_request, signal) => untilAborted(signal) });
  await toSamples(adder);
  const made = adder.next();
  await Promise.resolve();
  tell({ step: 'calibrating', done: 1, total: 4 });
  tell({ step: 'calibrating', done: 2, total: 4 });
  tell({ step: 'compiling', done: 0, total: 1 });
  expect(store.get().adding!.progress).toEqual([{ step: 'calibrating', done: 2, total: 4 }, { step: 'compiling', done: 0, total: 1 }]);
  adder.back();
  expect(store.get().adding!.step).toBe('make');
  adder.cancel();
  expect(store.get().adding!.busy).toBe('cancel');
  await made;
  expect(store.get().adding).toMatchObject({ step: 'make', busy: null, failure: { code: 'cancelled' } });
});

test('leaving cancels, and late answers change nothing', async () => {
  const { adder, store } = setUp({ 'models.add': (_request, signal) => untilAborted(signal) });
  await toSamples(adder);
  const made = adder.next();
  expect(adder.dirty).toBe(true);
  adder.leave();
  adder.begin();
  await made;
  expect(store.get().adding).toMatchObject({ step: 'file', failure: null, busy: null });
});
