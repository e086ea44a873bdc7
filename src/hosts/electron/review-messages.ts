/** What the main process and the review process (a utility process) say to one another. */
import { CompileError } from '../../compiler/error.ts';
import type { CallError, EventName, EventPayload, Request, Response } from '../../contract/ipc.ts';

/** Calls of the page that the review process answers as they are. */
export const FORWARDED = ['library.get', 'library.close', 'models.list', 'models.deploy', 'boards.list', 'boards.reconnect', 'compare.run'] as const;
export type Forwarded = (typeof FORWARDED)[number];

/** Calls that only the main process makes: they carry paths, which the page never sees. */
export interface InternalCalls {
  'library.add': { request: { paths: string[] }; response: { opened: number } };
  'library.addSample': { request: Record<string, never>; response: { opened: number } };
  /** The file behind an instance's id, or null. */
  'instance.path': { request: { id: string }; response: { path: string | null } };
  /** So that nobody runs a model whose files go. */
  'models.unload': { request: { id: string }; response: Record<string, never> };
}

export type ReviewCallName = Forwarded | keyof InternalCalls;
export type ReviewRequest<N extends ReviewCallName> = N extends Forwarded ? Request<N> : N extends keyof InternalCalls ? InternalCalls[N]['request'] : never;
export type ReviewResponse<N extends ReviewCallName> = N extends Forwarded ? Response<N> : N extends keyof InternalCalls ? InternalCalls[N]['response'] : never;

export type ToReview =
  | { kind: 'call'; id: number; name: ReviewCallName; request: unknown }
  | { kind: 'cancel'; id: number }
  | { kind: 'close' };

export type FromReview =
  | { kind: 'answer'; id: number; ok: true; value: unknown }
  | { kind: 'answer'; id: number; ok: false; error: CallError }
  | { [N in EventName]: { kind: 'event'; name: N; payload: EventPayload<N> } }[EventName];

/** Where the application lies; handed to the review process as its only argument, in JSON. See resources.ts. */
export interface AppPlace {
  /** Folder of package.json: the checkout, or app.asar. */
  root: string;
  /** Electron's resources folder of an installed application. */
  resourcesPath?: string;
  /** Model packages of another folder than the application's own. */
  modelsDir?: string;
  /** Folder of the reader's own packages; it is there. */
  userModelsDir: string;
}

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
