/**
 * ONNX QuantizeLinear (opset ≥ 13) for int8, per tensor: saturate(round_half_even(x / scale) + zero_point), the division in float32.
 * The one piece of the accelerator's arithmetic that exists outside hls/core (DESIGN.md, contract 1); tests hold it equal to ONNX
 * Runtime's and to the runtime's own.
 */

/**
 * `scale` is taken as float32. NaN throws RangeError naming its index (ONNX leaves it undefined, and no pixel is NaN);
 * infinities saturate.
 */
export function quantizeInput(tensor: Float32Array, scale: number, zeroPoint: number): Int8Array {
  const step = Math.fround(scale);
  if (!(step > 0) || !Number.isFinite(step)) throw new RangeError(`scale ${scale} is not a positive float32`);
  if (!Number.isInteger(zeroPoint) || zeroPoint < -128 || zeroPoint > 127) throw new RangeError(`zero point ${zeroPoint} is not an int8`);
  const codes = new Int8Array(tensor.length);
  for (let i = 0; i < tensor.length; i++) {
    const quotient = Math.fround(tensor[i]! / step);
    if (Number.isNaN(quotient)) throw new RangeError(`input value ${i} is not a number`);
    const code = roundHalfEven(quotient) + zeroPoint;
    codes[i] = code < -128 ? -128 : code > 127 ? 127 : code;
  }
  return codes;
}

/** Math.round sends ties up; only exact ties need another look, as floor(x) + 0.5 is exact for every float32 that can tie. */
export function roundHalfEven(x: number): number {
  const rounded = Math.round(x);
  return rounded - x === 0.5 && rounded % 2 !== 0 ? rounded - 1 : rounded;
}
