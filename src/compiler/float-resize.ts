/** Resize and Upsample as one interpolation an axis. Coordinates are ONNX Runtime's to the bit where it matters: which pixel is the nearest. */
import { CompileError } from './error.ts';
import type { Sampling } from './float-builder.ts';
import type { FloatNode, FloatOperator } from './float-node.ts';
import { axisOf } from './float-node.ts';
import type { FloatTensor } from './graph.ts';

const f32 = Math.fround;

type Axis = { readonly length: number; readonly size: number; /** size / length as the file says it, fp32. */ readonly scale: number };

/** The place of an output pixel in the input. */
const PLACES: Readonly<Record<string, (i: number, axis: Axis) => number>> = {
  half_pixel: (i, { scale }) => f32(f32((i + 0.5) / scale) - 0.5),
  half_pixel_symmetric: (i, { length, size, scale }) => {
    const adjustment = f32(size / f32(scale * length));
    const centre = length / 2;
    return f32(centre * (1 - adjustment) + f32(f32((i + 0.5) / scale) - 0.5));
  },
  pytorch_half_pixel: (i, { size, scale }) => (size > 1 ? f32(f32((i + 0.5) / scale) - 0.5) : 0),
  align_corners: (i, { length, size }) => (size === 1 ? 0 : f32((i * (length - 1)) / (size - 1))),
  asymmetric: (i, { scale }) => f32(i / scale),
  tf_half_pixel_for_nn: (i, { scale }) => f32((i + 0.5) / scale),
};

const ROUNDINGS: Readonly<Record<string, (x: number) => number>> = {
  round_prefer_floor: (x) => (x === Math.trunc(x) + 0.5 ? Math.floor(x) : Math.round(x)),
  round_prefer_ceil: (x) => Math.round(x),
  floor: Math.floor,
  ceil: Math.ceil,
};

/** Factor and size of each axis. */
function axesOf({ node, has, numbers }: FloatNode, { shape }: FloatTensor): Axis[] {
  const upsample = node.opType === 'Upsample';
  const scales = node.attributes.get('scales')?.floats ?? (has(upsample ? 1 : 2) ? numbers(upsample ? 1 : 2) : []);
  const sizes = upsample || !has(3) ? [] : numbers(3);
  const axes = (node.attributes.get('axes')?.ints ?? shape.map((_, i) => i)).map((axis) => axisOf(node, axis, shape.length));
  if ((scales.length > 0 ? scales : sizes).length !== axes.length) throw new CompileError(`${node.opType} states neither a scale nor a size for each axis.`, node.name);
  return shape.map((length, i) => {
    const at = axes.indexOf(i);
    if (at < 0) return { length, size: length, scale: 1 };
    const scale = f32(scales.length > 0 ? (scales[at] as number) : (sizes[at] as number) / length);
    const size = scales.length > 0 ? Math.floor(f32(length * scale)) : (sizes[at] as number);
    if (!(size >= 1) || size > 2 ** 20) throw new CompileError(`${node.opType} makes ${size} of ${length}.`, node.name);
    return { length, size, scale };
  });
}

export const resized: FloatOperator = (given) => {
  const { node, build, input } = given;
  const text = (name: string, otherwise: string): string => node.attributes.get(name)?.s || otherwise;
  const flag = (name: string): number => node.attributes.get(name)?.i ?? 0;
  const upsample = node.opType === 'Upsample';
  const mode = text('mode', 'nearest');
  const coordinates = upsample ? 'asymmetric' : text('coordinate_transformation_mode', 'half_pixel');
  const place = Object.hasOwn(PLACES, coordinates) ? PLACES[coordinates] : undefined;
  const nearest = upsample ? 'floor' : text('nearest_mode', 'round_prefer_floor');
  const round = Object.hasOwn(ROUNDINGS, nearest) ? ROUNDINGS[nearest] : undefined;
  if ((mode !== 'nearest' && mode !== 'linear') || place === undefined || round === undefined || flag('antialias') !== 0 || text('keep_aspect_ratio_policy', 'stretch') !== 'stretch') {
    throw new CompileError(`${node.opType} of mode '${mode}' (${coordinates}, ${nearest}); nearest and linear are supported, without antialias, cropping or a kept aspect ratio.`, node.name);
  }
  const x = input(0);
  return axesOf(given, x).reduce((all, axis, i) => {
    if (axis.size === axis.length && axis.scale === 1) return all;
    const last = axis.length - 1;
    const sampling: Sampling = Array.from({ length: axis.size }, (_, at) => {
      const from = Math.max(0, Math.min(last, mode === 'nearest' ? round(place(at, axis)) : place(at, axis)));
      const low = Math.floor(from);
      return from === low ? { low, high: low, weight: 0 } : { low, high: low + 1, weight: f32(from - low) };
    });
    return build.interpolated(node, all, i, sampling);
  }, x);
};
