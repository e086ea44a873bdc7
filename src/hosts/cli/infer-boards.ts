/** The boards that `infer` was given: agents by their address, trusted boards by their name; none: the virtual one. */
import { readFile } from 'node:fs/promises';
import { BoardError, BoardPool, connectBoard, connectSsh, isUsable, parseBoardAddress, readBoardToken, virtualBoardLink, type BoardLink, type KnownBoard, type Login } from '../../board/index.ts';
import { knownBoardsFile, readKnownBoards } from '../known-boards.ts';
import type { Resources } from '../resources.ts';
import { sshOf, trustedBoardLink } from '../trusted-board.ts';
import { ask, linesOfStdin } from './ask.ts';
import { UsageError, type InferCommand } from './options.ts';
import { plain, type Terminal } from './terminal.ts';

/** One board is not started yet, several are. Says on stderr which of several cannot be had. Throws UsageError and BoardError. */
export async function inferBoards(command: InferCommand, modelsDir: string, resources: Resources, { stderr }: Terminal, signal: AbortSignal): Promise<BoardPool> {
  const { boards: words, boardCertificate, boardTokenFile } = command;
  if (words.length === 0) return new BoardPool([virtualBoardLink({ modelsDir, runtimeLibrary: resources.runtimeLibrary, agentDir: resources.agentDir })]);
  const known = await readKnownBoards(knownBoardsFile());
  const named = words.map((word) => ({ word, trusted: known.boards.filter(({ id, name, addresses }) => [id, name, ...addresses].includes(word) || addresses.includes(`${word}:22`)) }));
  const direct = named.filter(({ trusted }) => trusted.length === 0);
  if (boardCertificate !== undefined && direct.length !== 1) throw new UsageError('--board-certificate is of one agent: name one --board HOST:PORT with it.');
  if (boardTokenFile !== undefined && direct.length === 0) throw new UsageError('--board-token-file belongs to --board HOST:PORT; a trusted board gives its token through SSH.');
  const token = direct.length === 0 ? undefined : await readBoardToken(process.env, boardTokenFile);
  const [password] = command.passwordStdin ? await linesOfStdin(1) : [];
  const links: BoardLink[] = [];
  for (const { word, trusted } of named) {
    const [board, another] = trusted;
    if (another) throw new UsageError(`"${word}" may be ${trusted.map(({ name, id }) => `'${name}' (${id})`).join(' or ')}; name it by its id.`);
    links.push(board ? trustedBoardLink(board, await loginFor(board, command, password, stderr, signal), command.agentPort) : connectBoard({ ...addressOf(word), token, certificateSha256: boardCertificate }));
  }
  const boards = new BoardPool(links);
  if (links.length > 1) {
    // Else the first to be ready would do it all.
    await boards.settled(signal);
    for (const { state, message } of boards.statuses) if (!isUsable(state)) stderr.write(plain(`fabriclens: ${message}\n`));
  }
  return boards;
}

function addressOf(word: string): { host: string; port: number } {
  try {
    return parseBoardAddress(word);
  } catch {
    throw new UsageError(`"${word}" is no board that was trusted (npx fabriclens board trust) and no agent's address; write HOST:PORT, e.g. 192.168.2.99:8600.`);
  }
}

/** With the `password` that was given for all, else one where the board wants it and somebody is there to type it: what is typed for one board is offered to no other. Whatever else keeps it from answering is the link's to say. */
async function loginFor(board: KnownBoard, { identity }: InferCommand, password: string | undefined, stderr: NodeJS.WriteStream, signal: AbortSignal): Promise<Login> {
  const key = identity === undefined ? undefined : { text: await readFile(identity, 'utf8') };
  const login: Login = { user: board.user, key, agent: process.env['SSH_AUTH_SOCK'] || undefined, password };
  if (password !== undefined || !process.stdin.isTTY) return login;
  try {
    (await connectSsh({ ...sshOf(board, login), signal })).close();
  } catch (error) {
    if (!(error instanceof BoardError) || error.code === 'host-key') throw error;
    if (error.code === 'unauthorised') return { ...login, password: await ask(`Password of ${board.user} on ${board.name}: `, true, stderr) };
  }
  return login;
}
