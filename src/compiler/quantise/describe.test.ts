import { describe, expect, it } from 'vitest';
import { classifier } from '../../../test/support/classifier.ts';
import { tinyFp32 } from '../../../test/support/model-package.ts';
import { readOnnx, type OnnxModel } from '../onnx.ts';
import { inputRange, labelsOf, metadataOf, parseGiven, prepare, readProperties, withoutFinalActivation, type Facts } from './describe.ts';

const model = readOnnx(tinyFp32());
const facts = (more: Partial<Facts> = {}): Facts => ({ name: 'tiny', given: {}, properties: new Map(), model, inputDims: [1, 1, 16, 16], modalities: [], activation: null, ...more });

/** A model followed by metadata_props entries (ModelProto, field 14). */
function withProperties(onnx: Uint8Array, entries: Record<string, string>): Uint8Array {
  const field = (number: number, body: Uint8Array): Buffer => Buffer.concat([Buffer.from([(number << 3) | 2, body.length]), body]);
  return new Uint8Array(Buffer.concat([onnx, ...Object.entries(entries).map(([k, v]) => field(14, Buffer.concat([field(1, Buffer.from(k)), field(2, Buffer.from(v))])))]));
}

describe('what an ONNX file says of itself', () => {
  it('properties are read behind the graph', () => {
    expect(readProperties(withProperties(tinyFp32(), { names: "{0: 'cat'}", mean: '0.5' }))).toEqual(new Map([['names', "{0: 'cat'}"], ['mean', '0.5']]));
    expect(readProperties(tinyFp32()).size).toBe(0);
  });

  it.each([
    ["{0: 'person', 1: 'it is'}", ['person', 'it is']],
    ['["a", "b"]', ['a', 'b']],
    ["['a', 'b']", ['a', 'b']],
    ['{"0": "x", "1": "y"}', ['x', 'y']],
    ['sound, ill', ['sound', 'ill']],
  ])('labels as %s', (text, labels) => {
    expect(labelsOf({}, new Map([['names', text]]), 'logits')).toEqual(labels);
  });

  it("MONAI's channel_def comes first, in the order of its numbers", () => {
    const given = { network_data_format: { outputs: { logits: { channel_def: { 10: 'k', 2: 'c' } } } } };
    expect(labelsOf(given, new Map([['names', 'a,b']]), 'logits')).toEqual(['c', 'k']);
    expect(labelsOf({}, new Map(), 'logits')).toBeNull();
  });
});

describe('what must be known before calibration', () => {
  it('outputs by their shapes, preprocessing by what is given, then by the file', () => {
    expect(prepare(facts())).toMatchObject({ logits: 'logits', features: 'features', preprocessing: { width: 16, height: 16, mean: 0, std: 1 }, unknown: [expect.stringMatching(/^Preprocessing/)] });
    expect(prepare(facts({ properties: new Map([['mean', '0.4'], ['std', '0.2']]) }))).toMatchObject({ preprocessing: { mean: 0.4, std: 0.2 }, unknown: [] });
    expect(classifier(prepare(facts({ activation: 'sigmoid' }))).activation(2)).toBe('sigmoid');
    expect([1, 2].map(classifier(prepare(facts())).activation)).toEqual(['sigmoid', 'softmax']);
  });

  it.each([
    [{ inputDims: [1, 4, 16, 16] }, 'takes 4 channels; a package gives 1 (grey) or 3 (R, G, B)'],
    [{ given: { fabriclens: { preprocessing: { channels: 3 } } } }, 'prepares 3 channel(s); the network takes 1'],
    [{ inputDims: [1, 16] }, 'input is 1×16'],
    [{ given: { fabriclens: { outputs: { logits: 'scores' } } } }, "outputs are logits, features, not \"scores\""],
    [{ given: { fabriclens: { outputs: { features: 'maps' } } } }, 'no output "maps"'],
    [{ given: { fabriclens: { preprocessing: { width: 32, height: 16 } } } }, 'prepares 32 × 16 images; the network takes 16 × 16'],
    [{ given: { fabriclens: { preprocessing: { std: 0 } } } }, 'fabriclens.preprocessing.std'],
  ])('%j is refused', (more, message) => {
    expect(() => prepare(facts(more))).toThrow(message);
  });

  it('metadata that is not', () => {
    expect(() => parseGiven('{', 'm.json')).toThrow('m.json is not JSON');
    expect(() => parseGiven('{"fabriclens": {"threshold": {"classIndex": "one"}}}', 'm.json')).toThrow('m.json, fabriclens.threshold.classIndex');
  });

  it('the input spans what greys can become', () => {
    const base = { width: 1, height: 1, channels: 1 as const, fit: 'squash' as const, pad: 0, resample: 'triangle' as const, mean: 0.5, std: 0.25 };
    expect(inputRange(base)).toEqual({ min: -2, max: 2 });
    expect(inputRange({ ...base, fit: 'letterbox', pad: 1.5 })).toEqual({ min: -2, max: 4 });
    expect(inputRange({ ...base, channels: 3, mean: [0.5, 0.25, 0], std: [0.25, 0.125, 1] })).toEqual({ min: -2, max: 6 });
  });
});

