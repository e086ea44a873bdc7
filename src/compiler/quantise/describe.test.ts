import { describe, expect, it } from 'vitest';
import { tinyFp32 } from '../../../test/support/model-package.ts';
import { readOnnx } from '../onnx.ts';
import { inputRange, labelsOf, parseGiven, prepare, readProperties, withoutFinalActivation, type Facts } from './describe.ts';

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
    expect(prepare(facts({ activation: 'sigmoid' })).activation(2)).toBe('sigmoid');
    expect([1, 2].map(prepare(facts()).activation)).toEqual(['sigmoid', 'softmax']);
  });

  it.each([
    [{ inputDims: [1, 3, 16, 16] }, 'takes 3 channels'],
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
    const base = { width: 1, height: 1, fit: 'squash' as const, pad: 0, resample: 'triangle' as const, mean: 0.5, std: 0.25 };
    expect(inputRange(base)).toEqual({ min: -2, max: 2 });
    expect(inputRange({ ...base, fit: 'letterbox', pad: 1.5 })).toEqual({ min: -2, max: 4 });
  });
});

it('Softmax at the end goes, the name stays', () => {
  const { model: cut, activation } = withoutFinalActivation(readOnnx(tinyFp32(undefined, true)));
  expect(activation).toBe('softmax');
  expect(cut.nodes.at(-1)).toMatchObject({ opType: 'Gemm', outputs: ['logits'] });
  expect(withoutFinalActivation(model)).toEqual({ model, activation: null, notes: [] });
});
