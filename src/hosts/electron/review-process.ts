/** Utility process: opened studies, engines and the link to the board, off the main process's event loop. */
import { resolveResources } from '../resources.ts';
import { deployPackage, virtualBoardLink } from '../../board/index.ts';
import type { Deployed } from '../../contract/ipc.ts';
import type { Imported } from '../../contract/studies.ts';
import { createCodecThread, createReview, deleteDatabase, StudyList, type Opened, type OpenHooks } from '../../review/index.ts';
import { deploy } from '../deploy.ts';
import { BoardLinks } from './board-links.ts';
import { answerCalls, emitter } from './process-server.ts';
import type { ReviewCalls, ReviewPlace } from './review-messages.ts';

/** Progress of a scan is told at most this often (milliseconds). */
const PROGRESS_EVERY = 50;
/** That more images are open, the second time after the first (milliseconds). */
const OPENED_EVERY = 250;
/** And that the list has changed (milliseconds). */
const CHANGED_EVERY = 400;
/** An import opens its first studies until this many images are open; the others are on the list. */
const KEEP_OPEN = 2_000;

const { root, resourcesPath, modelsDir, userModelsDir, studiesFile, rememberStudies } = JSON.parse(process.argv[2]!) as ReviewPlace;
const own = resolveResources(root, resourcesPath);
const resources = { ...own, modelsDir: modelsDir ?? own.modelsDir };
const software = `FabricLens ${resources.version}`;
const emit = emitter(process.parentPort);

const virtual = virtualBoardLink({
  modelsDir: resources.modelsDir,
  userModelsDir,
  runtimeLibrary: resources.runtimeLibrary,
  agentDir: resources.agentDir,
  log: (line) => process.stderr.write(`virtual board: ${line}\n`),
});
const boards = new BoardLinks(virtual, (statuses) => emit('boards.changed', { boards: statuses }));

let changing: NodeJS.Timeout | undefined;
const listChanged = (): void => {
  changing ??= setTimeout(() => {
    changing = undefined;
    emit('studies.changed', {});
  }, CHANGED_EVERY);
};
/** Where SQLite cannot be loaded, studies open and nothing is remembered. */
function openList(): StudyList | undefined {
  try {
    // What could not be deleted when the list was turned off is now.
    if (!rememberStudies) deleteDatabase(studiesFile);
    return new StudyList(rememberStudies ? studiesFile : null, software, listChanged);
  } catch (error) {
    process.stderr.write(`study list: ${error instanceof Error ? error.message : String(error)}\n`);
    return undefined;
  }
}
const list = openList();

const review = createReview({
  modelsDir: resources.modelsDir,
  userModelsDir,
  codecs: createCodecThread({ workerUrl: resources.codecWorkerUrl, loadWasm: resources.loadWasm }),
  workerUrl: resources.ortWorkerUrl,
  boards: boards.pool,
  software,
  list,
});

const tellLibrary = (): void => emit('library.changed', review.library());

const imports = new Set<AbortController>();

/** Not more often than a reader sees it, but the end always. */
function paced<P extends { done: number; total: number }>(tell: (progress: P) => void): (progress: P) => void {
  let told = 0;
  return (progress) => {
    const now = Date.now();
    if (progress.done < progress.total && now - told < PROGRESS_EVERY) return;
    told = now;
    tell(progress);
  };
}

async function reading<T extends Opened>(signal: AbortSignal, read: (hooks: OpenHooks) => Promise<T>): Promise<T> {
  const cancelled = new AbortController();
  imports.add(cancelled);
  // Images are seen while others are still being read: at once, and then ever more seldom, since each time tells of all that is open.
  let [next, pause] = [0, OPENED_EVERY];
  let untold = true;
  try {
    const opened = await read({
      signal: AbortSignal.any([signal, cancelled.signal]),
      keepOpen: KEEP_OPEN,
      onOpened: () => {
        const now = Date.now();
        untold = now < next;
        if (untold) return;
        [next, pause] = [now + pause, pause * 2];
        tellLibrary();
      },
      onProgress: paced((progress) => emit('library.progress', progress)),
    });
    untold ||= opened.problems.length > 0;
    return opened;
  } catch (error) {
    untold = true;
    throw error;
  } finally {
    imports.delete(cancelled);
    if (untold) tellLibrary();
  }
}

