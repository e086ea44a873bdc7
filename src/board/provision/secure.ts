/** What makes a stock image somebody's own: a login key, host keys that no other card has, passwords that not everybody knows, services with public passwords turned off. Each is a choice. */
import { BoardError } from '../errors.ts';
import { readHostKey, type HostKey } from '../ssh/host-keys.ts';
import { execAsRoot, lastLine, quote } from '../ssh/shell.ts';
import type { SshConnection } from '../ssh/connection.ts';
import { changePassword, rootTakes } from './passwords.ts';
import type { Session } from './runner.ts';

/** The contract's SecureChoices with files read. */
export interface SecureScripts {
  /** A line as in `id_ed25519.pub`, to be let in. */
  key?: string | undefined;
  /** New SSH host keys. */
  hostKeys: boolean;
  /** Jupyter and Samba off, now and at boot. */
  services: boolean;
  /** New ones, of the login and of root. */
  password?: string | undefined;
  rootPassword?: string | undefined;
}

export interface SecureHooks {
  /** Another connection to the same board: with any of `hostKeys`, and by that password alone where one is given. */
  login: (hostKeys: readonly HostKey[], password?: string) => Promise<SshConnection>;
  /** Remembers these as the board's; what it resolves with is on the disk. */
  pin: (hostKeys: readonly HostKey[]) => Promise<void>;
  /** What is done. */
  tell: (what: string) => void;
}

const PUBLIC_KEY = /^(?:ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp(?:256|384|521)|sk-[\w@.-]+) [A-Za-z0-9+/]{20,}={0,2}(?: [^\n]*)?$/;

const addKeyScript = (key: string): string =>
  `set -eu; umask 077; mkdir -p "$HOME/.ssh"; f="$HOME/.ssh/authorized_keys"; touch "$f"; grep -qxF ${quote(key)} "$f" && exit 0
cp "$f" "$f.new"; [ -z "$(tail -c1 "$f.new")" ] || echo >>"$f.new"; printf '%s\\n' ${quote(key)} >>"$f.new"; sync; mv -f "$f.new" "$f"`;

/** Made aside and moved over the old ones: a power cut never leaves a board without host keys. Sessions that are open live on. */
const hostKeysScript = (root: string): string => {
  const [folder, fresh] = [quote(`${root}/etc/ssh`), quote(`${root}/etc/ssh/fabriclens-new`)];
  return `set -eu; trap '' HUP PIPE; umask 022; rm -rf ${fresh}; mkdir -p ${fresh}/etc/ssh; ssh-keygen -A -f ${fresh} >/dev/null
sync; mv -f ${fresh}/etc/ssh/ssh_host_* ${folder}/; rm -rf ${fresh}; sync
if [ -d ${quote(`${root}/run/systemd/system`)} ]; then systemctl restart ssh; else kill -HUP "$(cat ${quote(`${root}/run/sshd.pid`)})"; fi`;
};

const servicesScript = (root: string): string =>
  `[ -d ${quote(`${root}/run/systemd/system`)} ] || { echo 'systemd does not run here' >&2; exit 1; }
for s in jupyter smbd nmbd; do if systemctl cat $s >/dev/null 2>&1; then systemctl disable -q --now $s || exit 1; fi; done`;

/**
 * Does what is chosen, in this order: key, services, host keys, root's password, the login's password. What failed was not done, nor what comes after it. The new host keys are pinned
 * beside the old as soon as they are read over this connection, and alone after a login that they let through. Gives back the host key that is shown now.
 */
export async function secure(session: Session, choices: SecureScripts, { login, pin, tell }: SecureHooks): Promise<HostKey> {
  const { ssh, layout, signal } = session;
  const checked = ({ code, stderr }: { code: number; stderr: string }, what: string): void => {
    if (code !== 0) throw new BoardError('command-failed', `Board ${ssh.address}: ${what} failed (${lastLine(stderr) || `exit code ${code}`}); nothing after it was done.`);
    tell(what);
  };
  const key = choices.key?.trim();
  if (key !== undefined && !PUBLIC_KEY.test(key)) throw new BoardError('bad-request', 'That is no public key; name the file that ends in .pub.');
  if (choices.rootPassword !== undefined && ssh.user === 'root') throw new BoardError('bad-request', 'The login is root: its password is the login\'s.');
  if (key !== undefined) checked(await ssh.exec(`sh -c ${quote(addKeyScript(key))}`, { signal }), 'letting the key in');
  if (choices.services) checked(await execAsRoot(ssh, servicesScript(layout.root), session.sudoPassword, { signal }), 'turning Jupyter and Samba off');
  let keys: readonly HostKey[] = ssh.board?.hostKeys ?? [ssh.hostKey];
  let shown = ssh.hostKey;
  if (choices.hostKeys) {
    checked(await execAsRoot(ssh, hostKeysScript(layout.root), session.sudoPassword, { signal }), 'making new host keys');
    const { stdout } = await ssh.exec(`cat ${quote(`${layout.root}/etc/ssh`)}/ssh_host_*_key.pub`, { signal });
    const fresh = stdout.split('\n').map((line) => readHostKey(Buffer.from(line.split(' ')[1] ?? '', 'base64'))).filter((one) => one !== undefined);
    if (fresh.length === 0) throw new BoardError('protocol', `Board ${ssh.address}: its new host keys cannot be read; trust it anew by its serial console.`);
    await pin([...fresh, ...keys].slice(0, MOST_KEYS));
    keys = fresh;
    const again = await afterRestart(() => login(keys));
    shown = again.hostKey;
    again.close();
    await pin(keys);
  }
  if (choices.rootPassword !== undefined) {
    await changePassword(session, 'root', choices.rootPassword, () => rootTakes(ssh, choices.rootPassword!, signal));
    tell('changing root\'s password');
  }
  if (choices.password !== undefined) {
    await changePassword(session, ssh.user, choices.password, async () => (await login(keys, choices.password)).close());
    session.sudoPassword = choices.password;
    tell(`changing the password of '${ssh.user}'`);
  }
  return shown;
}

/** As many as KnownBoard holds. */
const MOST_KEYS = 8;
const RESTART_MS = 15_000;

/** An SSH server that restarts refuses connections for a moment. */
async function afterRestart(login: () => Promise<SshConnection>): Promise<SshConnection> {
  for (const end = performance.now() + RESTART_MS; ;) {
    try {
      return await login();
    } catch (error) {
      if (!(error instanceof BoardError && (error.code === 'board-unreachable' || error.code === 'host-key')) || performance.now() > end) throw error;
      await new Promise((done) => setTimeout(done, 200));
    }
  }
}
