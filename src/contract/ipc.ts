/**
 * Renderer ⇄ host: calls (request → response, cancellable by their id) and events (host → page). Both sides import this file;
 * the host validates every request, the page trusts what the host sends. Paths never come from the page: dropped files
 * are resolved in the preload (`webUtils.getPathForFile`). Ids are random and opaque; the host mints them, but for dropped files.
 */
import { z } from 'zod';
import { AnonymiseChoices, AnonymiseReport } from './anonymise.ts';
import { BoardId, Connected, DirectBoard, DoctorReport, Found, Installed, Login, Plan, SecureChoices, StepEvent, Where } from './boards.ts';
import { Library } from './dicom.ts';
import { Comparison, EngineId, Run } from './engine.ts';
import { MeasurementRow } from './measurement.ts';
import { ModelMetadata, Preprocessing } from './model.ts';
import { AddModelReport } from './report.ts';
import { Imported, KeptResult, KeyImage, ResultQuery, ResultRow, StudyPage, StudyQuery } from './studies.ts';

export const Locale = z.enum(['en', 'zh-CN']);
export type Locale = z.infer<typeof Locale>;

export const Settings = z.object({
  locale: Locale,
  /** Run the comparison as soon as an image is shown. Off by default: let the reader look first. */
  runOnOpen: z.boolean(),
  /** Engines to run, reference first. */
  engines: z.array(EngineId).min(1),
  /** Repeats for p50/p95. */
  repeats: z.number().int().min(1).max(200),
  /** Keep the list of studies and the results on this computer. Turned off, what was kept is deleted. */
  rememberStudies: z.boolean(),
});
export type Settings = z.infer<typeof Settings>;

export const AppInfo = z.object({
  version: z.string(),
  electron: z.string(),
  /** True on the offline Electron 33 runtime: a standing banner says that it is past its end of life. */
  endOfLifeRuntime: z.boolean(),
  /** True when Chromium's sandbox is off because the process runs as root. */
  sandboxOff: z.boolean(),
  settings: Settings,
});
export type AppInfo = z.infer<typeof AppInfo>;

/** A board as the app sees it, the virtual one included. */
export const BoardStatus = z.object({
  id: z.string(),
  name: z.string(),
  virtual: z.boolean(),
  /** How tensors go there: a process of this computer, plain TCP with a token, TLS, or one stream inside SSH. */
  link: z.enum(['process', 'tcp', 'tls', 'ssh']),
  /** Requests may go there. */
  use: z.boolean(),
  /** host:port. */
  address: z.string(),
  /** `busy` and `degraded` are ready too. */
  state: z.enum(['starting', 'connecting', 'ready', 'busy', 'degraded', 'lost', 'absent']),
  /** Why it is not ready, or what is not as it should be, and the mend. */
  message: z.string(),
  /** `golden`, `ps`, `rtl`, `hardware` or '' while unknown. */
  backend: z.string(),
  models: z.array(z.string()),
  /** Of a board that was trusted over SSH: who logs in, and folder names of the version that an installation left and of the one before, as last seen; empty: none. The page offers to continue where none is. */
  ssh: z.object({ user: z.string(), installed: z.string(), previous: z.string() }).optional(),
});
export type BoardStatus = z.infer<typeof BoardStatus>;

export const ModelInfo = z.object({
  id: z.string(),
  metadata: ModelMetadata,
  /** CARD.md. */
  card: z.string(),
  engines: z.array(EngineId),
  /** Added by the user, who may remove it. */
  own: z.boolean(),
});
export type ModelInfo = z.infer<typeof ModelInfo>;

/** A file or folder that the reader chose in a dialog; its path stays in the host. */
export const PickedFile = z.object({
  id: z.string(),
  name: z.string(),
  /** Of a folder: how many files lie in it. */
  files: z.number().int().nonnegative().optional(),
});
export type PickedFile = z.infer<typeof PickedFile>;

export const ModelTask = z.enum(['classification', 'detection']);
export type ModelTask = z.infer<typeof ModelTask>;

const PortInfo = z.object({ name: z.string(), shape: z.array(z.number().int().nonnegative()) });

