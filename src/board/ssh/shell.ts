/** Command lines for a board's POSIX shell, and running them as root without the password in any argument. */
import { randomBytes } from 'node:crypto';
import { BoardError } from '../errors.ts';
import type { CommandOptions, CommandResult, SshConnection } from './connection.ts';

/** One word of a command line, whatever is in it. */
export const quote = (word: string): string => `'${word.replaceAll("'", "'\\''")}'`;

/** What we need of a connection; a test may hand in less. */
export type Commands = Pick<SshConnection, 'exec' | 'address' | 'user'>;

/**
 * Runs a script as root, through sudo where the login is not root's. sudo reads the password from stdin, or does not (NOPASSWD): a marker line tells the
 * script where its own input begins, so that the password is never taken for it, and a marker on stderr tells us that sudo let us in. Rejects with
 * `unauthorised` where it did not. The exit code is the script's.
 */
export async function execAsRoot(ssh: Commands, script: string, password: string | undefined, { stdin = '', ...options }: CommandOptions = {}): Promise<CommandResult> {
  const { command, head, marker } = rootCommand(ssh.user, script, password);
  const { code, stdout, stderr } = await ssh.exec(command, { ...options, stdin: Buffer.concat([Buffer.from(head), Buffer.from(stdin)]) });
  const at = stderr.indexOf(`${marker}\n`);
  if (at < 0) throw new BoardError('unauthorised', `Board ${ssh.address}: sudo does not take the password of '${ssh.user}' (${lastLine(stderr) || `exit code ${code}`}); give the right one, or a user who may use sudo.`);
  return { code, stdout, stderr: stderr.slice(at + marker.length + 1) };
}

/** The command line for it, and what stdin begins with. */
export function rootCommand(user: string, script: string, password: string | undefined): { command: string; head: string; marker: string } {
  const marker = `fabriclens-${randomBytes(12).toString('hex')}`;
  const wrapped = `echo ${marker} >&2; while IFS= read -r line; do [ "$line" = ${marker} ] && break; done; ${script}`;
  return {
    command: user === 'root' ? `sh -c ${quote(wrapped)}` : `LC_ALL=C sudo -k -S -p '' sh -c ${quote(wrapped)}`,
    head: `${user === 'root' || password === undefined ? '' : `${password}\n`}${marker}\n`, marker,
  };
}

/** What somebody should read of a failed command. */
export const lastLine = (text: string): string => text.trim().split('\n').at(-1)?.trim().slice(0, 300) ?? '';
