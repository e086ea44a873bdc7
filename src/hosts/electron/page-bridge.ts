/** Runs in the page, before its own scripts: `window.fabriclens` as the contract has it (HostBridge), out of what the preload exposes. */
import type { EventPayload, EventName, HostBridge, Response } from '../../contract/ipc.ts';
import type { Imported } from '../../contract/studies.ts';
import type { Answer, RawBridge } from './channels.ts';

const { fabriclensHost: host } = window as unknown as { fabriclensHost: RawBridge };
let next = 0;

function settle(answer: Answer): unknown {
  if (answer.ok) return answer.value;
  const { code, message, node } = answer.error;
  throw Object.assign(new Error(message), { name: code, node });
}

const bridge: HostBridge = {
  async call(name, request, signal) {
    const id = next++;
    const cancel = (): void => host.cancel(id);
    const answer = host.call(id, name, request);
    if (signal?.aborted) cancel();
    signal?.addEventListener('abort', cancel, { once: true });
    try {
      return settle(await answer) as Response<typeof name>;
    } finally {
      signal?.removeEventListener('abort', cancel);
    }
  },
  on: <N extends EventName>(name: N, listener: (payload: EventPayload<N>) => void) => host.on(name, listener as (payload: unknown) => void),
  openDropped: async (dropped) => settle(await host.openDropped(dropped)) as Imported,
};
Object.defineProperty(window, 'fabriclens', { value: Object.freeze(bridge), writable: false, configurable: false });
