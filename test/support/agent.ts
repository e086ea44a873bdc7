/** What a test needs to start the real agent: the built runtime, and a folder with model packages made without a compiler. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from '../../hls/build.mjs';
import { ROOT } from './data.ts';

/**
 * `tiny`: image [1,1,8,8] → logits [1,2], features [1,4,8,8]; INT8 scale 0.03125, zero point 3. `slow`: image [1,16,128,128], long enough
 * to be interrupted. `tail`: image as `tiny`'s → features [1,4,8,8], scores [1,2,2,8,8] in fp32. The caller removes modelsDir.
 */
export async function agentFixture(...models: Array<'tiny' | 'slow' | 'tail'>): Promise<{ modelsDir: string; runtimeLibrary: string; agentDir: string }> {
  const agentDir = join(ROOT, 'agent');
  const runtimeLibrary = await build('runtime');
  const modelsDir = mkdtempSync(join(tmpdir(), 'fabriclens-models-'));
  execFileSync('python3', ['-B', '-m', 'tests.program', modelsDir, ...models], { cwd: agentDir });
  return { modelsDir, runtimeLibrary, agentDir };
}