async function add(paths: readonly string[], signal: AbortSignal, ids: ReadonlyMap<string, string> = new Map()): Promise<Imported> {
  const { files, images, copies } = await reading(signal, (hooks) => review.open(paths, { ...hooks, idOf: (path) => ids.get(path) }));
  return { opened: files.length, images, copies };
}

/** A real board gets the package's files; the virtual one has them. */
async function deployTo(model: string, signal: AbortSignal): Promise<Deployed> {
  const targets = boards.targets();
  const answers: Deployed[] = [];
  for (const board of targets.length > 0 ? targets : [virtual]) {
    if (!board.status.virtual) await deployPackage(await board.ready({ signal }), await review.packageDir(model), { signal });
    answers.push(await deploy(board, model, signal));
  }
  return answers[0]!;
}

answerCalls<ReviewCalls>(process.parentPort, {
  'library.add': ({ paths, ids }, signal) => add(paths, signal, new Map(Object.entries(ids))),
  'library.addSample': (_request, signal) => add([resources.samplesDir], signal),
  'library.get': () => review.library(),
  'library.close': ({ studyUid }) => {
    review.closeStudy(studyUid);
    tellLibrary();
    return {};
  },
  'library.cancel': () => {
    for (const cancelled of imports) cancelled.abort();
    return {};
  },
  'studies.search': (query) => {
    if (!list) return { rows: [], total: 0, all: 0, state: 'unavailable', detail: '@photostructure/sqlite' };
    const page = list.search(query);
    void list.look(page.rows.map(({ uid }) => uid));
    return page;
  },
  'studies.open': async ({ uid }, signal) => {
    const { files, missing } = await reading(signal, (hooks) => review.openStudy(uid, hooks));
    return { opened: files.length, missing };
  },
  'studies.remove': ({ uid }) => {
    list?.remove(uid);
    review.closeStudy(uid);
    tellLibrary();
    return {};
  },
  'studies.clear': () => {
    list?.clear(studiesFile);
    return {};
  },
  'studies.remember': ({ remember }) => {
    list?.use(remember ? studiesFile : null, remember ? null : studiesFile);
    return {};
  },
  'keyImages.mark': ({ on, ...image }) => {
    review.mark(image, on);
    return {};
  },
  'keyImages.get': () => ({ images: review.marked() }),
  'results.of': (request) => review.kept(request),
  'results.list': async (query) => ({ rows: await review.results(query) }),
  'results.text': async ({ format, ...query }) => ({ text: await review.resultsText(query, format) }),
  'anonymise.run': ({ instanceIds, folder, choices }, signal) => review.anonymise(instanceIds, folder, choices, { signal, onProgress: paced((progress) => emit('anonymise.progress', progress)) }),
  'instance.sources': ({ id }) => ({ sources: review.sources(id) }),
  'models.list': () => review.models(),
  'models.deploy': ({ id }, signal) => deployTo(id, signal),
  'models.unload': async ({ id }) => {
    await Promise.allSettled(boards.serving(id).map((client) => client.unload(id)));
    return {};
  },
  'boards.list': () => ({ boards: boards.statuses }),
  'boards.set': ({ specs, useVirtual }) => {
    boards.set(specs, useVirtual);
    return {};
  },
  'boards.reconnect': ({ id }) => {
    boards.pool.get(id)?.reconnect();
    return {};
  },
  'compare.run': (request, signal) => {
    const { instanceId, frame } = request;
    return review.compare(request, {
      signal,
      onRun: (run) => emit('compare.run', { instanceId, frame, run }),
      onProgress: (progress) => emit('compare.progress', { instanceId, ...progress }),
    });
  },
}, async () => {
  await Promise.allSettled([boards.pool.close(), review.close()]);
  list?.close();
});