describe('three channels', () => {
  const colour = facts({ inputDims: [1, 3, 16, 16] });

  it('mean and deviation as given, or of the ONNX file; else named as unknown, with what ImageNet has', () => {
    expect(prepare(colour)).toMatchObject({ preprocessing: { channels: 3, mean: 0, std: 1 }, unknown: [expect.stringMatching(/^Preprocessing: taken as R, G, B .*\[0\.485, 0\.456, 0\.406\]/)] });
    const given = { fabriclens: { preprocessing: { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] } } };
    expect(prepare({ ...colour, given })).toMatchObject({ preprocessing: { channels: 3, fit: 'squash', mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] }, unknown: [] });
    const properties = new Map([['mean', '[0.5, 0.4, 0.3]'], ['std', '0.2, 0.2, 0.1']]);
    expect(prepare({ ...colour, properties })).toMatchObject({ preprocessing: { mean: [0.5, 0.4, 0.3], std: [0.2, 0.2, 0.1] }, unknown: [] });
    expect(() => prepare(facts({ given: { fabriclens: { preprocessing: { mean: [0, 0, 0] } } } }))).toThrow('one number a channel needs "channels": 3');
  });
});

describe('detectors', () => {
  const table = (rows: number, values: number, more: OnnxModel['outputs'] = []): OnnxModel => ({ ...model, outputs: [{ name: 'output0', elementType: 1, dims: [1, rows, values] }, ...more] });
  const yolo = new Map([['stride', '32'], ['names', "{0: 'person', 1: 'bicycle'}"]]);
  const detect = (more: Partial<Facts> = {}): Facts => facts({ model: table(25200, 7), inputDims: [1, 3, 640, 640], properties: yolo, ...more });

  it('YOLOv5 as it is exported is recognised by its table and what stands beside it', () => {
    expect(prepare(detect())).toMatchObject({
      task: 'detection', predictions: 'output0', labels: ['person', 'bicycle'],
      rule: { scoreThreshold: 0.25, iouThreshold: 0.45, maxDetections: 300, objectness: true, boxes: 'cxcywh-pixels' },
      preprocessing: { channels: 3, fit: 'letterbox', pad: 114 / 255, mean: 0, std: 1 },
      unknown: [expect.stringMatching(/^Preprocessing: as YOLOv5/), expect.stringMatching(/^Score threshold/)],
    });
    const heads = [80, 40, 20].map((side, i) => ({ name: `head${i}`, elementType: 1, dims: [1, 3, side, side, 7] }));
    expect(prepare(detect({ model: table(25200, 7, heads) }))).toMatchObject({ predictions: 'output0' });
  });

  it('without objectness where a row is that much shorter; by ultralytics\' task; by metadata.json over all', () => {
    const properties = new Map([...yolo, ['task', 'detect']]);
    expect(prepare(detect({ model: table(8400, 6), properties }))).toMatchObject({ rule: { objectness: false } });
    const given = { fabriclens: { task: 'detection' as const, labels: [{ name: 'a' }, { name: 'b' }, { name: 'c' }], detection: { scoreThreshold: 0.4 }, preprocessing: { fit: 'squash' } } };
    expect(prepare(detect({ properties: new Map(), given }))).toMatchObject({ labels: ['a', 'b', 'c'], rule: { scoreThreshold: 0.4, objectness: false }, preprocessing: { fit: 'squash', pad: 114 / 255 }, unknown: [] });
    expect(prepare(detect({ properties: new Map(), given: { fabriclens: { task: 'detection', detection: { objectness: true } } } }))).toMatchObject({ labels: ['class 0', 'class 1'], unknown: expect.arrayContaining(['Class names: numbered.']) });
  });

  it.each([
    [{ properties: new Map() }, 'The network gives "output0" [1, 25200, 7], a row a box as detectors do. If it is one, say so in metadata.json: "fabriclens": {"task": "detection"'],
    [{ properties: new Map([...yolo, ['task', 'segment']]) }, 'If it is one, say so'],
    [{ model: table(25200, 85) }, 'is no table of boxes for 2 classes (person, bicycle)'],
    [{ model: table(6, 8400) }, 'has a column a box, as YOLOv8 exports it'],
    [{ properties: new Map(), given: { fabriclens: { task: 'detection' as const } } }, 'neither metadata.json nor the ONNX file names the classes'],
    [{ given: { fabriclens: { task: 'detection' as const, outputs: { predictions: 'boxes' } } } }, 'not "boxes"; say in metadata.json which has a row a box'],
    [{ model, given: { fabriclens: { task: 'detection' as const } } }, "The network's outputs are \"logits\" [1, 2], \"features\" [1, 4, 8, 8]; say in metadata.json which has a row a box"],
  ])('%# is refused by what would help', (more, message) => {
    expect(() => prepare(detect(more))).toThrow(message);
  });

  it('the package says the rule and the names of its outputs', () => {
    const { metadata, unknown } = metadataOf(detect(), prepare(detect()), { sha256: { 'model.onnx': '0'.repeat(64), 'model.int8.onnx': '1'.repeat(64) }, input: { scale: 1 / 255, zeroPoint: -128 }, classes: 0, maxDelta: 0.03, detections: 'detections' });
    expect(metadata.fabriclens).toMatchObject({
      task: 'detection', outputs: { predictions: 'output0', detections: 'detections' }, labels: [{ name: 'person' }, { name: 'bicycle' }],
      detection: { scoreThreshold: 0.25, maxDetections: 300, objectness: true }, tolerance: 0.06, input: { shape: [1, 3, 640, 640] },
    });
    expect(unknown).not.toContain('Class names: numbered.');
    expect(metadata.fabriclens).not.toHaveProperty('threshold');
  });
});

