/** A user's new password on a board: the old one comes back unless a login with the new one went through, also where the connection breaks in between. */
import { BoardError } from '../errors.ts';
import { execAsRoot, lastLine, quote, rootCommand } from '../ssh/shell.ts';
import type { SshConnection } from '../ssh/connection.ts';
import type { Session } from './runner.ts';

/** Told the new password and, later, what became of it; the old one's hash never leaves the board. printf is the shell's own: nothing of it is an argument. */
const passwordScript = (user: string): string => `trap '' HUP PIPE
old=$(getent shadow ${quote(user)} | cut -d: -f2); [ -n "$old" ] || { echo unknown; exit 1; }
IFS= read -r new || exit 1
printf '%s:%s\\n' ${quote(user)} "$new" | chpasswd >&2 || { echo refused; exit 1; }
sync; echo changed
IFS= read -r verdict; [ "$verdict" = keep ] && exit 0
printf '%s:%s\\n' ${quote(user)} "$old" | chpasswd -e; sync; exit 1`;

const USABLE = /^[^\p{Cc}]{8,200}$/u;

/** `works`: whether somebody is let in with it. Throws BoardError where the old one is in force again. */
export async function changePassword({ ssh, sudoPassword, signal }: Session, user: string, password: string, works: () => Promise<void>): Promise<void> {
  if (!USABLE.test(password)) throw new BoardError('bad-request', 'A new password has 8 to 200 characters and no control characters.');
  await execAsRoot(ssh, 'true', sudoPassword, { signal });
  const { command, head } = rootCommand(ssh.user, passwordScript(user), sudoPassword);
  const program = await ssh.program(command, `${head}${password}\n`, { signal });
  try {
    if (program.firstLine !== 'changed') throw new BoardError('command-failed', `Board ${ssh.address}: the password of '${user}' was not changed (${program.firstLine === 'unknown' ? 'there is no such user' : 'chpasswd refused it'}).`);
    await works().catch((error: unknown) => {
      throw new BoardError('command-failed', `Board ${ssh.address}: nobody was let in with the new password of '${user}', so the old one is put back (${error instanceof Error ? error.message : String(error)})`, { cause: error });
    });
    program.say('keep\n');
  } finally {
    program.end();
  }
  if (await program.exit !== 0) throw new BoardError('command-failed', `Board ${ssh.address}: whether the password of '${user}' is the old or the new one is not known, the connection broke; try both.`);
}

/** Whether root's password is that, asked as the login of `ssh`: images let root in by a key alone. */
export async function rootTakes(ssh: SshConnection, password: string, signal?: AbortSignal): Promise<void> {
  const { code, stderr } = await ssh.exec(`LC_ALL=C su root -c true`, { stdin: `${password}\n`, signal });
  if (code !== 0) throw new BoardError('unauthorised', `su says: ${lastLine(stderr) || `exit code ${code}`}`);
}
