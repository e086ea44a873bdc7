import { describe, expect, it } from 'vitest';
import { readNpy, samplesOf } from './npy.ts';

/** As numpy writes it: the header padded so that the data start at a multiple of 64. */
function npy(descr: string, shape: number[], data: Uint8Array, more = ''): Uint8Array {
  const text = `{'descr': '${descr}', 'fortran_order': ${more || 'False'}, 'shape': (${shape.join(', ')}${shape.length === 1 ? ',' : ''}), }`;
  const padded = text.padEnd(Math.ceil((10 + text.length + 1) / 64) * 64 - 11) + '\n';
  const head = Buffer.concat([Buffer.from([0x93]), Buffer.from('NUMPY'), Buffer.from([1, 0, padded.length & 255, padded.length >> 8]), Buffer.from(padded, 'latin1')]);
  return new Uint8Array(Buffer.concat([head, data]));
}
const bytesOf = (values: Float32Array | Float64Array): Uint8Array => new Uint8Array(values.buffer);
const GREY = { mean: 0.5, std: 0.25 };

describe('.npy', () => {
  it('reads float32, float64 and uint8', () => {
    expect(readNpy(npy('<f4', [1, 2], bytesOf(Float32Array.of(1.5, -2))), 'a.npy')).toEqual({ type: 'float32', shape: [1, 2], values: Float32Array.of(1.5, -2) });
    expect(readNpy(npy('<f8', [2], bytesOf(Float64Array.of(1.5, -2))), 'a.npy').values).toEqual(Float64Array.of(1.5, -2));
    expect(readNpy(npy('|u1', [3], Uint8Array.of(1, 2, 255)), 'a.npy').values).toEqual(Uint8Array.of(1, 2, 255));
    expect(readNpy(npy('|u1', [], Uint8Array.of(7)), 'a.npy').shape).toEqual([]);
  });

  it.each([
    [new Uint8Array(4), 'is no .npy file'],
    [Buffer.from('not numpy at all'), 'is no .npy file'],
    [npy('<f4', [2], new Uint8Array(7)), 'has 7 bytes of data; its shape (2) needs 8'],
    [npy('>f4', [1], new Uint8Array(4)), 'values of type >f4'],
    [npy('|O', [1], new Uint8Array(4)), 'values of type |O'],
    [npy('<f4', [2, 2], new Uint8Array(16), 'True'), 'Fortran order'],
    [npy('<f4', [2, 2], new Uint8Array(16)).subarray(0, 30), 'truncated header'],
    [npy('<f4', [9e15, 9e15], new Uint8Array(4)), 'has 4 bytes of data'],
    [npy("<f4', 'x': '", [1], new Uint8Array(4)), 'header that numpy does not write'],
  ])('refuses with the reason (%#)', (bytes, message) => {
    expect(() => readNpy(new Uint8Array(bytes), 'a.npy')).toThrow(message);
  });

  it('gives one sample or a stack of them; bytes are greys', () => {
    const one = readNpy(npy('<f4', [2, 2], bytesOf(Float32Array.of(1, 2, 3, 4))), 'a.npy');
    expect(samplesOf(one, [1, 1, 2, 2], GREY, 'a.npy')).toEqual([Float32Array.of(1, 2, 3, 4)]);
    const stack = readNpy(npy('|u1', [2, 1, 1, 2], Uint8Array.of(0, 255, 51, 102)), 'a.npy');
    expect(samplesOf(stack, [1, 1, 1, 2], GREY, 'a.npy')).toEqual([Float32Array.of(-2, 2), Float32Array.from([0.2, 0.4], (v) => (Math.fround(v) - 0.5) / 0.25)]);
    expect(() => samplesOf(one, [1, 1, 2, 3], GREY, 'a.npy')).toThrow('has the shape (2, 2); samples for this network are (1, 2, 3) or (N, 1, 2, 3)');
    const bad = readNpy(npy('<f4', [2, 2], bytesOf(Float32Array.of(1, NaN, 3, 4))), 'a.npy');
    expect(() => samplesOf(bad, [1, 1, 2, 2], GREY, 'a.npy')).toThrow('no finite number');
  });

  it('bytes of three channels are R, G, B, first or last, each with its own mean and deviation', () => {
    const normalise: { mean: [number, number, number]; std: [number, number, number] } = { mean: [0, 0.5, 1], std: [1, 0.5, 0.25] };
    // Two pixels: (0, 51, 255) and (255, 102, 0).
    const expected = Float32Array.of(0, 1, (Math.fround(0.2) - 0.5) / 0.5, (Math.fround(0.4) - 0.5) / 0.5, 0, -4);
    const last = readNpy(npy('|u1', [1, 2, 3], Uint8Array.of(0, 51, 255, 255, 102, 0)), 'a.npy');
    const first = readNpy(npy('|u1', [3, 1, 2], Uint8Array.of(0, 255, 51, 102, 255, 0)), 'a.npy');
    const stack = readNpy(npy('|u1', [2, 1, 2, 3], Uint8Array.of(0, 51, 255, 255, 102, 0, 0, 51, 255, 255, 102, 0)), 'a.npy');
    for (const one of [last, first]) expect(samplesOf(one, [1, 3, 1, 2], normalise, 'a.npy')).toEqual([expected]);
    expect(samplesOf(stack, [1, 3, 1, 2], normalise, 'a.npy')).toEqual([expected, expected]);
    // Floats are the network's own: R, G, B last is another shape.
    const floats = readNpy(npy('<f4', [1, 2, 3], new Uint8Array(24)), 'a.npy');
    expect(() => samplesOf(floats, [1, 3, 1, 2], normalise, 'a.npy')).toThrow('samples for this network are (3, 1, 2) or (N, 3, 1, 2)');
  });
});
