/** The main process's side of a utility process: starts it, asks it, hands on its events, and starts it again when it dies. */
import { EventEmitter } from 'node:events';
import type { EventName, EventPayload } from '../../contract/ipc.ts';
import { CallFailure } from './failure.ts';
import type { CallMap, FromProcess, ToProcess } from './process-messages.ts';

/** More deaths than this within a minute, and it stays down. */
const MAX_RESTARTS = 3;
/** Milliseconds until a process that was told to end is killed, and until it is not waited for any more. */
const [KILL_MS, LEAVE_MS] = [2_000, 4_000] as const;

/** Of Electron's UtilityProcess, what is needed here. */
export interface Child {
  postMessage(message: ToProcess): void;
  on(event: 'message', listener: (message: FromProcess) => void): unknown;
  on(event: 'exit', listener: (code: number) => void): unknown;
  kill(): unknown;
}

export interface ProcessClient<C extends CallMap> {
  call<N extends keyof C & string>(name: N, request: C[N]['request'], signal?: AbortSignal): Promise<C[N]['response']>;
  on(listener: <N extends EventName>(name: N, payload: EventPayload<N>) => void): void;
  /** Called after a death, when the process is there again (true) or stays down (false). */
  onLost(listener: (restarted: boolean) => void): void;
  close(): Promise<void>;
}

export interface ProcessOptions {
  fork: () => Child;
  /** Failures of the calls that die with it are `NAME-lost`. */
  name: string;
  /** For people: "The process that …". */
  what: string;
  /** Started now, and again after a death; else when it is first asked. */
  eager: boolean;
  log: (text: string) => void;
}

interface Waiting {
  resolve: (value: never) => void;
  reject: (error: Error) => void;
}

export function startProcess<C extends CallMap>({ fork, name: processName, what, eager, log }: ProcessOptions): ProcessClient<C> {
  const events = new EventEmitter();
  const waiting = new Map<number, Waiting>();
  const deaths: number[] = [];
  let next = 0;
  let closing = false;
  let down = false;
  let child: Child | null = eager ? start() : null;

  function start(): Child {
    const started = fork();
    started.on('message', (message) => {
      if (message.kind === 'event') {
        events.emit('event', message.name, message.payload);
        return;
      }
      const call = waiting.get(message.id);
      waiting.delete(message.id);
      if (message.ok) call?.resolve(message.value as never);
      else call?.reject(new CallFailure(message.error.code, message.error.message, message.error.node));
    });
    started.on('exit', (code) => {
      if (child === started) child = null;
      events.emit('exit', started);
      if (!closing) died(code);
    });
    return started;
  }

  function died(code: number): void {
    log(`${processName} process ended unexpectedly (code ${code})`);
    const now = Date.now();
    deaths.push(now);
    down = deaths.filter((at) => now - at < 60_000).length > MAX_RESTARTS;
    const lost = new CallFailure(`${processName}-lost`, down ? `${what} keeps stopping: restart FabricLens.` : `${what} stopped and was started again: try once more.`);
    for (const call of waiting.values()) call.reject(lost);
    waiting.clear();
    if (eager && !down) child = start();
    events.emit('lost', !down);
  }

  const send = (message: ToProcess): void => child?.postMessage(message);

  return {
    call: (name, request, signal) =>
      new Promise((resolve, reject) => {
        if (signal?.aborted) return reject(new CallFailure('cancelled', 'Cancelled.'));
        if (!down && !closing) child ??= start();
        if (!child) return reject(new CallFailure(`${processName}-lost`, `${what} is not running: restart FabricLens.`));
        const id = next++;
        const cancel = (): void => send({ kind: 'cancel', id });
        signal?.addEventListener('abort', cancel, { once: true });
        const settled = <T>(settle: (value: T) => void) => (value: T): void => {
          signal?.removeEventListener('abort', cancel);
          settle(value);
        };
        waiting.set(id, { resolve: settled(resolve), reject: settled(reject) });
        send({ kind: 'call', id, name, request });
      }),
    on: (listener) => void events.on('event', listener),
    onLost: (listener) => void events.on('lost', listener),
    async close() {
      closing = true;
      const ending = child;
      if (!ending) return;
      // It ends its children and itself; one that hangs is killed, and never holds the application.
      const timers: NodeJS.Timeout[] = [];
      const gone = new Promise<void>((resolve) => {
        events.on('exit', (one) => one === ending && resolve());
        timers.push(setTimeout(() => ending.kill(), KILL_MS), setTimeout(resolve, LEAVE_MS));
      });
      send({ kind: 'close' });
      await gone;
      timers.forEach(clearTimeout);
    },
  };
}
