/** Names and shapes on the wire between preload and main; nobody else needs them. */
import type { CallError, CallName, DroppedFile, EventName } from '../../contract/ipc.ts';

export const CHANNEL = { call: 'fabriclens:call', cancel: 'fabriclens:cancel', event: 'fabriclens:event', openDropped: 'fabriclens:open-dropped' } as const;

export type Answer = { ok: true; value: unknown } | { ok: false; error: CallError };

/**
 * What the preload exposes. A context bridge carries neither an AbortSignal nor the name of an Error, so page-bridge.ts, in the page's
 * own world, makes the contract's HostBridge of this.
 */
export interface RawBridge {
  call(id: number, name: CallName, request: unknown): Promise<Answer>;
  cancel(id: number): void;
  on(name: EventName, listener: (payload: unknown) => void): () => void;
  openDropped(dropped: readonly DroppedFile[]): Promise<Answer>;
}
