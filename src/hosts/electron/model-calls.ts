/** The page's calls on model packages: choose files, look at them, make a package, read its report, load it, remove it. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { OpenDialogOptions } from 'electron';
import type { AddModelReport } from '../../contract/report.ts';
import { walkPaths } from '../../review/index.ts';
import type { AdderClient, Progress } from './adder-client.ts';
import { CallFailure } from './failure.ts';
import type { Handlers } from './ipc.ts';
import { readReport, removeModel } from './own-models.ts';
import { PickedFiles } from './picked-files.ts';
import type { ProcessClient } from './process-client.ts';
import type { ReviewCalls } from './review-messages.ts';

type What = 'onnx' | 'metadata' | 'samples';

/** The operating system's dialogs. */
export interface Dialogs {
  /** null: cancelled. */
  open(options: OpenDialogOptions): Promise<string | null>;
  save(name: string): Promise<string | null>;
}

export interface ModelWiring {
  dialogs: Dialogs;
  review: Pick<ProcessClient<ReviewCalls>, 'call'>;
  adder: AdderClient;
  modelsDir: string;
  userModelsDir: string;
  onProgress(progress: Progress): void;
}

const OPEN: Record<What, OpenDialogOptions> = {
  onnx: { properties: ['openFile'], filters: [{ name: 'ONNX', extensions: ['onnx'] }] },
  metadata: { properties: ['openFile'], filters: [{ name: 'JSON', extensions: ['json'] }] },
  samples: { properties: ['openDirectory'] },
};
const MAX_FILES = 20_000;

export function createModelHandlers({ dialogs, review, adder, modelsDir, userModelsDir, onProgress }: ModelWiring): Pick<Handlers, 'models.pick' | 'models.inspect' | 'models.add' | 'models.report' | 'models.exportReport' | 'models.deploy' | 'models.remove'> {
  const picked = new PickedFiles<What>();
  let adding = false;

  const metadataPath = (id: string | null): string | null => (id === null ? null : picked.pathOf(id, 'metadata'));

  const reportOf = async (id: string): Promise<AddModelReport | null> => {
    try {
      return await readReport([modelsDir, userModelsDir], id);
    } catch {
      throw new CallFailure('report-unreadable', `report.json of ${id} is damaged or of another version of FabricLens. Add the model again to have a report.`);
    }
  };

  return {
    'models.pick': async ({ what }) => {
      const path = await dialogs.open(OPEN[what]);
      if (path === null) return { file: null };
      const file = picked.add(what, path);
      return { file: what === 'samples' ? { ...file, files: (await walkPaths([path], MAX_FILES)).files.length } : file };
    },
    'models.inspect': ({ model, metadata }, signal) => adder.run({ kind: 'inspect', model: picked.pathOf(model, 'onnx'), metadata: metadataPath(metadata) }, signal),
    'models.add': async ({ model, metadata, fields, samples, method, limit }, signal) => {
      if (adding) throw new CallFailure('busy', 'A model is being added already; wait for it, or cancel it.');
      adding = true;
      try {
        const { models, problems } = await review.call('models.list', {}, signal);
        const taken = (name: string): boolean => name.toLowerCase() === fields.name.toLowerCase();
        if (models.some(({ id }) => taken(id)) || problems.some(({ name }) => taken(name))) throw new CallFailure('name-taken', `There is a model "${fields.name}" already: give this one another name.`);
        await adder.run({ kind: 'add', model: picked.pathOf(model, 'onnx'), metadata: metadataPath(metadata), samples: picked.pathOf(samples, 'samples'), out: join(userModelsDir, fields.name), fields, method, limit }, signal, onProgress);
        return { id: fields.name };
      } finally {
        adding = false;
      }
    },
    'models.report': async ({ id }) => ({ report: await reportOf(id) }),
    'models.exportReport': async ({ id }) => {
      const report = await reportOf(id);
      if (report === null) throw new CallFailure('no-report', `${id} has no report.`);
      const path = await dialogs.save(`${id}-report.json`);
      if (path === null) return { saved: false };
      try {
        await writeFile(path, `${JSON.stringify(report, null, 1)}\n`);
      } catch (error) {
        throw new CallFailure('export-failed', `${path} cannot be written (${(error as NodeJS.ErrnoException).code ?? String(error)}).`);
      }
      return { saved: true };
    },
    'models.deploy': (request, signal) => review.call('models.deploy', request, signal),
    'models.remove': async ({ id }, signal) => {
      const { models } = await review.call('models.list', {}, signal);
      if (!models.some((model) => model.id === id && model.own)) throw new CallFailure('not-own', `${id} came with FabricLens or is not there any more; only models that you added can be removed.`);
      // A board that cannot be asked has not got it, or will find it gone.
      await review.call('models.unload', { id }, signal).catch(() => {});
      try {
        await removeModel(userModelsDir, id);
      } catch (error) {
        throw new CallFailure('remove-failed', `${id} cannot be removed (${(error as NodeJS.ErrnoException).code ?? String(error)}); close programs that have its files open.`);
      }
      return {};
    },
  };
}
