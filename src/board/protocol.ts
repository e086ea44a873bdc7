/** Infer requests and answers of the Open Inference Protocol v2, with and without the binary tensor data extension: values ⇄ bytes, no effects. */
import { DATATYPE_BYTES, InferResponse, type Datatype, type Parameters } from '../contract/oip.ts';
import type { z } from 'zod';

export type TensorData =
  | Uint8Array | Int8Array | Uint16Array | Int16Array | Uint32Array | Int32Array | Float32Array | Float64Array | BigUint64Array | BigInt64Array;

export interface Tensor {
  name: string;
  datatype: Datatype;
  shape: readonly number[];
  /** Row-major, one element a value; the type that belongs to the datatype (BOOL: Uint8Array of 0 and 1). */
  data: TensorData;
}

export interface InferAnswer {
  modelName: string;
  modelVersion: string;
  outputs: Map<string, Tensor>;
  /** The server's own words about the run; see TIMING_PARAMETERS and IDENTITY_PARAMETERS of the contract. */
  parameters: z.infer<typeof Parameters>;
}

/** What is wrong with an answer; the client adds whose. */
export class ProtocolViolation extends Error {}

const ARRAYS = {
  BOOL: Uint8Array, UINT8: Uint8Array, INT8: Int8Array, UINT16: Uint16Array, INT16: Int16Array, UINT32: Uint32Array, INT32: Int32Array,
  FP32: Float32Array, FP64: Float64Array, UINT64: BigUint64Array, INT64: BigInt64Array,
} as const satisfies Record<Datatype, unknown>;

/** Header: tensors lie behind so many bytes of JSON. */
export const HEADER_LENGTH = 'inference-header-content-length';

const elementsOf = (shape: readonly number[]): number => shape.reduce((product, extent) => product * extent, 1);

/**
 * `outputs`: names wanted, all by default; `binary`: the server takes and gives raw little-endian tensors after a JSON header.
 * Throws RangeError where a tensor's data do not fit its datatype and shape: a defect of the caller, found before anything travels.
 */
export function encodeInfer(inputs: readonly Tensor[], outputs: readonly string[] | undefined, binary: boolean): { headers: Record<string, string>; body: Uint8Array[] } {
  for (const { name, datatype, shape, data } of inputs) {
    if (!(data instanceof ARRAYS[datatype]) || data.length !== elementsOf(shape)) {
      throw new RangeError(`input '${name}': ${datatype} of shape [${shape.join(', ')}] wants ${elementsOf(shape)} elements, not ${data.constructor.name} of ${data.length}`);
    }
  }
  const bytes = (data: TensorData): Uint8Array => new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  const head = Buffer.from(JSON.stringify({
    inputs: inputs.map(({ name, datatype, shape, data }) => ({
      name, datatype, shape,
      ...(binary ? { parameters: { binary_data_size: data.byteLength } } : { data: Array.from(data as ArrayLike<number | bigint>, Number) }),
    })),
    ...(outputs ? { outputs: outputs.map((name) => ({ name, ...(binary ? { parameters: { binary_data: true } } : {}) })) } : {}),
    ...(binary && !outputs ? { parameters: { binary_data_output: true } } : {}),
  }));
  if (!binary) return { headers: { 'content-type': 'application/json' }, body: [head] };
  return {
    headers: { 'content-type': 'application/octet-stream', [HEADER_LENGTH]: String(head.length) },
    body: [head, ...inputs.map(({ data }) => bytes(data))],
  };
}

