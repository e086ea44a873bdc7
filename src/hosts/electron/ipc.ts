/** The one place that touches ipcMain: who may call, what a call may hold, cancellation, and events to the page. */
import { ipcMain, type IpcMainEvent, type IpcMainInvokeEvent, type WebContents } from 'electron';
import { z } from 'zod';
import { CALLS, type CallName, type EventName, type EventPayload, type Response } from '../../contract/ipc.ts';
import type { Imported } from '../../contract/studies.ts';
import { CHANNEL, type Answer } from './channels.ts';
import { UI_ORIGIN } from './protocol.ts';
import { toCallError } from './process-messages.ts';

export type Handlers = { [N in CallName]: (request: z.output<(typeof CALLS)[N]['request']>, signal: AbortSignal) => Promise<Response<N>> };

const Dropped = z.array(z.object({ id: z.uuid(), path: z.string().min(1).max(4096) })).max(10_000);
export type Dropped = z.infer<typeof Dropped>;

/**
 * Serves the page in `contents`. Whatever comes from another page, frame or origin is refused.
 * @returns the sender of events
 */
export function serve(contents: WebContents, handlers: Handlers, openDropped: (dropped: Dropped) => Promise<Imported>): <N extends EventName>(name: N, payload: EventPayload<N>) => void {
  const running = new Map<number, AbortController>();

  const trusted = (event: IpcMainEvent | IpcMainInvokeEvent): boolean => {
    const frame = event.senderFrame;
    return event.sender === contents && frame !== null && frame.parent === null && frame.origin === UI_ORIGIN;
  };
  const answer = async (event: IpcMainInvokeEvent, work: () => Promise<unknown>): Promise<Answer> => {
    if (!trusted(event)) return { ok: false, error: { code: 'refused', message: 'Calls are taken from the FabricLens page alone.' } };
    try {
      return { ok: true, value: await work() };
    } catch (error) {
      return { ok: false, error: toCallError(error) };
    }
  };

  ipcMain.handle(CHANNEL.call, (event, id: unknown, name: unknown, request: unknown) =>
    answer(event, async () => {
      const number = z.number().int().parse(id);
      if (typeof name !== 'string' || !Object.hasOwn(CALLS, name)) throw Object.assign(new Error(`There is no call ${String(name)}.`), { code: 'unknown-call' });
      const call = name as CallName;
      const parsed = CALLS[call].request.safeParse(request);
      if (!parsed.success) throw Object.assign(new Error(`${call}: ${z.prettifyError(parsed.error)}`), { code: 'invalid-request' });
      const controller = new AbortController();
      running.set(number, controller);
      try {
        return await (handlers[call] as (request: unknown, signal: AbortSignal) => Promise<unknown>)(parsed.data, controller.signal);
      } finally {
        running.delete(number);
      }
    }),
  );
  ipcMain.on(CHANNEL.cancel, (event, id: unknown) => {
    if (trusted(event) && typeof id === 'number') running.get(id)?.abort();
  });
  ipcMain.handle(CHANNEL.openDropped, (event, dropped: unknown) => answer(event, () => openDropped(Dropped.parse(dropped))));

  // A page that goes or comes anew has no use for what the last one asked.
  const abandon = (): void => {
    for (const controller of running.values()) controller.abort();
    running.clear();
  };
  contents.on('did-start-navigation', (details) => {
    if (details.isMainFrame && !details.isSameDocument) abandon();
  });
  contents.once('destroyed', () => {
    abandon();
    ipcMain.removeHandler(CHANNEL.call);
    ipcMain.removeHandler(CHANNEL.openDropped);
    ipcMain.removeAllListeners(CHANNEL.cancel);
  });

  return (name, payload) => {
    if (!contents.isDestroyed()) contents.send(CHANNEL.event, name, payload);
  };
}
