/**
 * Decoding off the page's thread. What the reader waits for goes first; work that nobody waits for any more is dropped from
 * the queue. Frames of one instance go to one worker, which keeps the parsed file.
 */
import type { DroppedFile } from '../../src/contract/ipc.ts';
import type { Job, JobResult, WorkerReply, WorkerRequest } from './protocol.ts';

/** What a worker is to the pool; a test puts its own in. */
export interface WorkerPort {
  postMessage(request: WorkerRequest): void;
  terminate(): void;
  onmessage: ((event: { data: WorkerReply }) => void) | null;
  onerror: ((event: { message: string }) => void) | null;
}

/** Lower goes first. */
export const PRIORITY = { shown: 0, ahead: 1, thumb: 2 } as const;

export class DecodeError extends Error {
  readonly code: string;
  constructor(code: string, message: string) {
    super(message);
    this.name = 'DecodeError';
    this.code = code;
  }
}
export const isAbort = (error: unknown): boolean => error instanceof DOMException && error.name === 'AbortError';

/** Of one job, fetch and all; the largest mammogram takes a tenth of it. A decoder that loops on a damaged frame is ended. */
const DEADLINE_MS = 60_000;

interface Task {
  job: Job;
  priority: number;
  resolve: (value: never) => void;
  reject: (reason: unknown) => void;
}
interface Slot {
  /** Null after it died: the next task makes a new one, so that a worker that cannot start fails tasks, not in a loop. */
  port: WorkerPort | null;
  running: Task | null;
  instanceId: string;
  /** To be replaced when its task is done. */
  old?: boolean;
  deadline?: ReturnType<typeof setTimeout>;
}

export class DecodePool {
  private readonly slots: Slot[];
  private readonly create: () => WorkerPort;
  private queue: Task[] = [];
  private nextId = 1;
  /** By the id of their instance. */
  private readonly dropped = new Map<string, File>();
  private open: ReadonlySet<string> = new Set();

  constructor(create: () => WorkerPort, size: number) {
    this.create = create;
    this.slots = Array.from({ length: size }, () => {
      const slot: Slot = { port: null, running: null, instanceId: '' };
      slot.port = this.start(slot);
      return slot;
    });
  }

  /** Rejects with DecodeError, or AbortError when `signal` ends it. */
  run<J extends Job>(job: J, priority: number, signal?: AbortSignal): Promise<JobResult<J>> {
    return new Promise<JobResult<J>>((resolve, reject) => {
      const task: Task = { job, priority, resolve, reject };
      if (signal?.aborted) return reject(aborted());
      signal?.addEventListener('abort', () => {
        // A worker that has begun finishes: its answer is dropped, and the next task finds the file parsed.
        this.queue = this.queue.filter((waiting) => waiting !== task);
        reject(aborted());
      }, { once: true });
      this.queue.push(task);
      this.pump();
    });
  }

  /** Files that jobs may soon ask for; those of earlier drops that came to nothing are forgotten. */
  expect(dropped: readonly DroppedFile[]): void {
    for (const id of this.dropped.keys()) if (!this.open.has(id)) this.dropped.delete(id);
    for (const { id, file } of dropped) this.dropped.set(id, file);
  }

  /** Forgets the files of instances that were open and are not any more. */
  keep(instances: ReadonlySet<string>): void {
    for (const id of this.open) if (!instances.has(id)) this.dropped.delete(id);
    this.open = instances;
  }

  /** Workers anew: a codec's memory never shrinks, and what a closed study took goes with its worker. */
  renew(): void {
    for (const slot of this.slots) {
      if (slot.running) slot.old = true;
      else this.replace(slot);
    }
  }

  private replace(slot: Slot): void {
    slot.port?.terminate();
    slot.old = false;
    slot.instanceId = '';
    slot.port = this.start(slot);
  }

  private start(slot: Slot): WorkerPort {
    const port = this.create();
    port.onmessage = ({ data }) => {
      const task = slot.running;
      clearTimeout(slot.deadline);
      slot.running = null;
      if (data.ok) task?.resolve(data.value as never);
      else task?.reject(new DecodeError(data.code, data.message));
      if (slot.old) this.replace(slot);
      this.pump();
    };
    port.onerror = ({ message }) => this.end(slot, message);
    return port;
  }

  /** A worker that died (memory, a codec that ran wild) or must end fails its own image only. */
  private end(slot: Slot, message: string): void {
    clearTimeout(slot.deadline);
    slot.running?.reject(new DecodeError('worker-died', message));
    slot.port?.terminate();
    slot.port = null;
    slot.running = null;
    slot.instanceId = '';
    this.pump();
  }

  private pump(): void {
    for (;;) {
      const idle = this.slots.filter((slot) => !slot.running);
      if (idle.length === 0 || this.queue.length === 0) return;
      // Thumbnails never take the last worker: an image asked for meanwhile finds one free. Nor the cores and the memory of one that a reader waits for.
      const highest = (idle.length === 1 && this.slots.length > 1) || this.slots.some(({ running }) => running?.priority === PRIORITY.shown) ? PRIORITY.ahead : PRIORITY.thumb;
      const task = this.queue.filter((t) => t.priority <= highest).sort((a, b) => a.priority - b.priority)[0];
      if (!task) return;
      this.queue.splice(this.queue.indexOf(task), 1);
      const slot = idle.find((s) => s.instanceId === task.job.instanceId) ?? idle[0]!;
      slot.running = task;
      slot.instanceId = task.job.instanceId;
      slot.port ??= this.start(slot);
      slot.deadline = setTimeout(() => this.end(slot, `it did not come back within ${DEADLINE_MS / 1000} s; the file may be damaged`), DEADLINE_MS);
      slot.port.postMessage({ id: this.nextId++, dropped: this.dropped.get(task.job.instanceId), ...task.job });
    }
  }
}

const aborted = (): DOMException => new DOMException('no longer wanted', 'AbortError');
