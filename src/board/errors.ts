/**
 * `board-unreachable`: nobody there, or the connection broke. `board-absent`: the virtual board cannot be started. `busy`: come again
 * after `retryAfterMs`. `board-full`: no room for a model. `conflict`: what is there isn't what the request presumes. `protocol`: the
 * answer is not what the protocol says. `host-key`: see HostKeyError. `command-failed`: a command on the board ended otherwise than
 * well. The others say themselves.
 */
export type BoardErrorCode =
  | 'board-unreachable' | 'board-absent' | 'timeout' | 'unauthorised' | 'model-absent' | 'bad-request' | 'busy' | 'protocol' | 'server-error' | 'cancelled'
  | 'board-full' | 'conflict' | 'host-key' | 'command-failed';

/** The only error that this room throws. `message` is one sentence for people: which board, what failed, what mends it. */
export class BoardError extends Error {
  readonly code: BoardErrorCode;
  readonly retryAfterMs: number | undefined;
  override readonly name: string = 'BoardError';

  constructor(code: BoardErrorCode, message: string, options?: ErrorOptions & { retryAfterMs?: number | undefined }) {
    super(message, options);
    this.code = code;
    this.retryAfterMs = options?.retryAfterMs;
  }
}
