/** Electron's main process: a window, or the command line where the first argument is one of its subcommands. */
import { statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { app, dialog, Menu, safeStorage, utilityProcess, type UtilityProcess, type BrowserWindow } from 'electron';
import type { Imported } from '../../contract/studies.ts';
import type * as CommandLine from '../cli/main.ts';
import { SUBCOMMANDS } from '../cli/options.ts';
import { knownBoardsFile } from '../known-boards.ts';
import { resolveResources } from '../resources.ts';
import { parseLaunch } from './arguments.ts';
import { createAdder } from './adder-client.ts';
import { createBoardCalls } from './board-calls.ts';
import { openBoardState } from './board-state.ts';
import type { BoardsCalls, BoardsPlace } from './boards-messages.ts';
import { createHandlers } from './calls.ts';
import { serve } from './ipc.ts';
import { menuTemplate } from './menu.ts';
import type { Dialogs } from './model-calls.ts';
import { makeFolder, sweep } from './own-models.ts';
import { startProcess } from './process-client.ts';
import { instanceSources } from './instance-sources.ts';
import { registerScheme, serveApp } from './protocol.ts';
import type { AppPlace, ReviewCalls, ReviewPlace } from './review-messages.ts';
import { openSecrets } from './secrets.ts';
import { openSettings } from './settings.ts';
import { confine, createSession, createWindow } from './window.ts';

/** For whoever starts the app in a terminal; never file names, never patients. */
const log = (text: string): void => void process.stderr.write(`fabriclens: ${text}\n`);

const launch = parseLaunch(process.argv, { defaultApp: process.defaultApp === true, folder: process.cwd(), subcommands: SUBCOMMANDS });
const place: Omit<AppPlace, 'userModelsDir'> = { root: app.getAppPath(), ...(app.isPackaged ? { resourcesPath: process.resourcesPath } : {}), ...(launch.modelsDir === undefined ? {} : { modelsDir: launch.modelsDir }) };
const built = (name: string): string => join(place.root, 'dist', name);

if (launch.cli) await runCli(launch.cli);
else startWindow();

async function runCli(args: string[]): Promise<void> {
  try {
    const { main } = (await import(pathToFileURL(built('cli.js')).href)) as typeof CommandLine;
    const code = await main(args, resolveResources(place.root, place.resourcesPath));
    // Windows writes to pipes later.
    await new Promise((written) => process.stdout.write('', written));
    app.exit(code);
  } catch (error) {
    log(error instanceof Error ? (error.stack ?? error.message) : String(error));
    app.exit(2);
  }
}

function startWindow(): void {
  app.commandLine.appendSwitch('disable-http-cache');
  app.commandLine.appendSwitch('disable-background-networking');
  app.commandLine.appendSwitch('disable-breakpad');
  const userData = app.commandLine.getSwitchValue('user-data-dir');
  if (userData !== '') app.setPath('userData', resolve(userData));
  registerScheme();
  if (!app.requestSingleInstanceLock({ paths: launch.paths })) {
    app.quit();
    return;
  }
  app.on('web-contents-created', (_event, contents) => confine(contents));
  app.on('window-all-closed', () => app.quit());
  // macOS hands over files before and after `ready`.
  const early: string[] = [];
  let open = (paths: string[]): void => void early.push(...paths);
  app.on('open-file', (event, path) => {
    event.preventDefault();
    open([path]);
  });
  app.on('second-instance', (_event, _argv, _folder, data) => open((data as { paths?: string[] } | null)?.paths ?? []));
  void app.whenReady().then(() => {
    open = run([...launch.paths, ...early]);
  });
}

/** Opens the window; returns what opens more files in it. */
function run(paths: string[]): (paths: string[]) => void {
  const settings = openSettings(join(app.getPath('userData'), 'settings.json'), app.getLocale(), log);
  const userModelsDir = join(app.getPath('userData'), 'models');
  makeFolder(userModelsDir);
  void sweep(userModelsDir).catch((error: Error) => log(error.message));
  const wholePlace: AppPlace = { ...place, userModelsDir };
  const reviewPlace: ReviewPlace = { ...wholePlace, studiesFile: join(app.getPath('userData'), 'studies.db'), rememberStudies: settings.get().rememberStudies };
  const forked = (name: 'review' | 'adder' | 'boards', given: AppPlace, service: string = name): UtilityProcess =>
    utilityProcess.fork(built(`electron/${name}-process.js`), [JSON.stringify(given)], { serviceName: `FabricLens ${service}`, stdio: ['ignore', 'inherit', 'inherit'] });
  const review = startProcess<ReviewCalls>({ fork: () => forked('review', reviewPlace), name: 'review', what: 'The process that reads images and runs the engines', eager: true, log });
  const boardsPlace: BoardsPlace = { ...wholePlace, ...launch.boards };
  const boards = startProcess<BoardsCalls>({ fork: () => forked('boards', boardsPlace), name: 'boards', what: 'The process that talks to boards', eager: false, log });
  const adder = createAdder({
    fork: () => forked('adder', wholePlace, 'models'),
    sweep: () => sweep(userModelsDir),
  });
  const sources = instanceSources(review);
  const own = createSession();
  serveApp(own, {
    ui: built('renderer'),
    bridge: built('electron/page-bridge.js'),
    instanceSource: (id) => sources.of(id),
  });
  const window = createWindow({ session: own, preload: built('electron/preload.cjs'), devTools: !app.isPackaged, title: 'FabricLens' });

  const dialogs: Dialogs = {
    open: async (options) => (await dialog.showOpenDialog(window, options)).filePaths[0] ?? null,
    save: async (name) => (await dialog.showSaveDialog(window, { defaultPath: name, filters: [{ name: 'JSON', extensions: ['json'] }] })).filePath || null,
  };
  const boardCalls = createBoardCalls({
    dialogs, boards, review, log, agentPort: launch.boards.agentPort, knownFile: knownBoardsFile(),
    secrets: openSecrets(join(app.getPath('userData'), 'secrets.json'), safeStorage, log),
    state: openBoardState(join(app.getPath('userData'), 'boards.json'), log),
  });
  void boardCalls.sync();

  const opened: string[] = [];
  const openedStudies: string[] = [];
  const openPaths = async (more: string[], signal?: AbortSignal, ids: Record<string, string> = {}): Promise<Imported> => {
    const result = await review.call('library.add', { paths: more, ids }, signal);
    opened.push(...more);
    return result;
  };
  const emit: ReturnType<typeof serve> = serve(
    window.webContents,
    createHandlers({
      window,
      settings,
      review,
      adder,
      boards: boardCalls,
      dialogs,
      modelsDir: place.modelsDir ?? resolveResources(place.root, place.resourcesPath).modelsDir,
      userModelsDir,
      onModelProgress: (progress) => emit('models.progress', progress),
      openPaths,
      openStudy: async (uid, signal) => {
        const result = await review.call('studies.open', { uid }, signal);
        openedStudies.push(uid);
        return result;
      },
      keepStudies: async (on) => {
        // Also for a process that is started again.
        reviewPlace.rememberStudies = on;
        await review.call('studies.remember', { remember: on });
      },
      info: () => ({
        version: app.getVersion(),
        electron: process.versions.electron,
        endOfLifeRuntime: Number.parseInt(process.versions.electron, 10) < 40,
        sandboxOff: app.commandLine.hasSwitch('no-sandbox'),
        settings: settings.get(),
      }),
      localeChanged: () => showMenu(),
    }),
    (dropped) => openPaths(dropped.map(({ path }) => path), undefined, Object.fromEntries(dropped.map(({ id, path }) => [path, id]))),
  );
  const showMenu = (): void => Menu.setApplicationMenu(Menu.buildFromTemplate(menuTemplate(settings.get().locale, (action) => emit('menu.action', { action }))));
  showMenu();
  review.on(emit);
  boards.on(emit);
  review.onLost((restarted) => {
    if (!restarted) return;
    void boardCalls.sync();
    if (opened.length > 0) void review.call('library.add', { paths: [...new Set(opened)], ids: {} }).catch((error: Error) => log(error.message));
    for (const uid of new Set(openedStudies)) void review.call('studies.open', { uid }).catch((error: Error) => log(error.message));
  });
  guardExit(window, async () => void (await Promise.allSettled([adder.close(), boards.close(), review.close()])));

  const openReported = (more: string[]): void => {
    if (window.isMinimized()) window.restore();
    window.focus();
    if (more.length === 0) return;
    const missing = more.filter((path) => statSync(path, { throwIfNoEntry: false }) === undefined);
    if (missing.length > 0) dialog.showErrorBox('FabricLens', `${missing.join('\n')}\n\nThere is no such file or folder.`);
    const there = more.filter((path) => !missing.includes(path));
    if (there.length > 0) openPaths(there).catch((error: Error) => dialog.showErrorBox('FabricLens', error.message));
  };
  void window.loadURL('app://ui/');
  window.webContents.once('did-finish-load', () => openReported(paths));
  return openReported;
}

/** A page that dies comes again; the other processes, and with them the virtual board, end before the application does. */
function guardExit(window: BrowserWindow, close: () => Promise<void>): void {
  window.webContents.on('render-process-gone', (_event, details) => {
    log(`page process gone (${details.reason})`);
    if (details.reason !== 'clean-exit') window.reload();
  });
  app.on('child-process-gone', (_event, details) => {
    if (details.reason !== 'clean-exit' && details.type !== 'Utility') log(`${details.type} process gone (${details.reason})`);
  });
  const end = (): void => void close().finally(() => app.exit());
  app.on('will-quit', (event) => {
    event.preventDefault();
    end();
  });
  // Without asking the page, which may be loading and never answer.
  process.on('SIGTERM', end);
  process.on('SIGINT', end);
}
