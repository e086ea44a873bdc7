import '@fontsource-variable/noto-sans/wght.css';
import '@mantine/core/styles.css';
import './styles.css';
import { createTheme, MantineProvider } from '@mantine/core';
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { I18nextProvider } from 'react-i18next';
import type { HostBridge } from '../src/contract/ipc.ts';
import { actionById } from './actions/actions.ts';
import { belongsToControl, matches } from './actions/keymap.ts';
import { ACTIONS } from './actions/actions.ts';
import { Window } from './App.tsx';
import { i18n, setLanguage } from './i18n/index.ts';
import { Failsafe } from './ui/Failsafe.tsx';
import { Measurer } from './measure/measurer.ts';
import { Session } from './state/session.ts';
import { AppContext, type App } from './ui/app.ts';
import { Frames } from './viewport/frames.ts';
import { Cine } from './viewport/cine.ts';
import { rehearse } from './viewport/rehearsal.ts';
import { Viewers } from './viewport/viewers.ts';
import { DecodePool, PRIORITY, type WorkerPort } from './workers/pool.ts';

declare global {
  interface Window {
    readonly fabriclens: HostBridge;
  }
}

const theme = createTheme({
  primaryColor: 'accent',
  primaryShade: 7,
  colors: {
    accent: ['#e6f4fb', '#cbe6f5', '#9fd0ec', '#74bae3', '#54a8da', '#3f9bd3', '#2a7fb5', '#216895', '#1a5376', '#123c56'],
    dark: ['#d5d8dd', '#b4b9c1', '#9299a4', '#6b727d', '#3a3f47', '#2a2e34', '#1e2126', '#16181c', '#101215', '#0a0b0d'],
  },
  fontFamily: 'var(--font)',
  fontSizes: { xs: '12px', sm: '13px', md: '14px' },
  defaultRadius: 4,
  cursorType: 'pointer',
  respectReducedMotion: true,
});

const newWorker = (): WorkerPort => new Worker(new URL('./workers/decode.worker.ts', import.meta.url), { type: 'module' }) as WorkerPort;

const session = new Session(window.fabriclens);
const pool = new DecodePool(newWorker, Math.min(4, Math.max(2, navigator.hardwareConcurrency - 1)));
const frames = new Frames(pool);
const viewers = new Viewers(frames, session.store.get);
session.onLibrary = (instances) => {
  frames.keep(instances);
  pool.keep(instances);
  if (instances.size === 0) pool.renew();
};
session.onDropped = (dropped) => {
  pool.expect(dropped);
  const [first] = dropped;
  if (first && !/\.zip$/i.test(first.file.name)) frames.loadDropped(first.id);
};
/** A frame of the screen with what was drawn until now; a window that is not seen has none. */
const painted = (): Promise<void> => new Promise((resolve) => {
  requestAnimationFrame(() => setTimeout(resolve));
  setTimeout(resolve, 50);
});
session.onFirst = (shown) => {
  // One that fails says so in its pane, which waits for the same decoding.
  const made = frames.load(shown, PRIORITY.shown).then(painted, () => {});
  viewers.active.show(shown, []);
  return made;
};

const measurer = new Measurer();
const cine = new Cine(session, viewers);

const perform = (id: string): boolean => {
  const action = actionById(id);
  if (!action?.possible({ app: session.store.get(), view: viewers.active.view.get(), measure: measurer.store.get() })) return false;
  action.perform({ session, viewers, cine, viewer: viewers.active, measurer, say: (key) => i18n.t(key) });
  return true;
};
session.onMenuAction = perform;

window.addEventListener('keydown', (event) => {
  // A dialog has its own keys.
  if (event.defaultPrevented || document.querySelector('dialog[open]')) return;
  const target = event.target instanceof HTMLElement ? event.target : document.body;
  if (belongsToControl({ tagName: target.tagName, role: target.getAttribute('role'), type: target.getAttribute('type') ?? '', editable: target.isContentEditable }, event)) return;
  for (const action of ACTIONS) {
    if (action.shortcuts.some((shortcut) => matches(shortcut, event)) && perform(action.id)) {
      event.preventDefault();
      return;
    }
  }
});

session.store.subscribe(() => setLanguage(session.store.get().info?.settings.locale ?? 'en'));
const app: App = { session, viewers, measurer, pool, perform };
const nonce = document.querySelector<HTMLMetaElement>('meta[property=csp-nonce]')?.nonce ?? '';

// Before the first text is drawn: a fallback would be looked up in the system's fonts, which the page waits for with its one thread.
await Promise.allSettled(['13px', '600 13px'].map((font) => document.fonts.load(`${font} 'Noto Sans Variable'`)));

createRoot(document.getElementById('root')!).render(
  <StrictMode>
    <MantineProvider theme={theme} forceColorScheme="dark" getStyleNonce={() => nonce}>
      <I18nextProvider i18n={i18n}>
        <AppContext.Provider value={app}>
          <Failsafe>
            <Window />
          </Failsafe>
        </AppContext.Provider>
      </I18nextProvider>
    </MantineProvider>
  </StrictMode>,
);
void session.start().then(rehearse);
