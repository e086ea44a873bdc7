/** What a CPU engine and its worker say to one another. */
import type { OutputTensor } from './outputs.ts';

export interface LoadRequest {
  kind: 'load';
  id: number;
  /** Transferred. */
  model: Uint8Array<ArrayBuffer>;
}

export interface RunRequest {
  kind: 'run';
  id: number;
  input: { name: string; data: Float32Array; shape: readonly number[] };
  outputs: readonly string[];
}

export type OrtRequest = LoadRequest | RunRequest;

export interface TensorFacts {
  name: string;
  type: string;
  /** Names stand for free dimensions. */
  shape: readonly (number | string)[];
}

export interface LoadedModel {
  inputs: TensorFacts[];
  outputs: TensorFacts[];
  /** Of onnxruntime-node. */
  version: string;
}

export type OrtReply =
  | { id: number; ok: true; value: LoadedModel | Record<string, OutputTensor> }
  | { id: number; ok: false; message: string };
