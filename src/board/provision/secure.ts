/** What makes a stock image somebody's own: a login key, host keys that no other card has, services with public passwords turned off. Each is a choice. */
import { BoardError } from '../errors.ts';
import { readHostKey, type HostKey } from '../ssh/host-keys.ts';
import { execAsRoot, lastLine, quote } from '../ssh/shell.ts';
import type { Session } from './runner.ts';

/** The contract's SecureChoices with files read. */
export interface SecureScripts {
  /** A line as in `id_ed25519.pub`, to be let in. */
  key?: string | undefined;
  /** New SSH host keys. */
  hostKeys: boolean;
  /** Jupyter and Samba off, now and at boot. */
  services: boolean;
}

const PUBLIC_KEY = /^(?:ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp(?:256|384|521)|sk-[\w@.-]+) [A-Za-z0-9+/]{20,}={0,2}(?: [^\n]*)?$/;

export const addKeyScript = (key: string): string =>
  `set -eu; umask 077; mkdir -p "$HOME/.ssh"; f="$HOME/.ssh/authorized_keys"; touch "$f"; grep -qxF ${quote(key)} "$f" && exit 0
cp "$f" "$f.new"; [ -z "$(tail -c1 "$f.new")" ] || echo >>"$f.new"; printf '%s\\n' ${quote(key)} >>"$f.new"; sync; mv -f "$f.new" "$f"`;

/** Made aside and moved over the old ones: a power cut never leaves a board without host keys. Sessions that are open live on. */
export const hostKeysScript = (root: string): string => {
  const [folder, fresh] = [quote(`${root}/etc/ssh`), quote(`${root}/etc/ssh/fabriclens-new`)];
  return `set -eu; trap '' HUP PIPE; umask 022; rm -rf ${fresh}; mkdir -p ${fresh}/etc/ssh; ssh-keygen -A -f ${fresh} >/dev/null
sync; mv -f ${fresh}/etc/ssh/ssh_host_* ${folder}/; rm -rf ${fresh}; sync
if [ -d ${quote(`${root}/run/systemd/system`)} ]; then systemctl restart ssh; else kill -HUP "$(cat ${quote(`${root}/run/sshd.pid`)})"; fi`;
};

export const servicesScript = (root: string): string =>
  `[ -d ${quote(`${root}/run/systemd/system`)} ] || { echo 'systemd does not run here' >&2; exit 1; }
for s in jupyter smbd nmbd; do if systemctl cat $s >/dev/null 2>&1; then systemctl disable -q --now $s || exit 1; fi; done`;

/** Does what is chosen, tells each when it is done, and gives back the new host keys, to be pinned after a login that they let through. */
export async function secure({ ssh, layout, sudoPassword, signal }: Session, choices: SecureScripts, tell: (what: string) => void): Promise<HostKey[]> {
  const checked = ({ code, stderr }: { code: number; stderr: string }, what: string): void => {
    if (code !== 0) throw new BoardError('command-failed', `Board ${ssh.address}: ${what} failed (${lastLine(stderr) || `exit code ${code}`}); nothing after it was done.`);
    tell(what);
  };
  if (choices.key !== undefined) {
    const key = choices.key.trim();
    if (!PUBLIC_KEY.test(key)) throw new BoardError('bad-request', 'That is no public key; name the file that ends in .pub.');
    checked(await ssh.exec(`sh -c ${quote(addKeyScript(key))}`, { signal }), 'letting the key in');
  }
  if (choices.services) checked(await execAsRoot(ssh, servicesScript(layout.root), sudoPassword, { signal }), 'turning Jupyter and Samba off');
  if (!choices.hostKeys) return [];
  checked(await execAsRoot(ssh, hostKeysScript(layout.root), sudoPassword, { signal }), 'making new host keys');
  const { stdout } = await ssh.exec(`cat ${quote(`${layout.root}/etc/ssh`)}/ssh_host_*_key.pub`, { signal });
  const keys = stdout.split('\n').map((line) => readHostKey(Buffer.from(line.split(' ')[1] ?? '', 'base64'))).filter((key) => key !== undefined);
  if (keys.length === 0) throw new BoardError('protocol', `Board ${ssh.address}: its new host keys cannot be read; trust it anew by its serial console.`);
  return keys;
}
