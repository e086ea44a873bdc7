/** ESLint over the tree, how much it read, and planted faults to see it bite. */
import { join } from 'node:path';
import { ESLint } from 'eslint';
import { describe, expect, test } from 'vitest';
import { ROOT } from '../support/data.ts';

const eslint = new ESLint({ cwd: ROOT, errorOnUnmatchedPattern: false });

describe('lint', () => {
  test('the tree is clean', async () => {
    const results = await eslint.lintFiles(['src', 'renderer', 'test', 'models', 'hls', 'agent', 'scripts', '*.ts', '*.mjs']);
    console.log(`lint gate: read ${results.length} files`);
    expect(results.length).toBeGreaterThan(60);
    const messages = results.flatMap((r) => r.messages.map((m) => `${r.filePath.slice(ROOT.length)}:${m.line} ${m.ruleId ?? 'fatal'}: ${m.message}`));
    expect(messages).toEqual([]);
  }, 300_000);

  const planted: Array<{ rule: string; file: string; text: string }> = [
    { rule: '@typescript-eslint/no-explicit-any', file: 'src/contract/engine.ts', text: 'export const x = (y: any): number => y;\n' },
    { rule: '@typescript-eslint/no-floating-promises', file: 'src/contract/engine.ts', text: 'const f = async (): Promise<void> => {};\nexport const g = (): void => { f(); };\n' },
    { rule: 'no-restricted-syntax', file: 'src/contract/engine.ts', text: 'export default 1;\n' },
    { rule: 'no-restricted-syntax', file: 'src/contract/engine.ts', text: "import { ipcMain } from 'electron';\nexport const x = ipcMain;\n" },
    { rule: 'no-console', file: 'src/contract/engine.ts', text: 'console.log(1);\n' },
  ];
  test.each(planted)('a planted $rule is caught', async ({ rule, file, text }) => {
    const [result] = await eslint.lintText(text, { filePath: join(ROOT, file) });
    expect(result?.messages.map((m) => m.ruleId)).toContain(rule);
  }, 60_000);
});
