/** What answers the page's calls: the main process itself where a dialog or its settings are needed, the review process otherwise. */
import { writeFile } from 'node:fs/promises';
import { dialog, type BrowserWindow, type OpenDialogOptions } from 'electron';
import type { AppInfo } from '../../contract/ipc.ts';
import { CallFailure } from './failure.ts';
import type { Handlers } from './ipc.ts';
import type { ReviewClient } from './review-client.ts';
import type { SettingsFile } from './settings.ts';

export interface Wiring {
  window: BrowserWindow;
  settings: SettingsFile;
  review: ReviewClient;
  openPaths(paths: string[]): Promise<{ opened: number }>;
  info(): AppInfo;
  localeChanged(): void;
}

const OPEN: Record<'files' | 'folder', OpenDialogOptions> = {
  // No filter: DICOM files often have no extension.
  files: { properties: ['openFile', 'multiSelections'] },
  folder: { properties: ['openDirectory', 'multiSelections'] },
};

export function createHandlers({ window, settings, review, openPaths, info, localeChanged }: Wiring): Handlers {
  return {
    'app.info': async () => info(),
    'settings.set': async (change) => {
      const before = settings.get().locale;
      // Only what is given: an absent key must not become an undefined one.
      const given = Object.fromEntries(Object.entries(change).filter(([, value]) => value !== undefined));
      const now = settings.set(given);
      if (now.locale !== before) localeChanged();
      return now;
    },
    'library.open': async ({ source }) => {
      if (source === 'sample') return review.call('library.addSample', {});
      const choice = await dialog.showOpenDialog(window, OPEN[source]);
      return choice.canceled || choice.filePaths.length === 0 ? { opened: 0 } : openPaths(choice.filePaths);
    },
    'library.get': (request, signal) => review.call('library.get', request, signal),
    'library.close': (request, signal) => review.call('library.close', request, signal),
    'models.list': (request, signal) => review.call('models.list', request, signal),
    'boards.list': (request, signal) => review.call('boards.list', request, signal),
    'boards.reconnect': (request, signal) => review.call('boards.reconnect', request, signal),
    'compare.run': (request, signal) => review.call('compare.run', request, signal),
    'compare.export': async ({ comparison }) => {
      const choice = await dialog.showSaveDialog(window, { defaultPath: 'comparison.json', filters: [{ name: 'JSON', extensions: ['json'] }] });
      if (choice.canceled || choice.filePath === '') return { saved: false };
      try {
        await writeFile(choice.filePath, `${JSON.stringify(comparison, plainArrays, 2)}\n`);
      } catch (error) {
        throw new CallFailure('export-failed', `${choice.filePath} cannot be written (${(error as NodeJS.ErrnoException).code ?? String(error)}).`);
      }
      return { saved: true };
    },
  };
}

/** Typed arrays would become objects with numbered keys. */
const plainArrays = (_key: string, value: unknown): unknown => (value instanceof Float32Array ? [...value] : value);
