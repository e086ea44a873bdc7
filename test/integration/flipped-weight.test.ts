/** The board runs program.bin and nothing else: one flipped weight byte in it changes the board's answer, and not the CPU's. */
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { build } from '../../hls/build.mjs';
import { BoardPool, virtualBoardLink, type BoardLink } from '../../src/board/index.ts';
import { compileProgram } from '../../src/compiler/compile.ts';
import { Header, Section, SectionKind } from '../../src/contract/layout.ts';
import { ModelMetadata } from '../../src/contract/model.ts';
import { createBoardEngine } from '../../src/engines/board.ts';
import { createCpuEngine, type Engine, type ModelPackage } from '../../src/engines/index.ts';
import { buildForTest } from '../support/build.ts';
import { classifier } from '../support/classifier.ts';
import { ROOT } from '../support/data.ts';
import { writeTinyPackage } from '../support/model-package.ts';

let modelsDir: string;
let dir: string;
let link: BoardLink;
let cpu: Engine;
let board: Engine;
const input = Float32Array.from({ length: 256 }, (_, i) => Math.sin(i / 3));

/** Writes program.bin; `bind`: with its hash in metadata.json. */
function write(program: Uint8Array, bind = true): ModelPackage {
  writeFileSync(join(dir, 'program.bin'), program);
  const file = join(dir, 'metadata.json');
  const metadata = ModelMetadata.parse(JSON.parse(readFileSync(file, 'utf8')));
  if (bind) metadata.fabriclens.sha256['program.bin'] = createHash('sha256').update(program).digest('hex');
  writeFileSync(file, JSON.stringify(metadata));
  return { dir, metadata };
}

beforeAll(async () => {
  modelsDir = mkdtempSync(join(tmpdir(), 'fabriclens-flip-'));
  dir = writeTinyPackage(modelsDir);
  cpu = createCpuEngine({ id: 'cpu-int8', workerUrl: await buildForTest('src/engines/ort-worker.ts'), software: 'test' });
  link = virtualBoardLink({ modelsDir, runtimeLibrary: await build('runtime'), agentDir: join(ROOT, 'agent') });
  board = createBoardEngine({ boards: new BoardPool([link]), software: 'test' });
});
afterAll(async () => {
  await Promise.all([cpu?.close(), board?.close(), link?.close()]);
  rmSync(modelsDir, { recursive: true, force: true });
});

test('a flipped weight byte in program.bin changes the board\'s answer and not the CPU\'s', async () => {
  const { program } = compileProgram(readFileSync(join(dir, 'model.int8.onnx')));
  const whole = write(program);
  await Promise.all([cpu.load(whole), board.load(whole)]);
  const before = { cpu: classifier(await cpu.infer(input)), board: classifier(await board.infer(input)) };
  expect(new Set(before.board.features?.data).size).toBeGreaterThan(10);

  // DATA begins with the weights of the first layer.
  const data = Buffer.from(program).readUInt32LE(Header.bytes + (SectionKind.DATA - 1) * Section.bytes + Section.fields.offset.offset);
  const flipped = Uint8Array.from(program);
  flipped[data + 4]! ^= 0x40;
  write(flipped, false);
  const client = await link.ready();
  await expect(client.load('tiny')).rejects.toMatchObject({ code: 'bad-request', message: expect.stringMatching(/tiny\/program\.bin is corrupt/) as string });
  expect(classifier(await board.infer(input)).logits).toEqual(before.board.logits);

  const bound = write(flipped);
  await client.load('tiny');
  await Promise.all([cpu.load(bound), board.load(bound)]);
  const after = { cpu: classifier(await cpu.infer(input)), board: classifier(await board.infer(input)) };
  expect(after.board.features).not.toEqual(before.board.features);
  expect(after.cpu.features).toEqual(before.cpu.features);
  expect(after.cpu.logits).toEqual(before.cpu.logits);
  expect(after.board.identity.modelSha256).not.toBe(before.board.identity.modelSha256);
});
