/** The agent of a trusted board as a link: one SSH connection, its host key one of that board's, its id that board's too. */
import { LAYOUT, parseBoardAddress, readBoardId, readToken, sshBoardLink, type BoardLink, type KnownBoard, type Login, type SshOptions } from '../board/index.ts';
import { mustBeItself } from './board-actions.ts';

/** It is looked for at its last address. */
export const sshOf = (board: KnownBoard, login: Login): Omit<SshOptions, 'signal'> => ({ ...parseBoardAddress(board.addresses[0] ?? ''), login, candidates: [board] });

/** Not started yet. `agentPort`: on the board's loopback. */
export function trustedBoardLink(board: KnownBoard, login: Login, agentPort: number = LAYOUT.port): BoardLink {
  return sshBoardLink({
    id: board.id, name: board.name, ssh: sshOf(board, login), port: agentPort,
    readToken: async (ssh) => {
      mustBeItself(ssh, { boardId: await readBoardId(ssh, LAYOUT) ?? '' });
      return readToken(ssh);
    },
  });
}
