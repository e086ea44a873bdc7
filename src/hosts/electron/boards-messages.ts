/** What the main process asks the boards process (a utility process). Secrets come with the call that logs in, and nobody keeps them there. */
import type { Login, SecureScripts } from '../../board/index.ts';
import type { Request, Response } from '../../contract/ipc.ts';
import type { AppPlace } from './review-messages.ts';

/** How to log in; the password is sudo's too. */
export type Credentials = Omit<Login, 'user'>;

export interface BoardsPlace extends AppPlace {
  /** A trial under this folder of the board. */
  boardRoot?: string;
  /** Of the agent, on the board's loopback. */
  agentPort?: number;
  /** What is installed, in place of the bundle that came with the application. */
  bundle?: string;
}

/** A board that was trusted, and how to get in. */
export interface AtBoard {
  id: string;
  credentials: Credentials;
}
type Nothing = Record<string, never>;

export type BoardsCalls = {
  find: { request: Request<'boards.find'>; response: Response<'boards.find'> };
  connect: {
    request: Omit<Request<'boards.connect'>, 'login'> & {
      /** null: what is kept. */
      given: Credentials | null;
      /** By the id of a board that was trusted under this address. */
      kept: Record<string, Credentials>;
    };
    response: Response<'boards.connect'>;
  };
  /** Whether the password is one that sudo takes. */
  unlock: { request: AtBoard; response: Nothing };
  doctor: { request: AtBoard; response: Response<'boards.doctor'> };
  secure: { request: AtBoard & { choices: SecureScripts }; response: Response<'boards.secure'> };
  /** `overlay`: its folder. */
  plan: { request: AtBoard & { overlay: string | null }; response: Response<'boards.plan'> };
  install: { request: AtBoard & { overlay: string | null }; response: Response<'boards.install'> & { previous: string } };
  rollback: { request: AtBoard; response: Response<'boards.rollback'> & { previous: string } };
  uninstall: { request: AtBoard; response: Nothing };
  logs: { request: AtBoard; response: Response<'boards.logs'> };
  rename: { request: { id: string; name: string }; response: Nothing };
  forget: { request: { id: string }; response: Nothing };
};
