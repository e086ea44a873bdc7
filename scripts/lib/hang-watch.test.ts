import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

test('a test that never comes back is told with its line and ended, the others go on', () => {
  mkdirSync(join(ROOT, '.cache'), { recursive: true });
  const folder = mkdtempSync(join(ROOT, '.cache/hang-'));
  try {
    writeFileSync(join(folder, 'loops.test.ts'), "import { test } from 'vitest';\ntest('loops', () => {\n  for (let i = 0; ; i++) if (i < 0) break;\n});\n");
    writeFileSync(join(folder, 'waits.test.ts'), "import { execFileSync } from 'node:child_process';\nimport { test } from 'vitest';\ntest('waits', () => { execFileSync('sleep', ['600']); });\n");
    writeFileSync(join(folder, 'fine.test.ts'), "import { test } from 'vitest';\ntest('fine', () => new Promise((resolve) => setTimeout(resolve, 100)));\n");
    writeFileSync(join(folder, 'vitest.config.ts'), `export default { test: { include: ['*.test.ts'], root: ${JSON.stringify(folder)}, setupFiles: [${JSON.stringify(join(ROOT, 'scripts/lib/hang-watch.mjs'))}] } };\n`);
    const { status, stdout, stderr } = spawnSync(process.execPath, [join(ROOT, 'node_modules/vitest/vitest.mjs'), 'run', '--config', join(folder, 'vitest.config.ts')], { env: { ...process.env, FL_HANG_S: '3', NO_COLOR: '1' }, encoding: 'utf8', timeout: 100_000 });
    expect(status, stdout + stderr).toBe(1);
    expect(stderr).toMatch(/HUNG: \S+loops\.test\.ts stood still for 3 s, at\n\s+\(anonymous\) \S*loops\.test\.ts:/);
    expect(stderr).toMatch(/HUNG: \S+waits\.test\.ts stood still for 3 s, at\n\s+native code/);
    expect(stdout).toMatch(/✓ fine\.test\.ts/);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}, 120_000);
