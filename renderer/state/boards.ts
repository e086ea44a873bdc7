/** What is said of boards. Pure. */
import type { BoardStatus } from '../../src/contract/ipc.ts';

/** So many are named one by one. */
export const NAMED = 3;

/** A board that was trusted and has no agent of ours yet is not absent: it waits to be set up. */
export const wordOf = ({ state, ssh }: Pick<BoardStatus, 'state' | 'ssh'>): BoardStatus['state'] | 'unfinished' => (state === 'absent' && ssh?.installed === '' ? 'unfinished' : state);

export const takesRequests = ({ state }: BoardStatus): boolean => state === 'ready' || state === 'busy' || state === 'degraded';

export interface BoardMark {
  board: BoardStatus;
  /** The virtual board while a real one answers. */
  standsBy: boolean;
}

/** Boards that requests may go to; those that are not in use are the Boards page's. */
export function boardMarks(boards: readonly BoardStatus[]): BoardMark[] {
  const used = boards.filter(({ use }) => use);
  const real = used.some((board) => !board.virtual && takesRequests(board));
  return used.map((board) => ({ board, standsBy: board.virtual && real && takesRequests(board) }));
}
