/** Memory of our window's processes before and after twenty studies were opened and closed one after another. */
import { readFileSync } from 'node:fs';
import type { Launched } from '../../e2e/launch.ts';
import { writeFresh, type Made } from './files.ts';
import { closeAll } from './ours.ts';
import { OURS, type Sample } from './rows.ts';
import type { Viewer } from './viewer.ts';

const STUDIES = 20;
/** Until the system's memory is read: what is given back is given back in the background (milliseconds). */
const REST_MS = 20_000;
const MiB = 2 ** 20;

/** Proportional set size of all processes of the application, MiB; of the page's alone. */
async function memory({ app }: Launched): Promise<{ all: number; page: number }> {
  const processes = await app.evaluate(({ app: application }) => application.getAppMetrics().map(({ pid, type }) => ({ pid, type })));
  const of = (pid: number): number => (Number(/^Pss:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))?.[1] ?? 0) * 1024) / MiB;
  const sizes = processes.map(({ pid, type }) => ({ type, size: of(pid) }));
  const sum = (some: typeof sizes): number => some.reduce((total, { size }) => total + size, 0);
  return { all: sum(sizes), page: sum(sizes.filter(({ type }) => type === 'Tab')) };
}

export async function memoryOf(ours: Viewer, launched: Launched, folder: string, images: readonly Made[], stack: readonly Made[], say: (line: string) => void): Promise<Sample[]> {
  const { page } = ours;
  const study = async (which: number): Promise<void> => {
    const one = which % 4 === 3 ? stack : [images[which % images.length]!];
    await page.setInputFiles('#files', writeFresh(folder, one));
    await page.evaluate(([shape, spots]) => window.benchProbe.open(shape, spots, false), [one[0]!.shape, one[0]!.spots] as const);
    if (one.length > 1) await page.evaluate(([shape, spots]) => window.benchProbe.scroll(shape, spots), [one[0]!.shape, one.map(({ spots }) => spots)] as const);
  };
  await ours.fresh();
  await page.waitForTimeout(REST_MS);
  const before = await memory(launched);
  let most = before.all;
  for (let i = 0; i < STUDIES; i++) {
    say(`memory: study ${i + 1} of ${STUDIES}`);
    await study(i);
    most = Math.max(most, (await memory(launched)).all);
    await closeAll(page);
  }
  await page.waitForTimeout(REST_MS);
  const after = await memory(launched);
  const row = (name: string, value: number): Sample => ({ row: `memory: ${name}, MiB`, viewer: OURS, value, why: '' });
  return [row('all processes before', before.all), row('most, with a study open', most), row('all processes after 20 studies', after.all), row('the page before', before.page), row('the page after', after.page)];
}
