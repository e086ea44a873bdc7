/** What a CPU engine and its worker say to one another. */
import type { OutputTensor } from './outputs.ts';

export interface LoadRequest {
  kind: 'load';
  id: number;
  /** Transferred. */
  model: Uint8Array<ArrayBuffer>;
  /** Where each run finds its float32 input instead of cloning it into a message. */
  input: { name: string; shape: readonly number[]; values: SharedArrayBuffer };
}

/** Answered with outputs in memory that both threads share, valid until the next run. */
export interface RunRequest {
  kind: 'run';
  id: number;
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
