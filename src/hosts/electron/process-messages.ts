/** What the main process and a utility process of ours say to one another: calls, their answers, and events for the page. */
import { CompileError } from '../../compiler/error.ts';
import type { CallError, EventName, EventPayload } from '../../contract/ipc.ts';

/** The calls that a process answers, by name. */
export type CallMap = { [name: string]: { request: unknown; response: unknown } };

export type ToProcess = { kind: 'call'; id: number; name: string; request: unknown } | { kind: 'cancel'; id: number } | { kind: 'close' };

export type FromProcess =
  | { kind: 'answer'; id: number; ok: true; value: unknown }
  | { kind: 'answer'; id: number; ok: false; error: CallError }
  | { [N in EventName]: { kind: 'event'; name: N; payload: EventPayload<N> } }[EventName];

/** An error as a call carries it: a stable code where the error has one, `internal` otherwise. */
export function toCallError(error: unknown): CallError {
  if (error instanceof CompileError) return { code: 'not-compiled', message: error.message, ...(error.node === '' ? {} : { node: error.node }) };
  if (error instanceof Error) {
    const { node } = error as { node?: unknown };
    const code = (error as { code?: unknown }).code;
    return { code: typeof code === 'string' ? code : error.name === 'AbortError' ? 'cancelled' : 'internal', message: error.message, ...(typeof node === 'string' ? { node } : {}) };
  }
  return { code: 'internal', message: String(error) };
}