/** `headerLength`: value of the Inference-Header-Content-Length header, if there was one. Tensors stay in `body`, whose memory is theirs from then on. Throws ProtocolViolation. */
export function decodeInfer(body: Uint8Array, headerLength: string | undefined, wanted: readonly string[] | undefined): InferAnswer {
  let length = body.length;
  if (headerLength !== undefined) {
    if (!/^\d{1,15}$/.test(headerLength) || Number(headerLength) > length) throw new ProtocolViolation(`Inference-Header-Content-Length is '${headerLength.slice(0, 20)}', the answer has ${length} bytes`);
    length = Number(headerLength);
  }
  const parsed = InferResponse.safeParse(flattenData(parseJson(body.subarray(0, length))));
  if (!parsed.success) throw new ProtocolViolation(`the infer answer is malformed: ${issueOf(parsed.error)}`);
  const answer = parsed.data;
  const outputs = new Map<string, Tensor>();
  let offset = length;
  for (const { name, datatype, shape, parameters, data } of answer.outputs) {
    const elements = elementsOf(shape);
    const size = parameters?.['binary_data_size'];
    if (outputs.has(name)) throw new ProtocolViolation(`output '${name}' comes twice`);
    if (size !== undefined) {
      if (size !== elements * DATATYPE_BYTES[datatype]) throw new ProtocolViolation(`output '${name}': ${datatype} of shape [${shape.join(', ')}] cannot have ${String(size)} bytes`);
      if (offset + size > body.length) throw new ProtocolViolation(`output '${name}': ${size} bytes announced, ${body.length - offset} came`);
      outputs.set(name, { name, datatype, shape, data: tensorAt(datatype, body.subarray(offset, offset + size)) });
      offset += size;
    } else {
      if (data?.length !== elements) throw new ProtocolViolation(`output '${name}': shape [${shape.join(', ')}] wants ${elements} values, ${data?.length ?? 'none'} came`);
      outputs.set(name, { name, datatype, shape, data: fromNumbers(datatype, data) });
    }
  }
  if (offset !== body.length) throw new ProtocolViolation(`${body.length - offset} bytes follow the outputs`);
  for (const name of wanted ?? []) if (!outputs.has(name)) throw new ProtocolViolation(`output '${name}' was asked for and is missing`);
  return { modelName: answer.model_name, modelVersion: answer.model_version ?? '', outputs, parameters: answer.parameters ?? {} };
}

/** Where they lie; a copy where they are not aligned to their width. */
function tensorAt(datatype: Datatype, bytes: Uint8Array): TensorData {
  const width = DATATYPE_BYTES[datatype];
  const aligned = bytes.byteOffset % width === 0 ? bytes : new Uint8Array(bytes);
  return new ARRAYS[datatype](aligned.buffer as ArrayBuffer, aligned.byteOffset, aligned.byteLength / width);
}

/** JSON, or ProtocolViolation. */
export function parseJson(body: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body)) as unknown;
  } catch (error) {
    throw new ProtocolViolation(`the answer is not JSON (${(error as Error).message.slice(0, 80)})`);
  }
}

/** The first thing that zod found, on one line. */
export function issueOf(error: z.ZodError): string {
  const issue = error.issues[0];
  return issue ? `${issue.path.join('.') || 'the whole'}: ${issue.message}` : 'unknown';
}

function fromNumbers(datatype: Datatype, values: readonly (number | boolean)[]): TensorData {
  const numbers = values.map(Number);
  if (datatype === 'FP32' || datatype === 'FP64') return ARRAYS[datatype].from(numbers);
  const wide = datatype === 'INT64' || datatype === 'UINT64';
  const data = wide ? ARRAYS[datatype].from(numbers.map((value) => BigInt(Math.trunc(value)))) : ARRAYS[datatype].from(numbers);
  const lost = numbers.findIndex((value, i) => Number(data[i]) !== value);
  if (lost >= 0) throw new ProtocolViolation(`${datatype} data hold ${numbers[lost]}`);
  return data;
}

/** Data may come nested as the shape says, or flat. Level by level, no deeper than the shape: `flat(Infinity)` recurses as deep as a server likes. */
function flattenData(answer: unknown): unknown {
  const outputs = (answer as { outputs?: unknown } | null)?.outputs;
  if (!Array.isArray(outputs)) return answer;
  for (const output of outputs as Array<{ data?: unknown; shape?: unknown } | null>) {
    if (!output || !Array.isArray(output.data) || !Array.isArray(output.shape)) continue;
    let data = output.data as unknown[];
    for (let level = 1; level < output.shape.length && Array.isArray(data[0]); level++) data = data.flat(1);
    output.data = data;
  }
  return answer;
}
