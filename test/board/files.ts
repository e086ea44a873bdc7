/** Which files there are, to tell what an installation left behind. */
import { createHash } from 'node:crypto';
import { lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';

/** The system's own: its logs, what the kernel shows, and what a command leaves that asks for a password or makes a user (that sudo was used, the backup of a list of users). */
const PASSING = /^(proc|sys|dev|run|tmp)(\/|$)|^var\/(log|tmp|lib\/sudo|lib\/systemd)\/|^run\/|^etc\/(passwd|shadow|group|gshadow|subuid|subgid)-$|^etc\/\.pwd\.lock$|\/__pycache__(\/|$)|\/\.sudo_as_admin_successful$/;

/** Path, and what is there: kind, owner, mode, and for files the hash of what is in them. */
export function filesOf(root: string): Map<string, string> {
  const found = new Map<string, string>();
  const walk = (folder: string): void => {
    for (const name of readdirSync(join(root, folder)).sort()) {
      const path = folder === '' ? name : `${folder}/${name}`;
      if (PASSING.test(path)) continue;
      const stat = lstatSync(join(root, path));
      const what = stat.isFile() ? createHash('sha256').update(readFileSync(join(root, path))).digest('hex').slice(0, 16) : stat.isSymbolicLink() ? readlinkSync(join(root, path)) : stat.isDirectory() ? 'folder' : 'other';
      found.set(path, `${what} ${stat.uid}:${stat.gid} ${(stat.mode & 0o7777).toString(8)}`);
      if (stat.isDirectory()) walk(path);
    }
  };
  walk('');
  return found;
}
