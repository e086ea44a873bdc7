/** QuantizeLinear of the input exists twice, in preprocess/ and in the runtime; here they are held equal. ONNX Runtime's is held to the first in src/preprocess. */
import { spawnSync } from 'node:child_process';
import { beforeAll, expect, test } from 'vitest';
import { build } from '../../hls/build.mjs';
import { quantizeInput } from '../../src/preprocess/index.ts';

let library: string;
beforeAll(async () => {
  library = await build('runtime');
}, 600_000);

const CALL = `
import ctypes, sys
runtime = ctypes.CDLL(sys.argv[1])
runtime.fl_quantize_linear.restype = ctypes.c_int64
runtime.fl_quantize_linear.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_float, ctypes.c_int32]
x = sys.stdin.buffer.read()
codes = ctypes.create_string_buffer(len(x) // 4)
if runtime.fl_quantize_linear(x, codes, len(x) // 4, float(sys.argv[2]), int(sys.argv[3])) != -1: sys.exit('NaN')
sys.stdout.buffer.write(codes.raw)
`;

function theirs(x: Float32Array, scale: number, zeroPoint: number): Int8Array {
  const { status, stdout, stderr } = spawnSync('python3', ['-c', CALL, library, String(scale), String(zeroPoint)], { input: new Uint8Array(x.buffer), maxBuffer: 1 << 28 });
  if (status !== 0) throw new Error(stderr.toString());
  return new Int8Array(new Uint8Array(stdout).buffer);
}

test.each([[1, 0], [0.1, -128], [1 / 3, 127], [0.018658, 3], [7.25, -3], [1e-6, 0]])('scale %d, zero point %d: ties, their neighbours, random bits and infinities', (scale, zeroPoint) => {
  const step = Math.fround(scale);
  const values: number[] = [Infinity, -Infinity, 0, -0];
  const view = new DataView(new ArrayBuffer(4));
  for (let half = -300.5; half <= 300.5; half += 0.5) {
    view.setFloat32(0, half * step);
    const bits = view.getInt32(0);
    for (const by of [-1, 0, 1]) {
      view.setInt32(0, bits + by);
      values.push(view.getFloat32(0));
    }
  }
  let state = 1;
  for (let i = 0; i < 200_000; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    view.setInt32(0, state);
    values.push(view.getFloat32(0));
  }
  const x = Float32Array.from(values.filter((v) => !Number.isNaN(v)));
  const ours = quantizeInput(x, scale, zeroPoint);
  const other = theirs(x, scale, zeroPoint);
  expect(other.length).toBe(x.length);
  const differing = [...x.keys()].filter((i) => ours[i] !== other[i]).slice(0, 5).map((i) => [x[i], ours[i], other[i]]);
  expect(differing).toEqual([]);
});