/** What an ONNX file, and the metadata beside it, say of a model to be. */
export const ModelDraft = z.object({
  name: z.string(),
  title: z.string(),
  /** The file has scales of its own, which are kept. */
  quantised: z.boolean(),
  /** NCHW. */
  input: PortInfo,
  outputs: z.array(PortInfo),
  /** null: a table of boxes, or class scores in an unusual shape; only a person can say. */
  task: ModelTask.nullable(),
  /** Names of the classes; null where neither file has them. */
  labels: z.array(z.string()).nullable(),
  /** Class scores of a classifier; null where unknown. */
  classes: z.number().int().positive().nullable(),
  preprocessing: Preprocessing,
  /** DICOM modalities; empty: those of the calibration images. */
  modalities: z.array(z.string()),
  /** Fields that hold a guess. */
  unknown: z.array(z.enum(['task', 'labels', 'preprocessing', 'modalities'])),
  /** What was changed or assumed, an English sentence each. */
  notes: z.array(z.string()),
});
export type ModelDraft = z.infer<typeof ModelDraft>;

const Name = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/);
const Text = z.string().trim().min(1).max(200);

/** What the reader made of a draft. */
export const ModelFields = z.object({
  name: Name,
  title: Text,
  task: ModelTask,
  /** null: numbered. */
  labels: z.array(Text).min(1).max(10_000).nullable(),
  preprocessing: Preprocessing,
  /** Empty: those of the calibration images. */
  modalities: z.array(z.string().regex(/^[A-Z0-9_ ]{1,16}$/)).max(50),
});
export type ModelFields = z.infer<typeof ModelFields>;

export const CalibrationMethod = z.enum(['minmax', 'percentile', 'entropy']);
export type CalibrationMethod = z.infer<typeof CalibrationMethod>;

/** What the board answered to its first image, one of zeros. */
export const Deployed = z.object({
  board: z.string(),
  backend: z.string(),
  /** Round trip by this computer's clock. */
  ms: z.number().nonnegative(),
  outputs: z.array(PortInfo.extend({ datatype: z.string() })),
});
export type Deployed = z.infer<typeof Deployed>;

const Nothing = z.object({});
const Done = z.object({});

