/** NumPy's .npy, strictly: version 1 to 3, one array of float32, float64 or uint8, little endian, C order. */
import type { Preprocessing } from '../../contract/model.ts';
import { CompileError } from '../error.ts';

export type Npy = { readonly type: 'float32' | 'float64' | 'uint8'; readonly shape: readonly number[]; readonly values: Float32Array | Float64Array | Uint8Array };

const TYPES: Readonly<Record<string, { type: Npy['type']; bytes: number }>> = { '<f4': { type: 'float32', bytes: 4 }, '<f8': { type: 'float64', bytes: 8 }, '|u1': { type: 'uint8', bytes: 1 } };
const MAGIC = [0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59];
const MAX_HEADER = 65536;
/** What numpy writes: {'descr': '<f4', 'fortran_order': False, 'shape': (1, 224, 224), } */
const HEADER = /^\{\s*'descr':\s*'([^']{1,16})',\s*'fortran_order':\s*(True|False),\s*'shape':\s*\(([\d\s,]{0,200})\),?\s*\}\s*$/;

/** @throws CompileError naming `file` and what it is */
export function readNpy(bytes: Uint8Array, file: string): Npy {
  const refuse = (what: string): never => {
    throw new CompileError(`${file} ${what}. Save it with numpy.save(path, array.astype('float32')).`);
  };
  if (bytes.length < 10 || MAGIC.some((byte, i) => bytes[i] !== byte)) return refuse('is no .npy file');
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const version = bytes[6] as number;
  if (version < 1 || version > 3 || (version > 1 && bytes.length < 12)) return refuse(`has .npy version ${version}`);
  const start = version === 1 ? 10 : 12;
  const length = version === 1 ? view.getUint16(8, true) : view.getUint32(8, true);
  if (length > MAX_HEADER || start + length > bytes.length) return refuse('has a truncated header');
  const match = HEADER.exec(new TextDecoder('latin1').decode(bytes.subarray(start, start + length)));
  if (match === null) return refuse('has a header that numpy does not write');
  const [, descr = '', fortran, dims = ''] = match;
  const kind = Object.hasOwn(TYPES, descr) ? TYPES[descr] : undefined;
  if (kind === undefined) return refuse(`holds values of type ${descr}; float32, float64 and uint8 are read`);
  const { type, bytes: width } = kind;
  const shape = dims.split(',').map((d) => d.trim()).filter((d) => d !== '').map(Number);
  if (fortran === 'True' && shape.length > 1) return refuse('is in Fortran order; save numpy.ascontiguousarray(array)');
  const count = shape.reduce((product, d) => product * d, 1);
  const data = bytes.length - start - length;
  if (!Number.isSafeInteger(count) || count * width !== data) return refuse(`has ${data} bytes of data; its shape (${shape.join(', ')}) needs ${count * width}`);
  // A copy of its own, which is aligned.
  const buffer = new Uint8Array(bytes.subarray(start + length)).buffer;
  return { type, shape, values: type === 'float32' ? new Float32Array(buffer) : type === 'float64' ? new Float64Array(buffer) : new Uint8Array(buffer) };
}

type Normalise = Pick<Preprocessing, 'mean' | 'std'>;

/**
 * The samples of an array: one, or as many as its first axis says. Floats are inputs as the network takes them; uint8 is an 8-bit image of
 * the input's size, which `normalise` turns into one: grey, or for three channels R, G, B first or last ((3, height, width) or (height, width, 3)).
 * @param dims of the network's input, [1, …]
 */
export function samplesOf(npy: Npy, dims: readonly number[], normalise: Normalise, file: string): Float32Array[] {
  const wanted = dims.slice(1);
  const [channels = 1, height = 1, width = 1] = wanted;
  const core = (shape: readonly number[]): string => shape.filter((d) => d !== 1).join();
  const pixels = core([height, width, channels]);
  const has = (shape: readonly number[]): boolean => core(shape) === core(wanted);
  const interleaved = (shape: readonly number[]): boolean => npy.type === 'uint8' && channels === 3 && core(shape) === pixels && !has(shape);
  const fits = (shape: readonly number[]): boolean => has(shape) || interleaved(shape);
  const single = fits(npy.shape);
  const rest = npy.shape.slice(1);
  if (!single && !(npy.shape.length > 0 && fits(rest))) {
    const colour = npy.type === 'uint8' && channels === 3 ? ` or (${height}, ${width}, 3)` : '';
    throw new CompileError(`${file} has the shape (${npy.shape.join(', ')}); samples for this network are (${wanted.join(', ')})${colour} or (N, ${wanted.join(', ')}).`);
  }
  const size = wanted.reduce((product, d) => product * d, 1);
  const count = single ? 1 : (npy.shape[0] as number);
  const last = interleaved(single ? npy.shape : rest);
  return Array.from({ length: count }, (_, i) => {
    const values = npy.values.subarray(i * size, (i + 1) * size);
    const sample = npy.type === 'uint8' ? normalised(values, channels, last, normalise) : Float32Array.from(values);
    if (sample.some((v) => !Number.isFinite(v))) throw new CompileError(`${file} holds a value that is no finite number.`);
    return sample;
  });
}

/** 8-bit values as planes of float32; `last`: R, G, B lie beside one another. */
function normalised(values: Npy['values'], channels: number, last: boolean, { mean, std }: Normalise): Float32Array {
  const of = (value: number | readonly number[], channel: number): number => (typeof value === 'number' ? value : (value[channel] as number));
  const size = values.length / channels;
  const out = new Float32Array(values.length);
  for (let c = 0; c < channels; c++) {
    const [m, s] = [of(mean, c), of(std, c)];
    for (let i = 0; i < size; i++) out[c * size + i] = (Math.fround((values[last ? i * channels + c : c * size + i] as number) / 255) - m) / s;
  }
  return out;
}
