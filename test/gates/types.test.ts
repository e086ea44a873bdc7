/** The type check of `npm test` reads the tree, and bites. (The whole tree is checked by its own stage: scripts/test.mjs.) */
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { ROOT } from '../support/data.ts';

const tsc = (args: string[]): Promise<{ code: number; output: string }> =>
  new Promise((resolve) => {
    execFile(process.execPath, [join(ROOT, 'node_modules/typescript/bin/tsc'), ...args], { cwd: ROOT, maxBuffer: 1 << 26 }, (error, stdout) => resolve({ code: error ? 1 : 0, output: stdout }));
  });

describe('types', () => {
  test('the check covers every room', async () => {
    const { output } = await tsc(['-p', ROOT, '--listFilesOnly']);
    const own = output.split('\n').filter((file) => file.startsWith(ROOT) && !file.includes('node_modules'));
    console.log(`type gate: reads ${own.length} files`);
    for (const room of ['src/contract', 'src/dicom', 'src/preprocess', 'src/compiler', 'src/engines', 'src/board', 'src/review', 'src/hosts', 'renderer', 'hls', 'models', 'agent', 'scripts', 'test']) {
      expect(own.some((file) => file.startsWith(join(ROOT, room))), room).toBe(true);
    }
  }, 120_000);

  test.each([
    ['a wrong type', 'export const x: number = "1";\n', 'TS2322'],
    ['an index that may be missing', 'export const first = (list: number[]): number => list[0];\n', 'TS2322'],
    ['an unused import', "import { join } from 'node:path';\nexport const x = 1;\n", 'TS6133'],
  ])('%s is caught', async (_, text, code) => {
    const folder = mkdtempSync(join(tmpdir(), 'fabriclens-types-'));
    try {
      writeFileSync(join(folder, 'planted.ts'), text);
      const settings = { extends: join(ROOT, 'tsconfig.json'), compilerOptions: { typeRoots: [join(ROOT, 'node_modules/@types')] }, include: ['planted.ts'], exclude: [] };
      writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(settings));
      const { code: exit, output } = await tsc(['-p', folder]);
      expect(output).toContain(code);
      expect(exit).toBe(1);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  }, 120_000);
});
