/** The window and its session: a sandboxed page that can reach nothing but `app:`. */
import { BrowserWindow, session, type Session } from 'electron';
import { UI_ORIGIN } from './protocol.ts';

/** Without `persist:` it lives in memory: nothing of a patient reaches the disk through cache, storage or cookies. */
const PARTITION = 'fabriclens';

export function createSession(): Session {
  const own = session.fromPartition(PARTITION, { cache: false });
  own.setPermissionRequestHandler((_contents, _permission, decide) => decide(false));
  own.setPermissionCheckHandler(() => false);
  own.setDevicePermissionHandler(() => false);
  own.setSpellCheckerEnabled(false);
  own.on('will-download', (event) => event.preventDefault());
  own.webRequest.onBeforeRequest((details, decide) => decide({ cancel: !/^(app|blob|data|devtools):/.test(details.url) }));
  return own;
}

export interface WindowOptions {
  session: Session;
  preload: string;
  /** Developer tools, for development only. */
  devTools: boolean;
  title: string;
}

export function createWindow({ session: own, preload, devTools, title }: WindowOptions): BrowserWindow {
  return new BrowserWindow({
    width: 1500,
    height: 940,
    minWidth: 960,
    minHeight: 620,
    // Shown at once, in its own background: under xvfb a hidden window that waited for 'ready-to-show' now and then never came, it seems
    // because without a GPU its first paint is lost.
    backgroundColor: '#0b0d10',
    title,
    autoHideMenuBar: false,
    webPreferences: {
      session: own,
      preload,
      devTools,
      sandbox: true,
      contextIsolation: true,
      nodeIntegration: false,
      nodeIntegrationInWorker: false,
      nodeIntegrationInSubFrames: false,
      webSecurity: true,
      webviewTag: false,
      spellcheck: false,
      navigateOnDragDrop: false,
      v8CacheOptions: 'none',
    },
  });
}

/** For every web contents that ever comes to be: no navigation, no new windows, no webviews. */
export function confine(contents: Electron.WebContents): void {
  const stay = (event: Electron.Event, url: string): void => {
    if (new URL(url).origin !== UI_ORIGIN || url !== contents.getURL()) event.preventDefault();
  };
  contents.on('will-navigate', (details) => stay(details, details.url));
  contents.on('will-frame-navigate', (details) => stay(details, details.url));
  contents.on('will-redirect', (details) => stay(details, details.url));
  contents.on('will-attach-webview', (event) => event.preventDefault());
  contents.setWindowOpenHandler(() => ({ action: 'deny' }));
}
