/** The bundle that `npm run build:board` made for the board's processor, and later ones made from it. */
import { createHash } from 'node:crypto';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { tar } from '../../scripts/lib/tar.mjs';
import { ROOT } from '../support/data.ts';

export function builtBundle(): string {
  const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { version: string };
  const path = join(ROOT, 'build/board', `fabriclens-board-${version}-armhf.tar`);
  if (!existsSync(path)) throw new Error(`There is no bundle at ${path}; make it with: npm run build:board`);
  return path;
}

/** The same bundle with files changed by `change`, as `version`, written into `folder`. */
export function laterBundle(folder: string, version: string, change: Record<string, (text: string) => string>): string {
  const unpacked = mkdtempSync(join(folder, 'bundle-'));
  execFileSync('tar', ['-xf', builtBundle(), '-C', unpacked]);
  const files = readdirSync(unpacked, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name).slice(unpacked.length + 1)).filter((name) => name !== 'SHA256SUMS')
    .map((name) => ({ name, bytes: change[name] ? Buffer.from(change[name](readFileSync(join(unpacked, name), 'utf8'))) : readFileSync(join(unpacked, name)) }));
  rmSync(unpacked, { recursive: true });
  const sums = files.map(({ name, bytes }) => `${createHash('sha256').update(bytes).digest('hex')}  ${name}\n`).join('');
  const path = join(folder, `fabriclens-board-${version}-armhf.tar`);
  writeFileSync(path, tar([...files, { name: 'SHA256SUMS', bytes: Buffer.from(sums) }]));
  return path;
}
