/** The imports of DESIGN.md, and proof that the gate reads the tree and bites. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { cruise, type ICruiseResult, type IViolation } from 'dependency-cruiser';
import extractTSConfig from 'dependency-cruiser/config-utl/extract-ts-config';
import { describe, expect, test } from 'vitest';
import { ROOT } from '../support/data.ts';
import { IMPORT_RULES } from './import-rules.ts';

async function check(baseDir: string, folders: string[]): Promise<{ modules: number; violations: IViolation[] }> {
  const tsConfig = extractTSConfig(join(ROOT, 'tsconfig.json'));
  const result = await cruise(
    folders,
    { ...IMPORT_RULES.options, baseDir, ruleSet: { forbidden: IMPORT_RULES.forbidden }, validate: true },
    undefined,
    { tsConfig },
  );
  const output = result.output as ICruiseResult;
  const own = output.modules.filter((m) => folders.some((folder) => m.source.startsWith(`${folder}/`)));
  return { modules: own.length, violations: output.summary.violations };
}

describe('imports between rooms', () => {
  test('the tree keeps to DESIGN.md', async () => {
    const { modules, violations } = await check(ROOT, ['src', 'renderer']);
    console.log(`imports gate: read ${modules} modules`);
    expect(modules).toBeGreaterThan(40);
    expect(violations.map((v) => `${v.rule.name}: ${v.from} → ${v.to}`)).toEqual([]);
  }, 120_000);

  const planted: Array<{ rule: string; files: Record<string, string> }> = [
    { rule: 'dicom-only-to-its-right', files: { 'src/dicom/a.ts': "import { x } from '../review/b.ts';\nexport const y = x;", 'src/review/b.ts': 'export const x = 1;' } },
    { rule: 'contract-only-to-its-right', files: { 'src/contract/a.ts': "import type { X } from '../dicom/b.ts';\nexport type Y = X;", 'src/dicom/b.ts': 'export type X = 1;' } },
    { rule: 'renderer-only-contract', files: { 'renderer/a.tsx': "import { x } from '../src/dicom/b.ts';\nexport const y = x;", 'src/dicom/b.ts': 'export const x = 1;' } },
    { rule: 'renderer-workers-only-contract-and-dicom', files: { 'renderer/workers/a.ts': "import { x } from '../../src/review/b.ts';\nexport const y = x;", 'src/review/b.ts': 'export const x = 1;' } },
    { rule: 'product-never-imports-tests', files: { 'src/hosts/a.ts': "import { x } from '../../test/b.ts';\nexport const y = x;", 'test/b.ts': 'export const x = 1;' } },
    { rule: 'reference-is-a-witness', files: { 'src/compiler/prove/a.ts': "import { x } from '../tables.ts';\nexport const y = x;", 'src/compiler/tables.ts': 'export const x = 1;' } },
    { rule: 'pure-rooms-have-no-effects', files: { 'src/preprocess/a.ts': "import { readFileSync } from 'node:fs';\nexport const y = readFileSync;" } },
    { rule: 'electron-only-in-its-host', files: { 'src/review/a.ts': "import { app } from 'electron';\nexport const y = app;" } },
    { rule: 'no-cycles', files: { 'src/board/a.ts': "import { x } from './b.ts';\nexport const y = x;", 'src/board/b.ts': "import { y } from './a.ts';\nexport const x = () => y;" } },
    { rule: 'no-unresolved', files: { 'src/board/a.ts': "import { x } from './nowhere.ts';\nexport const y = x;" } },
  ];
  test.each(planted)('a planted breach of $rule is caught', async ({ rule, files }) => {
    const folder = mkdtempSync(join(tmpdir(), 'fabriclens-imports-'));
    try {
      for (const [name, text] of Object.entries(files)) {
        mkdirSync(dirname(join(folder, name)), { recursive: true });
        writeFileSync(join(folder, name), text);
      }
      const { violations } = await check(folder, ['src', ...(Object.keys(files).some((f) => f.startsWith('renderer/')) ? ['renderer'] : [])]);
      expect(violations.map((v) => v.rule.name)).toContain(rule);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});