it('a guard stays with its model.onnx, and is left out of another', () => {
  const made = { sha256: { 'model.onnx': '0'.repeat(64), 'model.int8.onnx': '1'.repeat(64) }, input: { scale: 1 / 64, zeroPoint: 0 }, classes: 2, maxDelta: 0.01 };
  const guard = { sha256: '0'.repeat(64), mean: 'AAAAAA==', deviation: 'AAAAAA==', directions: '', steps: [], variances: [], rest: 1, limit: 2, method: '' };
  const withGuard = (sha256: string): ReturnType<typeof metadataOf> => {
    const given = facts({ given: { fabriclens: { guard: { ...guard, sha256 } } } });
    return metadataOf(given, prepare(given), made);
  };
  expect(withGuard('0'.repeat(64)).metadata.fabriclens).toMatchObject({ guard });
  const { metadata, unknown } = withGuard('2'.repeat(64));
  expect(metadata.fabriclens).not.toHaveProperty('guard');
  expect(unknown).toContainEqual(expect.stringMatching(/^Guard: the one given was made for another model\.onnx/));
});

it('Softmax at the end goes, the name stays', () => {
  const { model: cut, activation } = withoutFinalActivation(readOnnx(tinyFp32(undefined, true)));
  expect(activation).toBe('softmax');
  expect(cut.nodes.at(-1)).toMatchObject({ opType: 'Gemm', outputs: ['logits'] });
  expect(withoutFinalActivation(model)).toEqual({ model, activation: null, notes: [] });
});
