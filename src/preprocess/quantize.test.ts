import fc from 'fast-check';
import * as ort from 'onnxruntime-node';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { onnxModel } from '../../test/support/onnx.ts';
import { quantizeInput } from './quantize.ts';

describe('quantizeInput', () => {
  test('rounds ties to even, adds the zero point after rounding, saturates', () => {
    expect([...quantizeInput(Float32Array.of(-2.5, -1.5, -0.5, 0.5, 1.5, 2.5), 1, 0)]).toEqual([-2, -2, 0, 0, 2, 2]);
    expect([...quantizeInput(Float32Array.of(0.5, 1.5, 2.5), 1, 1)]).toEqual([1, 3, 3]);
    expect([...quantizeInput(Float32Array.of(1000, -1000, Infinity, -Infinity), 1, 5)]).toEqual([127, -128, 127, -128]);
    expect(() => quantizeInput(Float32Array.of(0, NaN), 1, 0)).toThrow('input value 1 is not a number');
    expect(() => quantizeInput(Float32Array.of(0), 0, 0)).toThrow(RangeError);
    expect(() => quantizeInput(Float32Array.of(0), 1, 128)).toThrow(RangeError);
  });

  describe('against ONNX Runtime', () => {
    let session: ort.InferenceSession;
    beforeAll(async () => {
      session = await ort.InferenceSession.create(quantizeLinearModel());
    });
    afterAll(() => session.release());

    const theirs = async (x: Float32Array, scale: number, zeroPoint: number): Promise<Int8Array> => {
      const outputs = await session.run({
        x: new ort.Tensor('float32', x, [x.length]),
        scale: new ort.Tensor('float32', Float32Array.of(scale), []),
        zero: new ort.Tensor('int8', Int8Array.of(zeroPoint), []),
      });
      return Int8Array.from(outputs['y']!.data as Int8Array);
    };

    test('equal on random values, scales and zero points', async () => {
      await fc.assert(
        fc.asyncProperty(
          fc.float32Array({ minLength: 1, maxLength: 200, noNaN: true }),
          fc.float({ min: Math.fround(1e-6), max: 1000, noNaN: true }),
          fc.integer({ min: -128, max: 127 }),
          async (x, scale, zeroPoint) => {
            expect([...quantizeInput(x, scale, zeroPoint)]).toEqual([...(await theirs(x, scale, zeroPoint))]);
          },
        ),
      );
    });

    test('equal on every tie and its float32 neighbours', async () => {
      const next = (x: number, by: number): number => {
        const view = new DataView(new ArrayBuffer(4));
        view.setFloat32(0, x);
        view.setInt32(0, view.getInt32(0) + by);
        return view.getFloat32(0);
      };
      for (const scale of [1, 0.1, 1 / 3, 0.018658, 7.25]) {
        const ties: number[] = [];
        for (let half = -300.5; half <= 300.5; half++) for (const by of [-2, -1, 0, 1, 2]) ties.push(next(Math.fround(half * Math.fround(scale)), by));
        const x = Float32Array.from(ties);
        expect([...quantizeInput(x, scale, -3)]).toEqual([...(await theirs(x, scale, -3))]);
      }
    });
  });
});

/** y = QuantizeLinear(x, scale, zero), all three of them inputs. */
function quantizeLinearModel(): Uint8Array {
  return onnxModel({
    nodes: [{ op: 'QuantizeLinear', inputs: ['x', 'scale', 'zero'], outputs: ['y'] }],
    inputs: [{ name: 'x', type: 'float32', shape: ['n'] }, { name: 'scale', type: 'float32', shape: [] }, { name: 'zero', type: 'int8', shape: [] }],
    outputs: [{ name: 'y', type: 'int8', shape: ['n'] }],
  });
}