export const CALLS = {
  'app.info': { request: Nothing, response: AppInfo },
  'settings.set': { request: Settings.partial(), response: Settings },
  /** Opens a dialog (or the shipped sample); the library follows as events. What is read goes on the list; the first studies are opened. */
  'library.open': { request: z.object({ source: z.enum(['files', 'folder', 'sample']) }), response: Imported },
  /** Of all files that are being read, whoever asked for them; what was read stays. Their calls fail with `cancelled`. */
  'library.cancel': { request: Nothing, response: Done },
  'library.get': { request: Nothing, response: Library },
  'library.close': { request: z.object({ studyUid: z.string() }), response: Done },
  'studies.search': { request: StudyQuery, response: StudyPage },
  /** Reads again what has changed. `missing` files are not where they were. */
  'studies.open': { request: z.object({ uid: z.string() }), response: z.object({ opened: z.number().int(), missing: z.number().int() }) },
  /** From the list, with its results, and closed; its files are not touched. */
  'studies.remove': { request: z.object({ uid: z.string() }), response: Done },
  /** All studies and all results. */
  'studies.clear': { request: Nothing, response: Done },
  /** Of an open image: what was computed before by the model as it is installed. */
  'results.of': { request: z.object({ instanceId: z.string(), frame: z.number().int().nonnegative(), model: z.string() }), response: KeptResult },
  'results.list': { request: ResultQuery, response: z.object({ rows: z.array(ResultRow) }) },
  /** Asks where to save, then writes what `results.list` has. */
  'results.export': { request: ResultQuery.extend({ format: z.enum(['csv', 'json']) }), response: z.object({ saved: z.boolean() }) },
  'models.list': { request: Nothing, response: z.object({ models: z.array(ModelInfo), problems: z.array(z.object({ name: z.string(), message: z.string() })) }) },
  /** Opens a dialog. `onnx` and `metadata` are files, `samples` a folder of calibration images. */
  'models.pick': { request: z.object({ what: z.enum(['onnx', 'metadata', 'samples']) }), response: z.object({ file: PickedFile.nullable() }) },
  /** Ids of `models.pick`. Fails with `not-compiled`, the node and the mend where the file is none that we can take. */
  'models.inspect': { request: z.object({ model: z.string(), metadata: z.string().nullable() }), response: ModelDraft },
  /** Calibrates, quantises, compiles, proves and writes; `models.progress` meanwhile. Cancelled by the call's id: then nothing is left. */
  'models.add': {
    request: z.object({
      model: z.string(),
      metadata: z.string().nullable(),
      fields: ModelFields,
      samples: z.string(),
      /** null: the best of all. Not for a file that is quantised already. */
      method: CalibrationMethod.nullable(),
      /** Calibration files at most. */
      limit: z.number().int().min(1).max(10_000),
    }),
    response: z.object({ id: z.string() }),
  },
  /** null: the package has none. */
  'models.report': { request: z.object({ id: Name }), response: z.object({ report: AddModelReport.nullable() }) },
  /** Asks where to save, then writes the report as JSON. */
  'models.exportReport': { request: z.object({ id: Name }), response: z.object({ saved: z.boolean() }) },
  /** Sends a model to the real boards in use, where there are any, or loads it into the virtual board; and runs it once. The answer is that of the first. */
  'models.deploy': { request: z.object({ id: Name }), response: Deployed },
  /** Of the reader's own only: unloads it from the board and deletes it. */
  'models.remove': { request: z.object({ id: Name }), response: Done },
  'boards.list': { request: Nothing, response: z.object({ boards: z.array(BoardStatus) }) },
  /** Start the virtual board again, or connect anew. */
  'boards.reconnect': { request: z.object({ id: z.string() }), response: Done },
  /** Whether requests may go to this board. */
  'boards.use': { request: z.object({ id: z.string(), use: z.boolean() }), response: Done },
  'boards.rename': { request: z.object({ id: z.string(), name: z.string().trim().min(1).max(200) }), response: Done },
  /** Forgets its keys and secrets here; nothing is done to the board. */
  'boards.forget': { request: z.object({ id: z.string() }), response: Done },
  'boards.addDirect': { request: DirectBoard, response: z.object({ id: z.string() }) },
  /** null: the usual places, mDNS, and boards that were trusted. Those found so far come as `boards.found`; cancelled by the call's id. */
  'boards.find': { request: z.object({ where: Where.nullable() }), response: z.object({ found: z.array(Found) }) },
  /** Opens a dialog: a private key, a public key, or an overlay's folder (overlay.json, bit, hwh). */
  'boards.pick': { request: z.object({ what: z.enum(['key', 'publicKey', 'overlay']) }), response: z.object({ file: PickedFile.nullable() }) },
  /** `accept`: the fingerprint that a person compared; pins it. `login` null: what is kept for this board, and the SSH agent. */
  'boards.connect': {
    request: z.object({ address: Where, user: z.string().regex(/^[a-z_][a-z0-9_-]{0,31}$/), login: Login.nullable(), accept: z.string().max(100).nullable(), name: z.string().trim().max(200).nullable() }),
    response: Connected,
  },
  /** The login's password for sudo, kept until the app ends or in the OS keychain. Whatever needs root fails with `needs-password` before it. */
  'boards.unlock': { request: z.object({ id: BoardId, password: z.string().max(1024), remember: z.boolean() }), response: Done },
  /** Whether the OS keychain keeps secrets here; where not, they last until the app ends. */
  'boards.keychain': { request: Nothing, response: z.object({ available: z.boolean() }) },
  /** Reads, never changes. */
  'boards.doctor': { request: z.object({ id: BoardId }), response: DoctorReport },
  /** Asks where to save, then writes the report as JSON; it holds no secret. */
  'boards.exportDoctor': { request: z.object({ report: DoctorReport }), response: z.object({ saved: z.boolean() }) },
  /** `done`: English, what was done, in order. `fingerprint`: of the new host key that is pinned now. */
  'boards.secure': { request: z.object({ id: BoardId, choices: SecureChoices }), response: z.object({ done: z.array(z.string()), fingerprint: z.string().nullable() }) },
  /** `overlay`: an id of `boards.pick`; null: as it is on the board, or PS only. */
  'boards.plan': { request: z.object({ id: BoardId, overlay: z.string().nullable() }), response: Plan },
  /** Installs or updates; `boards.step` meanwhile. Cancelled by the call's id between steps and within long ones: the version before runs on. */
  'boards.install': { request: z.object({ id: BoardId, overlay: z.string().nullable() }), response: Installed },
  'boards.rollback': { request: z.object({ id: BoardId }), response: z.object({ version: z.string() }) },
  'boards.uninstall': { request: z.object({ id: BoardId }), response: Done },
  'boards.logs': { request: z.object({ id: BoardId }), response: z.object({ text: z.string() }) },
  /** Resolves with the whole comparison; each run also arrives as `compare.run` when it ends. Cancelled by the call's id. */
  'compare.run': {
    request: z.object({
      instanceId: z.string(),
      frame: z.number().int().nonnegative(),
      model: z.string(),
      engines: z.array(EngineId).min(1),
      repeats: z.number().int().min(1).max(200),
    }),
    response: Comparison,
  },
  /** Asks where to save, then writes the comparison as JSON. */
  'compare.export': { request: z.object({ comparison: Comparison }), response: z.object({ saved: z.boolean() }) },
  /** What is seen in a part of the window (client pixels), kept by the host until `image.save`; the next one takes its place. */
  'image.capture': {
    request: z.object({ rect: z.object({ x: z.number().min(0), y: z.number().min(0), width: z.number().min(1).max(32_768), height: z.number().min(1).max(32_768) }), format: z.enum(['png', 'jpeg']) }),
    response: z.object({ id: z.string() }),
  },
  /** Asks where to save, then writes the captured picture. */
  'image.save': { request: z.object({ id: z.string() }), response: z.object({ saved: z.boolean() }) },
  /** Of an open image: kept with the list of studies. */
  'keyImages.mark': { request: KeyImage.extend({ on: z.boolean() }), response: Done },
  /** Of the open images: those that are marked, in the order of marking. */
  'keyImages.get': { request: Nothing, response: z.object({ images: z.array(KeyImage) }) },
  /** Asks where to save, then writes them as CSV. */
  'keyImages.export': { request: z.object({ images: z.array(KeyImage).min(1).max(10_000) }), response: z.object({ saved: z.boolean() }) },
  /** Asks for a folder, then writes DICOM files without whom they are of; `anonymise.progress` meanwhile. null: none was chosen. Cancelled by the call's id: what is written stays, and is told. */
  'anonymise.run': { request: z.object({ instanceIds: z.array(z.string()).min(1).max(20_000), choices: AnonymiseChoices }), response: z.object({ report: AnonymiseReport.nullable() }) },
  /** Into full screen, or back. */
  'window.fullScreen': { request: Nothing, response: Done },
  /** Asks where to save, then writes them as CSV. */
  'measurements.export': { request: z.object({ rows: z.array(MeasurementRow).min(1).max(100_000) }), response: z.object({ saved: z.boolean() }) },
} as const;
export type CallName = keyof typeof CALLS;
export type Request<N extends CallName> = z.input<(typeof CALLS)[N]['request']>;
export type Response<N extends CallName> = z.output<(typeof CALLS)[N]['response']>;

