/** The main process's side of the review process: starts it, asks it, hands on its events, and starts it again when it dies. */
import { EventEmitter } from 'node:events';
import { utilityProcess, type UtilityProcess } from 'electron';
import type { EventName, EventPayload } from '../../contract/ipc.ts';
import { CallFailure } from './failure.ts';
import type { AppPlace, FromReview, ReviewCallName, ReviewRequest, ReviewResponse, ToReview } from './review-messages.ts';

/** More deaths than this within a minute, and it stays down. */
const MAX_RESTARTS = 3;

export interface ReviewClient {
  call<N extends ReviewCallName>(name: N, request: ReviewRequest<N>, signal?: AbortSignal): Promise<ReviewResponse<N>>;
  on(listener: <N extends EventName>(name: N, payload: EventPayload<N>) => void): void;
  /** Called after a death, when the process is there again (true) or stays down (false). */
  onLost(listener: (restarted: boolean) => void): void;
  close(): Promise<void>;
}

interface Waiting {
  resolve: (value: never) => void;
  reject: (error: Error) => void;
}

export function startReview(script: string, place: AppPlace, log: (text: string) => void): ReviewClient {
  const events = new EventEmitter();
  const waiting = new Map<number, Waiting>();
  const deaths: number[] = [];
  let next = 0;
  let closing = false;
  let child: UtilityProcess | null = fork();

  function fork(): UtilityProcess {
    const started = utilityProcess.fork(script, [JSON.stringify(place)], { serviceName: 'FabricLens review', stdio: ['ignore', 'inherit', 'inherit'] });
    started.on('message', (message: FromReview) => {
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
      if (!closing) died(code);
    });
    return started;
  }

  function died(code: number): void {
    log(`review process ended unexpectedly (code ${code})`);
    const now = Date.now();
    deaths.push(now);
    const restart = deaths.filter((at) => now - at < 60_000).length <= MAX_RESTARTS;
    const lost = new CallFailure(
      'review-lost',
      restart ? 'The process that reads images and runs the engines stopped and was started again: try once more.' : 'The process that reads images and runs the engines keeps stopping: restart FabricLens.',
    );
    for (const call of waiting.values()) call.reject(lost);
    waiting.clear();
    if (restart) child = fork();
    events.emit('lost', restart);
  }

  const send = (message: ToReview): void => child?.postMessage(message);

  return {
    call: (name, request, signal) =>
      new Promise((resolve, reject) => {
        if (signal?.aborted) return reject(new CallFailure('cancelled', 'Cancelled.'));
        if (!child) return reject(new CallFailure('review-lost', 'The process that reads images and runs the engines is not running: restart FabricLens.'));
        const id = next++;
        waiting.set(id, { resolve, reject });
        signal?.addEventListener('abort', () => waiting.has(id) && send({ kind: 'cancel', id }), { once: true });
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
        ending.once('exit', () => resolve());
        timers.push(setTimeout(() => ending.kill(), 2_000), setTimeout(resolve, 4_000));
      });
      send({ kind: 'close' });
      await gone;
      timers.forEach(clearTimeout);
    },
  };
}
