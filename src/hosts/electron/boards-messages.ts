/** What the main process asks the boards process (a utility process). Secrets come with the call that logs in, and nobody keeps them there. */
import type { Login } from '../../board/index.ts';
import type { Request, Response } from '../../contract/ipc.ts';
import type { AppPlace } from './review-messages.ts';

/** How to log in; the password is sudo's too. */
export type Credentials = Omit<Login, 'user'>;

export interface BoardsPlace extends AppPlace {
  /** A trial under this folder of the board. */
  boardRoot?: string;
  /** Of the agent, on the board's loopback. */
  agentPort?: number;
}

/** A board that was trusted, and how to get in. */
interface At {
  id: string;
  credentials: Credentials;
}

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
  doctor: { request: At; response: Response<'boards.doctor'> };
};
