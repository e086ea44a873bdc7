/** `npm run bench:studies [-- --json]`: 10,000 synthetic images onto the study list: how long the process does not answer meanwhile, its memory, and how fast the list is searched; then the same folder opened in the real window. */
import { mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { Library } from '../../src/review/library.ts';
import { StudyList } from '../../src/review/study-list.ts';
import { p50p95 } from '../../src/review/statistics.ts';
import { smallDicom } from '../support/small-dicom.ts';
import { benchImport, LATE_MS } from './studies-window.ts';

const STUDIES = 200;
const IMAGES = 50;
const WORDS = ['person1', 'ct', 'mo', '2031', 'nobody at all', 'chest 17'];

const root = mkdtempSync(join(tmpdir(), 'fabriclens-bench-'));
const MiB = 2 ** 20;

interface Import {
  name: string;
  seconds: number;
  /** Milliseconds that the event loop was late; the whole time is watched. */
  latest: number;
  p99: number;
  searchedMeanwhile: number;
  /** MiB that the process had at most (resident). */
  memory: number;
}

async function imported(name: string, list: StudyList, folder: string): Promise<Import> {
  let peak = 0;
  const searches: number[] = [];
  const watch = setInterval(() => {
    peak = Math.max(peak, process.memoryUsage().rss);
    const start = performance.now();
    list.search({ text: 'person', sort: 'date', descending: true, limit: 100 });
    searches.push(performance.now() - start);
  }, 100);
  const delay = monitorEventLoopDelay({ resolution: 5 });
  delay.enable();
  const start = performance.now();
  await list.import({ keepOpen: 2_000 }, (hooks) => new Library().open([folder], hooks));
  const seconds = (performance.now() - start) / 1000;
  delay.disable();
  clearInterval(watch);
  return { name, seconds, latest: delay.max / 1e6, p99: delay.percentile(99) / 1e6, searchedMeanwhile: p50p95(searches.length > 0 ? searches : [0]).p95, memory: peak / MiB };
}

try {
  for (let study = 0; study < STUDIES; study++) {
    mkdirSync(join(root, 'in', String(study)), { recursive: true });
    for (let image = 0; image < IMAGES; image++) {
      writeFileSync(join(root, 'in', String(study), String(image)), smallDicom({ studyUid: `1.7.${study}`, seriesUid: `1.7.${study}.1`, sopInstanceUid: `1.7.${study}.1.${image}`, instanceNumber: image, patientName: `Person${study}^Mo`, modality: study % 2 === 0 ? 'CT' : 'DX' }));
    }
  }
  const database = join(root, 'studies.db');
  const list = new StudyList(database, 'bench');
  const imports = [await imported('first import', list, join(root, 'in')), await imported('the same again', list, join(root, 'in'))];
  const times = WORDS.flatMap((text) => Array.from({ length: 50 }, () => {
    const start = performance.now();
    list.search({ text, sort: 'name', descending: false, limit: 100 });
    return performance.now() - start;
  }));
  list.close();
  const start = performance.now();
  new StudyList(database, 'bench').close();
  const openMs = performance.now() - start;
  const window = await benchImport(join(root, 'in'), (line) => void process.stderr.write(`bench: ${line}\n`));
  const result = { images: STUDIES * IMAGES, imports, search: p50p95(times), openMs, databaseMiB: statSync(database).size / MiB, window };
  if (process.argv.includes('--json')) console.log(JSON.stringify(result, null, 2));
  else {
    for (const i of imports) console.log(`${i.name}: ${result.images} images in ${i.seconds.toFixed(1)} s; event loop late by ${i.p99.toFixed(0)} ms (p99), ${i.latest.toFixed(0)} ms (most); a search meanwhile ${i.searchedMeanwhile.toFixed(1)} ms (p95); ${i.memory.toFixed(0)} MiB of memory at most`);
    console.log(`search: ${result.search.p50.toFixed(1)} ms p50, ${result.search.p95.toFixed(1)} ms p95; opening the list with its check ${result.openMs.toFixed(0)} ms; the file has ${result.databaseMiB.toFixed(1)} MiB`);
    console.log(`in the window: ${window.seconds.toFixed(1)} s; first image after ${(window.firstImageMs / 1000).toFixed(1)} s; the page stood still for ${window.stillMs.toFixed(0)} ms at most, ${window.late} times for more than ${LATE_MS} ms; ${window.memory.toFixed(0)} MiB in all processes at most; a cancel was done after ${window.cancelMs.toFixed(0)} ms`);
  }
} finally {
  rmSync(root, { recursive: true, force: true });
}
