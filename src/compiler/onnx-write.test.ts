import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as ort from 'onnxruntime-node';
import { describe, expect, it } from 'vitest';
import { ROOT } from '../../test/support/data.ts';
import { tinyFp32, tinyInt8 } from '../../test/support/model-package.ts';
import type { OnnxAttribute, OnnxModel } from './onnx.ts';
import { OnnxType, readOnnx } from './onnx.ts';
import { writeOnnx } from './onnx-write.ts';

const attribute = (name: string, rest: Partial<OnnxAttribute>): [string, OnnxAttribute] => [name, { name, floats: [], ints: [], ...rest }];

/** Vitest compares arrays element by element, slowly: digests in their place. */
const bare = (model: OnnxModel): object => ({
  ...model,
  initializers: [...model.initializers].map(([key, { data, ...tensor }]) => ({ key, ...tensor, kind: data.constructor.name, sha: createHash('sha256').update(data).digest('hex') })),
});

describe('writeOnnx', () => {
  it.each([
    ['a small fp32 model', () => tinyFp32()],
    ['a small QDQ model', () => tinyInt8()],
    ['the shipped fp32 model', () => readFileSync(join(ROOT, 'models/pneumonia/model.onnx'))],
    ['the shipped int8 model', () => readFileSync(join(ROOT, 'models/pneumonia/model.int8.onnx'))],
  ])('reads back as it was: %s', (_, bytes) => {
    const model = readOnnx(bytes());
    const written = writeOnnx(model);
    const again = readOnnx(written);
    expect(bare(again)).toEqual(bare(model));
    expect(Buffer.compare(writeOnnx(again), written)).toBe(0);
  });

  it('keeps every kind of attribute, every type of tensor, inputs left out, free dimensions and negative numbers', () => {
    const tensors = [
      { name: 'f', dataType: OnnxType.FLOAT, dims: [2], data: Float32Array.of(1.5, -Infinity) },
      { name: 'u', dataType: OnnxType.UINT8, dims: [3], data: Uint8Array.of(0, 1, 255) },
      { name: 'b', dataType: OnnxType.INT8, dims: [1, 2], data: Int8Array.of(-128, 127) },
      { name: 'i', dataType: OnnxType.INT32, dims: [], data: Int32Array.of(-7) },
      { name: 'l', dataType: OnnxType.INT64, dims: [2], data: BigInt64Array.of(-1n, 2n ** 62n) },
      { name: 'empty', dataType: OnnxType.FLOAT, dims: [0], data: new Float32Array(0) },
    ];
    const model: OnnxModel = {
      opset: 17,
      inputs: [{ name: 'x', elementType: 1, dims: [0, 3, 8, 8] }],
      outputs: [{ name: 'y', elementType: 1, dims: [] }],
      initializers: new Map(tensors.map((t) => [t.name, t])),
      nodes: [{
        name: 'resize', opType: 'Resize', domain: '', inputs: ['x', '', 'f'], outputs: ['y'],
        attributes: new Map([
          attribute('float', { f: -0.25 }), attribute('int', { i: -2 }), attribute('zero', { i: 0 }), attribute('text', { s: 'nearest' }), attribute('nothing', { s: '' }),
          attribute('tensor', { t: tensors[4]! }), attribute('floats', { floats: [0.5, 2] }), attribute('ints', { ints: [-1, 0, 2 ** 40] }), attribute('none', {}),
        ]),
      }],
    };
    expect(readOnnx(writeOnnx(model))).toEqual(model);
  });

  it('writes what ONNX Runtime loads, at every opset from 13 to 21', async () => {
    const model = readOnnx(tinyFp32());
    for (let opset = 13; opset <= 21; opset++) {
      const session = await ort.InferenceSession.create(writeOnnx({ ...model, opset }), { logSeverityLevel: 3 });
      expect(session.outputNames).toEqual(['logits', 'features']);
      await session.release();
    }
  });
});