export const EVENTS = {
  'library.changed': Library,
  /** The list, or the results, may be others: ask again. */
  'studies.changed': Nothing,
  /** Scanning of opened files; `done === total` ends it. */
  'library.progress': z.object({ done: z.number().int(), total: z.number().int(), fileName: z.string() }),
  'boards.changed': z.object({ boards: z.array(BoardStatus) }),
  /** Of `boards.find`, in the order of answering. */
  'boards.found': z.object({ found: z.array(Found), done: z.number().int(), total: z.number().int() }),
  /** Of `boards.install`. */
  'boards.step': StepEvent,
  /** Of `models.add`: `step` is an English name of the work. */
  'models.progress': z.object({ step: z.string(), done: z.number().int(), total: z.number().int() }),
  /** Of `anonymise.run`: images. */
  'anonymise.progress': z.object({ done: z.number().int(), total: z.number().int() }),
  'compare.progress': z.object({ instanceId: z.string(), engine: EngineId, done: z.number().int(), total: z.number().int() }),
  'compare.run': z.object({ instanceId: z.string(), frame: z.number().int(), run: Run }),
  /** A menu item or shortcut handled by the page: the id of an Action. */
  'menu.action': z.object({ action: z.string() }),
} as const;
export type EventName = keyof typeof EVENTS;
export type EventPayload<N extends EventName> = z.output<(typeof EVENTS)[N]>;

/** A failed call: `code` is stable, `message` is for people; `node` names the ONNX node that it is about. */
export const CallError = z.object({ code: z.string(), message: z.string(), node: z.string().optional() });
export type CallError = z.infer<typeof CallError>;

/** What the preload puts on `window.fabriclens`. */
export interface HostBridge {
  /** Rejects with an Error whose `name` is the CallError's code, and which has its `node`. */
  call<N extends CallName>(name: N, request: Request<N>, signal?: AbortSignal): Promise<Response<N>>;
  /** Returns the unsubscriber. */
  on<N extends EventName>(name: N, listener: (payload: EventPayload<N>) => void): () => void;
  /** Files or folders dropped on the window. */
  openDropped(dropped: readonly DroppedFile[]): Promise<Imported>;
}

/** A file or folder dropped on the window, and a random UUID: the id of its image, if it has one that was not open before. */
export interface DroppedFile {
  id: string;
  file: File;
}

/** The encoded bytes of an instance (the whole Part 10 file): fetch(`app://instance/${id}`). */
export const instanceUrl = (id: string): string => `app://instance/${encodeURIComponent(id)}`;
