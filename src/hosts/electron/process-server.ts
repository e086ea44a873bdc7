/** A utility process's side of its calls: answers them, each cancellable by its id. */
import type { EventName, EventPayload } from '../../contract/ipc.ts';
import { toCallError, type CallMap, type FromProcess, type ToProcess } from './process-messages.ts';

export type Answers<C extends CallMap> = { [N in keyof C]: (request: C[N]['request'], signal: AbortSignal) => Promise<C[N]['response']> | C[N]['response'] };

export type Emit = <N extends EventName>(name: N, payload: EventPayload<N>) => void;

/** Of Electron's ParentPort, what is needed here. */
export interface Port {
  postMessage(message: FromProcess): void;
  on(event: 'message', listener: (message: { data: ToProcess }) => void): unknown;
}

export const emitter = (port: Pick<Port, 'postMessage'>): Emit => (name, payload) => port.postMessage({ kind: 'event', name, payload } as FromProcess);

/** `close`: the last thing that is done; what still runs has been cancelled by then. */
export function answerCalls<C extends CallMap>(port: Port, calls: Answers<C>, close: () => Promise<unknown>): void {
  const running = new Map<number, AbortController>();

  const answer = async (id: number, name: keyof C, request: unknown): Promise<void> => {
    const controller = new AbortController();
    running.set(id, controller);
    try {
      port.postMessage({ kind: 'answer', id, ok: true, value: await calls[name](request as never, controller.signal) });
    } catch (error) {
      port.postMessage({ kind: 'answer', id, ok: false, error: toCallError(error) });
    } finally {
      running.delete(id);
    }
  };
  const end = async (): Promise<void> => {
    for (const controller of running.values()) controller.abort();
    await close();
    process.exit(0);
  };
  port.on('message', ({ data }) => {
    if (data.kind === 'call') void answer(data.id, data.name, data.request);
    else if (data.kind === 'cancel') running.get(data.id)?.abort();
    else void end();
  });
}
