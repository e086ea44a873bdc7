/** The main process's side of the process that makes models: starts one a job, ends it after, and leaves nothing half-made behind it. */
import type { CallError } from '../../contract/ipc.ts';
import type { FromAdder, Job, JobResult, ToAdder } from './adder-messages.ts';
import { CallFailure } from './failure.ts';

/** Milliseconds until a process that is asked to stop, and may be compiling, is ended. */
const PATIENCE_MS = 5_000;

/** Of Electron's UtilityProcess, what is needed here. */
export interface AdderChild {
  postMessage(message: ToAdder): void;
  on(event: 'message', listener: (message: FromAdder) => void): unknown;
  on(event: 'exit', listener: (code: number) => void): unknown;
  kill(): unknown;
}

export interface Progress {
  step: string;
  done: number;
  total: number;
}

export interface AdderClient {
  /** Resolves or rejects when the process is gone and what it left is removed. Rejects with CallFailure. */
  run<J extends Job>(job: J, signal: AbortSignal, onProgress?: (progress: Progress) => void): Promise<JobResult<J>>;
  /** Ends what runs. */
  close(): Promise<void>;
}

/** @param sweep removes what interrupted jobs left */
export function createAdder({ fork, sweep, patienceMs = PATIENCE_MS }: { fork: () => AdderChild; sweep: () => Promise<void>; patienceMs?: number }): AdderClient {
  const running = new Set<{ end: () => void; gone: Promise<void> }>();

  return {
    async run<J extends Job>(job: J, signal: AbortSignal, onProgress?: (progress: Progress) => void): Promise<JobResult<J>> {
      if (signal.aborted) throw failure({ code: 'cancelled', message: 'Cancelled.' });
      const child = fork();
      let answer: Exclude<FromAdder, { kind: 'progress' }> | undefined;
      let timer: NodeJS.Timeout | undefined;
      const code = new Promise<number>((resolve) => child.on('exit', resolve));
      const gone = code.then(() => {});
      const one = { end: () => void child.kill(), gone };
      running.add(one);
      const stop = (): void => {
        child.postMessage({ kind: 'abort' });
        timer ??= setTimeout(() => child.kill(), patienceMs);
      };
      signal.addEventListener('abort', stop, { once: true });
      child.on('message', (message) => {
        if (message.kind === 'progress') return void onProgress?.({ step: message.step, done: message.done, total: message.total });
        answer = message;
        child.kill();
      });
      child.postMessage({ kind: 'job', job });
      const exit = await code;
      clearTimeout(timer);
      signal.removeEventListener('abort', stop);
      running.delete(one);
      // A job that ended by itself cleans up after itself; what was killed, or died, cannot.
      if (job.kind === 'add' && running.size === 0) await sweep();
      // Cancelled at the very end: the package is there, and is said to be.
      if (answer?.kind === 'done') return answer.value as JobResult<J>;
      if (signal.aborted) throw failure({ code: 'cancelled', message: 'Cancelled.' });
      throw failure(answer?.error ?? { code: 'adder-lost', message: `The process that makes models stopped unexpectedly (code ${exit}); it may have run out of memory. Nothing was added.` });
    },
    async close() {
      const all = [...running];
      for (const { end } of all) end();
      await Promise.all(all.map(({ gone }) => gone));
      await sweep();
    },
  };
}

const failure = ({ code, message, node }: CallError): CallFailure => new CallFailure(code, message, node);
