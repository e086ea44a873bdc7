/** `tritonclient[http]` from PyPI drives the agent, unchanged (drive_tritonclient.py). */
import { spawn } from 'node:child_process';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test, vi } from 'vitest';
import { OipClient } from '../../src/board/client.ts';
import { startVirtualBoard } from '../../src/board/virtual.ts';
import { agentFixture } from '../support/agent.ts';
import { environment } from './venv.ts';

const python = await environment('tritonclient.txt');
if ('unreachable' in python) console.log(`PyPI cannot be reached (${python.unreachable}): Triton's client is not tried.`);

test.skipIf('unreachable' in python)('tritonclient: health, metadata, infer, batches, repository, statistics', { timeout: 300_000 }, async () => {
  const fixture = await agentFixture('tiny');
  const board = await startVirtualBoard(fixture);
  const client = new OipClient(board);
  try {
    await vi.waitUntil(() => client.ready().then(() => true, () => false), { timeout: 100_000 });
    const folder = 'folder' in python ? python.folder : '';
    const child = spawn(join(folder, 'bin/python'), ['-B', join(import.meta.dirname, 'drive_tritonclient.py'), client.address], { stdio: ['pipe', 'pipe', 'pipe'], timeout: 200_000 });
    child.stdin.end(`${board.token}\n`);
    let output = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (output += chunk.toString()));
    expect(await new Promise((done) => child.once('close', done)), output).toBe(0);
    expect(output.trim().split('\n')).toEqual(['health', 'metadata', 'infer, INT8 and FP32, binary and JSON', 'batches', 'several at once', 'repository', 'statistics', 'timeout and refusals'].map((what) => `ok ${what}`));
  } finally {
    client.close();
    await board.close();
    rmSync(fixture.modelsDir, { recursive: true });
  }
});
