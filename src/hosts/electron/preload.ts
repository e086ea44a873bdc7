/** Runs in the sandboxed preload: the few doors between page and host. */
import { contextBridge, ipcRenderer, webUtils } from 'electron';
import type { EventName } from '../../contract/ipc.ts';
import { CHANNEL, type Answer, type RawBridge } from './channels.ts';

const listeners = new Map<EventName, Set<(payload: unknown) => void>>();
ipcRenderer.on(CHANNEL.event, (_event, name: EventName, payload: unknown) => {
  for (const listener of listeners.get(name) ?? []) listener(payload);
});

const bridge: RawBridge = {
  call: (id, name, request) => ipcRenderer.invoke(CHANNEL.call, id, name, request) as Promise<Answer>,
  cancel: (id) => ipcRenderer.send(CHANNEL.cancel, id),
  on(name, listener) {
    const set = listeners.get(name) ?? new Set();
    listeners.set(name, set.add(listener));
    return () => void set.delete(listener);
  },
  // A File that the page made up itself has no path: the operating system's drop alone gives it one.
  openDropped: (dropped) => ipcRenderer.invoke(CHANNEL.openDropped, dropped.map(({ id, file }) => ({ id, path: webUtils.getPathForFile(file) })).filter(({ path }) => path !== '')) as Promise<Answer>,
};
contextBridge.exposeInMainWorld('fabriclensHost', bridge);
