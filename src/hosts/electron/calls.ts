/** What answers the page's calls: the main process itself where a dialog or its settings are needed, the review process otherwise. */
import { randomUUID } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { dialog, type BrowserWindow, type FileFilter, type OpenDialogOptions } from 'electron';
import type { Library } from '../../contract/dicom.ts';
import type { AppInfo, Response } from '../../contract/ipc.ts';
import type { Imported } from '../../contract/studies.ts';
import { csv } from '../../review/csv.ts';
import { exportComparison } from '../../review/export.ts';
import { measurementsCsv } from '../../review/measurements.ts';
import type { AdderClient, Progress } from './adder-client.ts';
import type { BoardCalls } from './board-calls.ts';
import { CallFailure } from './failure.ts';
import type { Handlers } from './ipc.ts';
import { createModelHandlers, type Dialogs } from './model-calls.ts';
import type { ProcessClient } from './process-client.ts';
import type { ReviewCalls } from './review-messages.ts';
import type { SettingsFile } from './settings.ts';

export interface Wiring {
  window: BrowserWindow;
  settings: SettingsFile;
  review: ProcessClient<ReviewCalls>;
  adder: AdderClient;
  boards: BoardCalls;
  dialogs: Dialogs;
  modelsDir: string;
  userModelsDir: string;
  /** Of the model that is being added. */
  onModelProgress(progress: Progress): void;
  openPaths(paths: string[], signal?: AbortSignal): Promise<Imported>;
  openStudy(uid: string, signal: AbortSignal): Promise<Response<'studies.open'>>;
  /** The list is kept on disk from now on, or is not. */
  keepStudies(on: boolean): Promise<void>;
  info(): AppInfo;
  localeChanged(): void;
}

const OPEN: Record<'files' | 'folder', OpenDialogOptions> = {
  // No filter: DICOM files often have no extension.
  files: { properties: ['openFile', 'multiSelections'] },
  folder: { properties: ['openDirectory', 'multiSelections'] },
};

