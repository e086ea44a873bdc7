/** Utility process: opened studies, engines and the link to the board, off the main process's event loop. */
import { resolveResources } from '../resources.ts';
import { BoardPool, isUsable, virtualBoardLink } from '../../board/index.ts';
import { createCodecs } from '../../dicom/index.ts';
import { createReview } from '../../review/index.ts';
import { deploy } from '../deploy.ts';
import { toCallError, type AppPlace, type FromReview, type ReviewCallName, type ReviewRequest, type ReviewResponse, type ToReview } from './review-messages.ts';

/** Progress of a scan is told at most this often (milliseconds). */
const PROGRESS_EVERY = 50;

const { root, resourcesPath, modelsDir, userModelsDir } = JSON.parse(process.argv[2]!) as AppPlace;
const own = resolveResources(root, resourcesPath);
const resources = { ...own, modelsDir: modelsDir ?? own.modelsDir };
const software = `FabricLens ${resources.version}`;
const send = (message: FromReview): void => process.parentPort.postMessage(message);

const virtual = virtualBoardLink({
  modelsDir: resources.modelsDir,
  userModelsDir,
  runtimeLibrary: resources.runtimeLibrary,
  agentDir: resources.agentDir,
  log: (line) => process.stderr.write(`virtual board: ${line}\n`),
});
const boards = new BoardPool([virtual]);
boards.onStatus((statuses) => send({ kind: 'event', name: 'boards.changed', payload: { boards: statuses } }));
boards.start();

const review = createReview({
  modelsDir: resources.modelsDir,
  userModelsDir,
  codecs: createCodecs(resources.loadWasm),
  workerUrl: resources.ortWorkerUrl,
  boards,
  software,
});

const tellLibrary = (): void => send({ kind: 'event', name: 'library.changed', payload: review.library() });

async function add(paths: readonly string[], signal: AbortSignal): Promise<{ opened: number }> {
  let told = 0;
  try {
    const { files } = await review.open(paths, {
      signal,
      onProgress: (progress) => {
        const now = Date.now();
        if (progress.done < progress.total && now - told < PROGRESS_EVERY) return;
        told = now;
        send({ kind: 'event', name: 'library.progress', payload: progress });
      },
    });
    return { opened: files.length };
  } finally {
    tellLibrary();
  }
}

const calls: { [N in ReviewCallName]: (request: ReviewRequest<N>, signal: AbortSignal) => Promise<ReviewResponse<N>> | ReviewResponse<N> } = {
  'library.add': ({ paths }, signal) => add(paths, signal),
  'library.addSample': (_request, signal) => add([resources.samplesDir], signal),
  'library.get': () => review.library(),
  'library.close': ({ studyUid }) => {
    review.closeStudy(studyUid);
    tellLibrary();
    return {};
  },
  'instance.path': ({ id }) => ({ path: review.filePath(id) ?? null }),
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
      onRun: (run) => send({ kind: 'event', name: 'compare.run', payload: { instanceId, frame, run } }),
      onProgress: (progress) => send({ kind: 'event', name: 'compare.progress', payload: { instanceId, ...progress } }),
    });
  },
};

const running = new Map<number, AbortController>();

async function answer(id: number, name: ReviewCallName, request: unknown): Promise<void> {
  const controller = new AbortController();
  running.set(id, controller);
  try {
    const call = calls[name] as (request: unknown, signal: AbortSignal) => unknown;
    send({ kind: 'answer', id, ok: true, value: await call(request, controller.signal) });
  } catch (error) {
    send({ kind: 'answer', id, ok: false, error: toCallError(error) });
  } finally {
    running.delete(id);
  }
}

async function close(): Promise<void> {
  for (const controller of running.values()) controller.abort();
  await Promise.allSettled([boards.close(), review.close()]);
  process.exit(0);
}

process.parentPort.on('message', ({ data }: { data: ToReview }) => {
  if (data.kind === 'call') void answer(data.id, data.name, data.request);
  else if (data.kind === 'cancel') running.get(data.id)?.abort();
  else void close();
});
