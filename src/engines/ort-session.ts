/**
 * Any ONNX model in ONNX Runtime, for the compiler's calibration and proof: on the calling thread, which a run blocks. Engines run package models in
 * a worker instead (cpu.ts).
 */

export type OrtLevel = 'all' | 'disabled';
export type OrtTensor = { readonly data: Float32Array | Int8Array | BigInt64Array; readonly dims: readonly number[] };

export interface OrtSession {
  /** One float32 input. */
  run(input: { name: string; data: Float32Array; dims: readonly number[] }, outputs: readonly string[]): Promise<Map<string, OrtTensor>>;
  close(): Promise<void>;
}

/** @throws Error with ONNX Runtime's own words where the model is not valid */
export async function openSession(model: Uint8Array, level: OrtLevel = 'all'): Promise<OrtSession> {
  // Loaded when it is needed: other commands do without.
  const ort = await import('onnxruntime-node');
  const session = await ort.InferenceSession.create(model, { graphOptimizationLevel: level, executionProviders: ['cpu'], logSeverityLevel: 3, extra: { session: { force_spinning_stop: '1' } } });
  return {
    async run({ name, data, dims }, outputs) {
      const results = await session.run({ [name]: new ort.Tensor('float32', data, dims) }, outputs);
      return new Map(
        Object.entries(results).map(([output, tensor]) => {
          const { data: values } = tensor;
          if (!(values instanceof Float32Array || values instanceof Int8Array || values instanceof BigInt64Array)) throw new Error(`output "${output}" is ${tensor.type}`);
          return [output, { data: values, dims: tensor.dims }];
        }),
      );
    },
    close: () => session.release(),
  };
}
