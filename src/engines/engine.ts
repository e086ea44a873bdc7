/** One interface for whoever runs a model (DESIGN.md, "Engine"). */
import type { EngineId, Identity, Moved, TimingPart, TimingSource } from '../contract/engine.ts';
import type { ModelPackage } from './package.ts';

/** One latency of one inference, in milliseconds. */
export interface PartSample {
  part: TimingPart;
  source: TimingSource;
  ms: number;
}

/** The last feature map, [channels, rows, columns] in row-major order. */
export interface Features {
  data: Float32Array;
  channels: number;
  rows: number;
  columns: number;
}

/**
 * Rows of a detector, as they left the network: `predictions` (centre x, centre y, width, height, then as the package's rule says) or
 * `detections`, on which the program has done that rule (x1, y1, x2, y2, score, class; class -1: no box). Pixels of the network's input.
 */
export interface RawBoxes {
  kind: 'predictions' | 'detections';
  data: Float32Array;
  rows: number;
  /** A row. */
  values: number;
}

export type Outputs =
  | {
      task: 'classification';
      /** One a class. */
      logits: Float32Array;
      /** Null when the model exposes no feature map. */
      features: Features | null;
    }
  | { task: 'detection'; raw: RawBoxes };

export type Inference = Outputs & {
  /** Parts that only this engine can time: `engine`, or `transfer`, `queue`, `pl`, `ps`. */
  parts: PartSample[];
  identity: Identity;
  /** Set from the inference on that another one than the engine's own had to answer, until the next load. */
  moved?: Moved | undefined;
};

export interface InferOptions {
  signal?: AbortSignal | undefined;
  /** From the call; after it the engine is free again, whatever its runner does. */
  timeoutMs?: number | undefined;
}

/** Every rejection is an EngineError. Calls are taken one after another. */
export interface Engine {
  readonly id: EngineId;
  /** Makes the package's model ready and warm; at once when it already is. */
  load(pkg: ModelPackage, options?: InferOptions): Promise<void>;
  /** `input` is the float32 tensor of the loaded package's input shape; it is not kept or changed. */
  infer(input: Float32Array, options?: InferOptions): Promise<Inference>;
  close(): Promise<void>;
}

export type EngineErrorCode =
  | 'cancelled'
  | 'timeout'
  | 'model-corrupt'
  | 'model-unreadable'
  | 'model-not-compiled'
  | 'model-mismatch'
  | 'tensor-mismatch'
  | 'engine-failed'
  | 'board-absent'
  | 'board-unreachable'
  | 'board-refused';

/** `code` is stable; `message` is one sentence for people that names the thing and the mend. */
export class EngineError extends Error {
  override readonly name = 'EngineError';
  readonly code: EngineErrorCode;
  constructor(code: EngineErrorCode, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
  }
}

/** Throws unless `input` has as many values as the package's input shape. */
export function checkInput(input: Float32Array, pkg: ModelPackage): void {
  const { shape, name } = pkg.metadata.fabriclens.input;
  const wanted = shape.reduce((product, n) => product * n, 1);
  if (input.length !== wanted) {
    throw new EngineError('tensor-mismatch', `Model ${pkg.metadata.fabriclens.name}: its input "${name}" takes ${shape.join(' × ')} = ${wanted} values, not ${input.length}.`);
  }
}

/** Settles as `work` does, but rejects as soon as the signal fires or the time is up; `onTimeout` then puts the runner out. */
export function bounded<T>(what: string, work: Promise<T>, { signal, timeoutMs }: InferOptions, onTimeout?: () => void): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    let timer: NodeJS.Timeout | undefined;
    const cancelled = (): void => finish(() => reject(new EngineError('cancelled', `${what} was cancelled.`)));
    const finish = (settle: () => void): void => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', cancelled);
      settle();
    };
    if (timeoutMs !== undefined) {
      timer = setTimeout(() => {
        finish(() => reject(new EngineError('timeout', `${what} gave no answer within ${timeoutMs / 1000} s.`)));
        onTimeout?.();
      }, timeoutMs);
    }
    work.then((value) => finish(() => resolve(value)), (error: unknown) => finish(() => reject(error as Error)));
    if (signal?.aborted) cancelled();
    else signal?.addEventListener('abort', cancelled, { once: true });
  });
}
