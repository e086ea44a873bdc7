/** The bridge of the contract for the tests of this room: answers given by the test, what was asked, and events at will. */
import type { CallName, EventName, EventPayload, HostBridge, Request, Response } from '../../src/contract/ipc.ts';

export type Answers = { [N in CallName]?: (request: Request<N>, signal?: AbortSignal) => Promise<Response<N>> | Response<N> };

export class TestBridge implements HostBridge {
  readonly asked: Array<[string, unknown]> = [];
  private readonly answers: Answers;
  private readonly listeners = new Map<string, Set<(payload: never) => void>>();

  constructor(answers: Answers) {
    this.answers = answers;
  }
  async call<N extends CallName>(name: N, request: Request<N>, signal?: AbortSignal): Promise<Response<N>> {
    this.asked.push([name, request]);
    const answer = this.answers[name] as ((request: Request<N>, signal?: AbortSignal) => Response<N>) | undefined;
    if (!answer) throw new Error(`unexpected call ${name}`);
    return answer(request, signal);
  }
  on<N extends EventName>(name: N, listener: (payload: EventPayload<N>) => void): () => void {
    const set = this.listeners.get(name) ?? new Set();
    this.listeners.set(name, set.add(listener));
    return () => void set.delete(listener);
  }
  emit<N extends EventName>(name: N, payload: EventPayload<N>): void {
    for (const listener of this.listeners.get(name) ?? []) (listener as (payload: EventPayload<N>) => void)(payload);
  }
  openDropped(): Promise<never> {
    return Promise.reject(new Error('The folder cannot be read.'));
  }
}

/** An answer that never comes, but for being cancelled. */
export const untilAborted = (signal?: AbortSignal): Promise<never> => new Promise((_, reject) => signal!.addEventListener('abort', () => reject(failure('cancelled', 'Cancelled.'))));
/** As the host's failures arrive. */
export const failure = (code: string, message: string): Error => Object.assign(new Error(message), { name: code });
