/** Every dependency is pinned, imported, licensed as docs/decisions/dependencies.md says, and has its reason there. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { ROOT } from '../support/data.ts';

interface Manifest {
  dependencies: Record<string, string>;
  devDependencies: Record<string, string>;
}
interface Facts {
  manifest: Manifest;
  table: string;
  /** Licence field of an installed package. */
  licence: (name: string) => string;
  /** All source text in which an import or a mention may stand. */
  sources: string;
}

/** Packages that are used without their name standing in a source file. */
const NAMELESS: Record<string, string> = {
  '@mantine/hooks': 'peer of @mantine/core',
  '@types/node': 'read by tsc',
  '@types/react': 'read by tsc',
  '@types/react-dom': 'read by tsc',
  '@types/ssh2': 'read by tsc',
};

function faults({ manifest, table, licence, sources }: Facts): string[] {
  const rows = new Map([...table.matchAll(/^\| (\S+) \| ([^|]+) \| ([^|]+) \|$/gm)].map((m) => [m[1]!, { licence: m[2]!, why: m[3]! }]));
  rows.delete('package');
  const all = { ...manifest.dependencies, ...manifest.devDependencies };
  const found: string[] = [];
  for (const [name, version] of Object.entries(all)) {
    if (!/^\d+\.\d+\.\d+(-[\w.]+)?$/.test(version)) found.push(`${name}: "${version}" is not an exact version`);
    const row = rows.get(name);
    if (!row) found.push(`${name}: no row in docs/decisions/dependencies.md`);
    else if (row.licence !== licence(name)) found.push(`${name}: the table says ${row.licence}, the package says ${licence(name)}`);
    if (!(name in NAMELESS) && !sources.includes(name)) found.push(`${name}: nothing uses it`);
  }
  for (const name of rows.keys()) if (!(name in all)) found.push(`${name}: in the table but not in package.json`);
  return found;
}

const read = (file: string): string => readFileSync(join(ROOT, file), 'utf8');
const manifest = JSON.parse(read('package.json')) as Manifest;
const own = ['src', 'renderer', 'test', 'scripts', 'hls'].flatMap((folder) =>
  readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' }).map((name) => join(folder, name)),
);
const files = [...own, 'electron-builder.yml', 'eslint.config.mjs', 'vitest.config.ts'].filter((f) => /\.(tsx?|mjs|css|yml)$/.test(f) && !f.endsWith('dependencies.test.ts'));
const facts: Facts = {
  manifest,
  table: read('docs/decisions/dependencies.md'),
  licence: (name) => {
    // ssh2 has npm's older field.
    const { license, licenses } = JSON.parse(read(`node_modules/${name}/package.json`)) as { license?: string; licenses?: { type: string }[] };
    return license ?? licenses?.map(({ type }) => type).join(' OR ') ?? 'none';
  },
  sources: files.map(read).join('\n'),
};

describe('dependencies', () => {
  test('each is pinned, used, licensed and explained', () => {
    console.log(`dependency gate: ${Object.keys({ ...manifest.dependencies, ...manifest.devDependencies }).length} packages, ${files.length} files`);
    expect(files.length).toBeGreaterThan(60);
    expect(faults(facts)).toEqual([]);
  });

  test.each([
    ['a range', { ...manifest, dependencies: { ...manifest.dependencies, react: '^19.0.0' } }, 'react: "^19.0.0" is not an exact version'],
    ['a stranger', { ...manifest, devDependencies: { ...manifest.devDependencies, vite: manifest.devDependencies['vite']!, leftpad: '1.0.0' } }, 'leftpad: no row in docs/decisions/dependencies.md'],
  ])('%s is caught', (_, planted, expected) => {
    expect(faults({ ...facts, manifest: planted })).toContain(expected);
  });

  test('an unused package and a wrong licence are caught', () => {
    expect(faults({ ...facts, sources: '' })).toContain('react: nothing uses it');
    expect(faults({ ...facts, licence: () => 'GPL-3.0' })).toContain('react: the table says MIT, the package says GPL-3.0');
  });
});
