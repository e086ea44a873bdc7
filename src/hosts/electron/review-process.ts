/** Utility process: opened studies, engines and the link to the board, off the main process's event loop. */
import { resolveResources } from '../resources.ts';
import { BoardPool, isUsable, virtualBoardLink } from '../../board/index.ts';
import { createCodecThread, createReview } from '../../review/index.ts';
import { deploy } from '../deploy.ts';
import { answerCalls, emitter } from './process-server.ts';
import type { AppPlace, ReviewCalls } from './review-messages.ts';

/** Progress of a scan is told at most this often (milliseconds). */
const PROGRESS_EVERY = 50;

const { root, resourcesPath, modelsDir, userModelsDir } = JSON.parse(process.argv[2]!) as AppPlace;
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
const boards = new BoardPool([virtual]);
boards.onStatus((statuses) => emit('boards.changed', { boards: statuses }));
boards.start();

const review = createReview({
  modelsDir: resources.modelsDir,
  userModelsDir,
  codecs: createCodecThread({ workerUrl: resources.codecWorkerUrl, loadWasm: resources.loadWasm }),
  workerUrl: resources.ortWorkerUrl,
  boards,
  software,
});

const tellLibrary = (): void => emit('library.changed', review.library());

async function add(paths: readonly string[], signal: AbortSignal): Promise<{ opened: number }> {
  let told = 0;
  try {
    const { files } = await review.open(paths, {
      signal,
      onProgress: (progress) => {
        const now = Date.now();
        if (progress.done < progress.total && now - told < PROGRESS_EVERY) return;
        told = now;
        emit('library.progress', progress);
      },
    });
    return { opened: files.length };
  } finally {
    tellLibrary();
  }
}

answerCalls<ReviewCalls>(process.parentPort, {
  'library.add': ({ paths }, signal) => add(paths, signal),
  'library.addSample': (_request, signal) => add([resources.samplesDir], signal),
  'library.get': () => review.library(),
  'library.close': ({ studyUid }) => {
    review.closeStudy(studyUid);
    tellLibrary();
    return {};
  },
  'instance.source': ({ id }) => ({ source: review.source(id) ?? null }),
  'models.list': () => review.models(),
  'models.deploy': ({ id }, signal) => deploy(virtual, id, signal),
  'models.unload': async ({ id }) => {
    if (isUsable(virtual.status.state) && virtual.status.models.includes(id)) await (await virtual.ready()).unload(id);
    return {};
  },
  'boards.list': () => ({ boards: boards.statuses }),
  'boards.reconnect': ({ id }) => {
    boards.get(id)?.reconnect();
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
}, () => Promise.allSettled([boards.close(), review.close()]));