export function createHandlers({ window, settings, review, adder, boards, dialogs, modelsDir, userModelsDir, onModelProgress, openPaths, openStudy, keepStudies, info, localeChanged }: Wiring): Handlers {
  // Kept when a study is closed or the review process was started again: what has been computed can still be exported.
  const sopInstanceUids = new Map<string, string>();
  const remember = ({ studies }: Library): void => {
    for (const { series } of studies) for (const { instances } of series) for (const { id, sopInstanceUid } of instances) sopInstanceUids.set(id, sopInstanceUid);
  };
  review.on((name, payload) => {
    if (name === 'library.changed') remember(payload as Library);
  });

  /** Asks where to, and writes. @returns whether it was written */
  const save = async (name: string, filter: FileFilter, text: string | Buffer): Promise<boolean> => {
    const choice = await dialog.showSaveDialog(window, { defaultPath: name, filters: [filter] });
    if (choice.canceled || choice.filePath === '') return false;
    try {
      await writeFile(choice.filePath, text);
    } catch (error) {
      throw new CallFailure('export-failed', `${choice.filePath} cannot be written (${(error as NodeJS.ErrnoException).code ?? String(error)}).`);
    }
    return true;
  };

  let captured: { id: string; format: 'png' | 'jpeg'; bytes: Buffer } | null = null;

  return {
    ...createModelHandlers({ review, adder, modelsDir, userModelsDir, onProgress: onModelProgress, dialogs }),
    ...boards.handlers,
    'app.info': async () => info(),
    'settings.set': async (change) => {
      const before = settings.get();
      // Only what is given: an absent key must not become an undefined one.
      const given = Object.fromEntries(Object.entries(change).filter(([, value]) => value !== undefined));
      const now = settings.set(given);
      if (now.locale !== before.locale) localeChanged();
      if (now.rememberStudies !== before.rememberStudies) await keepStudies(now.rememberStudies);
      return now;
    },
    'library.open': async ({ source }, signal) => {
      if (source === 'sample') return review.call('library.addSample', {}, signal);
      const choice = await dialog.showOpenDialog(window, OPEN[source]);
      return choice.canceled || choice.filePaths.length === 0 ? { opened: 0, images: 0, copies: 0 } : openPaths(choice.filePaths, signal);
    },
    'library.get': (request, signal) => review.call('library.get', request, signal),
    'library.close': (request, signal) => review.call('library.close', request, signal),
    'library.cancel': (request, signal) => review.call('library.cancel', request, signal),
    'studies.search': (request, signal) => review.call('studies.search', request, signal),
    'studies.open': ({ uid }, signal) => openStudy(uid, signal),
    'studies.remove': (request, signal) => review.call('studies.remove', request, signal),
    'studies.clear': (request, signal) => review.call('studies.clear', request, signal),
    'results.of': (request, signal) => review.call('results.of', request, signal),
    'results.list': (request, signal) => review.call('results.list', request, signal),
    'results.export': async (request, signal) => {
      const { text } = await review.call('results.text', request, signal);
      const { format } = request;
      return { saved: await save(`results.${format}`, { name: format.toUpperCase(), extensions: [format] }, text) };
    },
    'models.list': (request, signal) => review.call('models.list', request, signal),
    'boards.list': (request, signal) => review.call('boards.list', request, signal),
    'boards.exportDoctor': async ({ report }) => ({ saved: await save('board.json', { name: 'JSON', extensions: ['json'] }, `${JSON.stringify(report, null, 2)}\n`) }),
    'compare.run': (request, signal) => review.call('compare.run', request, signal),
    'measurements.export': async ({ rows }) => {
      // Of an image that was closed meanwhile there may be none.
      const known = rows.filter(({ instanceId }) => sopInstanceUids.has(instanceId));
      return { saved: await save('measurements.csv', { name: 'CSV', extensions: ['csv'] }, measurementsCsv(known, (id) => sopInstanceUids.get(id)!)) };
    },
    'image.capture': async ({ rect, format }) => {
      const picture = await window.webContents.capturePage({ x: Math.round(rect.x), y: Math.round(rect.y), width: Math.round(rect.width), height: Math.round(rect.height) });
      if (picture.isEmpty()) throw new CallFailure('export-failed', 'The window gave no picture; bring it to the front and try again.');
      captured = { id: randomUUID(), format, bytes: format === 'png' ? picture.toPNG() : picture.toJPEG(92) };
      return { id: captured.id };
    },
    'image.save': async ({ id }) => {
      if (captured?.id !== id) throw new CallFailure('unknown-picture', 'This picture is not held any more; export it again.');
      const { format, bytes } = captured;
      captured = null;
      const extension = format === 'png' ? 'png' : 'jpg';
      return { saved: await save(`image.${extension}`, { name: format.toUpperCase(), extensions: [extension] }, bytes) };
    },
    'keyImages.mark': (request, signal) => review.call('keyImages.mark', request, signal),
    'keyImages.get': (request, signal) => review.call('keyImages.get', request, signal),
    'keyImages.export': async ({ images }) => {
      const rows = images.flatMap(({ instanceId, frame }) => (sopInstanceUids.has(instanceId) ? [[sopInstanceUids.get(instanceId)!, frame + 1]] : []));
      return { saved: await save('key-images.csv', { name: 'CSV', extensions: ['csv'] }, csv(['sop_instance_uid', 'frame'], rows)) };
    },
    'anonymise.run': async ({ instanceIds, choices }, signal) => {
      const choice = await dialog.showOpenDialog(window, { properties: ['openDirectory', 'createDirectory', 'promptToCreate'] });
      const [folder] = choice.filePaths;
      return { report: choice.canceled || folder === undefined ? null : await review.call('anonymise.run', { folder, instanceIds, choices }, signal) };
    },
    'window.fullScreen': async () => {
      const full = !window.isFullScreen();
      window.setFullScreen(full);
      window.setMenuBarVisibility(!full);
      return {};
    },
    'compare.export': async ({ comparison }, signal) => {
      const sopInstanceUid = sopInstanceUids.get(comparison.instanceId);
      if (sopInstanceUid === undefined) throw new CallFailure('unknown-instance', 'This comparison belongs to no image that was opened here.');
      const { models } = await review.call('models.list', {}, signal);
      const labels = models.find(({ id }) => id === comparison.model)?.metadata.fabriclens.labels;
      if (!labels) throw new CallFailure('unknown-model', `The model ${comparison.model} of this comparison is not installed any more; its classes cannot be named.`);
      return { saved: await save('comparison.json', { name: 'JSON', extensions: ['json'] }, `${JSON.stringify(exportComparison(comparison, sopInstanceUid, labels.map(({ name }) => name)), null, 2)}\n`) };
    },
  };
}
