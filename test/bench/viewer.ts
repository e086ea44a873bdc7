/**
 * `npm run bench:viewer [-- --json] [--runs N]`: our window beside cornerstone3D and dwv, in one Electron and one run (docs/viewer-bench.md says what is
 * measured). Every repetition opens files that no viewer has seen, in a page that has opened nothing; the viewers take turns.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { cpus, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { launch, type Launched } from '../e2e/launch.ts';
import { makeCt, makeDx, makeMammogram, SYNTAXES, writeFresh, type Made } from './viewer/files.ts';
import { memoryOf } from './viewer/memory.ts';
import { ourViewer } from './viewer/ours.ts';
import { buildPeers, PEERS, startPeers } from './viewer/peer.ts';
import { printRows, type Sample, rowsOf } from './viewer/rows.ts';
import { drag, open, scroll, type Viewer } from './viewer/viewer.ts';

const SLICES = 200;
/** Ours shows a smaller picture first. */
const WHOLE = '2048² DX, jpeg-2000, whole';
/** Of drags and scrolls, each a hundred pictures: at most. */
const MOVING_RUNS = 3;
/** Frames come as soon as the last one is wholly drawn, instead of 60 times a second: a picture's time is then its work. */
const UNCAPPED = ['--disable-frame-rate-limit', '--run-all-compositor-stages-before-draw'];
/** dwv decodes neither. */
const CANNOT: Record<string, readonly string[]> = { dwv: ['open: 2048² DX, jpeg-ls', 'open: 2048² DX, htj2k'] };

const { values } = parseArgs({ options: { json: { type: 'boolean', default: false }, runs: { type: 'string', default: '7' }, only: { type: 'string', default: '' } } });
const runs = Number(values.runs);
const say = (line: string): void => void process.stderr.write(`bench: ${line}\n`);
const folder = mkdtempSync(join(tmpdir(), 'fabriclens-bench-viewer-'));
const samples: Sample[] = [];
/** Rows by a part of their name, or of a kind of them. */
const wanted = (row: string): boolean => row.includes(values.only) || values.only.startsWith(row);

interface Ours {
  viewer: Viewer;
  launched: Launched;
}

async function startOurs(switches: readonly string[]): Promise<Ours> {
  const launched = await launch({ args: [...switches] });
  return { viewer: await ourViewer(launched.page), launched };
}

/** Each viewer once, another one first each time; what a viewer was asked for and did not do is no number. */
async function turns(row: string, viewers: readonly Viewer[], run: number, work: (viewer: Viewer) => Promise<Record<string, number>>): Promise<void> {
  for (let i = 0; i < viewers.length; i++) {
    const viewer = viewers[(i + run) % viewers.length]!;
    if (CANNOT[viewer.name]?.includes(row)) {
      samples.push({ row, viewer: viewer.name, value: null, why: 'cannot' });
      continue;
    }
    try {
      for (const [part, value] of Object.entries(await work(viewer))) samples.push({ row: part === '' ? row : `${row}: ${part}`, viewer: viewer.name, value, why: '' });
    } catch (error) {
      say(`${row}, ${viewer.name}: ${(error as Error).message.split('\n')[0]}`);
      samples.push({ row, viewer: viewer.name, value: null, why: 'failed' });
    }
    // An open picture may ask for frames: at rest none does.
    await viewer.rest();
  }
}

try {
  say('making the images');
  const ct = await makeCt(0);
  const dx = new Map<string, Made>();
  for (const syntax of SYNTAXES) dx.set(syntax, await makeDx(syntax));
  const mammogram = await makeMammogram();
  const stack: Made[] = [];
  for (let i = 1; i <= SLICES; i++) stack.push(await makeCt(i));
  await buildPeers(say);

  const opening: [string, Made[]][] = [['512² CT', [ct]], ...SYNTAXES.map((syntax): [string, Made[]] => [`2048² DX, ${syntax}`, [dx.get(syntax)!]]), [WHOLE, [dx.get('jpeg-2000')!]], ['4096 × 5000 MG', [mammogram]], ['200-slice CT', stack]];
  const { viewer: ours, launched } = await startOurs([]);
  await open(ours, writeFresh(folder, [ct]), ct);
  const pane = (await launched.page.getByTestId('viewport').boundingBox())!;
  const peers = await startPeers([], pane);
  const viewers = [ours, ...PEERS.map((peer) => peers.viewer(peer))];
  for (let run = 0; run < runs; run++) {
    for (const [row, images] of opening.filter(([name]) => wanted(`open: ${name}`))) {
      say(`open ${row}, ${run + 1} of ${runs}`);
      const paths = writeFresh(folder, images);
      await turns(`open: ${row}`, viewers, run, async (viewer) => ({ '': await open(viewer, paths, images[0]!, row === WHOLE) }));
      for (const path of paths) rmSync(path);
    }
  }
  await peers.close();
  if (wanted('memory')) samples.push(...(await memoryOf(ours, launched, folder, [...dx.values()], stack.slice(0, 40), say)));
  await launched.close();

  const moving = async (viewers: readonly Viewer[], run: number): Promise<void> => {
    for (const [row, image] of ([['2048² DX', dx.get('explicit')!], ['4096 × 5000 MG', mammogram]] as const).filter(([name]) => wanted(`drag: ${name}`))) {
      say(`drag ${row}, ${run + 1}: ${viewers.map(({ name }) => name).join(', ')}`);
      const paths = writeFresh(folder, [image]);
      await turns(`drag: ${row}`, viewers, run, async (viewer) => {
        await open(viewer, paths, image);
        const { frameMs, lagMs } = await drag(viewer, image);
        return { 'a picture': frameMs, 'a move to its picture': lagMs };
      });
    }
    if (!wanted('scroll')) return;
    say(`scroll, ${run + 1}: ${viewers.map(({ name }) => name).join(', ')}`);
    const paths = writeFresh(folder, stack);
    await turns('scroll: 200-slice CT', viewers, run, async (viewer) => {
      await open(viewer, paths, stack[0]!);
      const first = await scroll(viewer, stack);
      return { 'a slice, from the first pixels on': first / SLICES };
    });
    for (const path of paths) rmSync(path);
  };
  for (let run = 0; run < Math.min(runs, MOVING_RUNS) && (wanted('drag') || wanted('scroll')); run++) {
    // One window at a time: with these switches each takes all that it can get of the processor, also at rest.
    const alone = await startOurs(UNCAPPED);
    await moving([alone.viewer], run);
    await alone.launched.close();
    const others = await startPeers(UNCAPPED, pane);
    await moving(PEERS.map((peer) => others.viewer(peer)), run);
    await others.close();
  }

  const machine = { cpu: cpus()[0]?.model.trim() ?? '', cores: cpus().length, load: loadavg()[0]! };
  const rows = rowsOf(samples);
  process.stdout.write(values.json ? `${JSON.stringify({ machine, runs, rows }, null, 2)}\n` : `${machine.cpu}, ${machine.cores} cores, load ${machine.load.toFixed(1)}; ${runs} runs\n${printRows(rows)}\n`);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
