/** What the main process asks the review process (a utility process). */
import type { AnonymiseReport } from '../../contract/anonymise.ts';
import type { Request, Response } from '../../contract/ipc.ts';
import type { Imported } from '../../contract/studies.ts';
import type { InstanceSource } from '../../review/index.ts';
import type { LinkSpec } from './board-links.ts';

/** Calls of the page that the review process answers as they are. */
type Forwarded = 'library.get' | 'library.close' | 'library.cancel' | 'studies.search' | 'studies.remove' | 'studies.clear' | 'keyImages.mark' | 'keyImages.get' | 'results.of' | 'results.list' | 'models.list' | 'models.deploy' | 'boards.list' | 'boards.reconnect' | 'compare.run';

/** Calls that only the main process makes: they carry paths, which the page never sees. */
interface InternalCalls {
  /** `ids`: of the images of named files, by path. */
  'library.add': { request: { paths: string[]; ids: Record<string, string> }; response: Imported };
  'library.addSample': { request: Record<string, never>; response: Imported };
  /** The page's, but main notes what is open. */
  'studies.open': { request: Request<'studies.open'>; response: Response<'studies.open'> };
  /** Kept on disk from now on, or in memory: then what was kept is deleted. */
  'studies.remember': { request: { remember: boolean }; response: Record<string, never> };
  'results.text': { request: Request<'results.export'>; response: { text: string } };
  /** The page's, with the folder that main asked for. */
  'anonymise.run': { request: Request<'anonymise.run'> & { folder: string }; response: AnonymiseReport };
  /** The files, or members of ZIP files, behind the ids of all instances of this one's study; none where it is not open. */
  'instance.sources': { request: { id: string }; response: { sources: [id: string, source: InstanceSource][] } };
  /** Which boards there are beside the virtual one; with their secrets. */
  'boards.set': { request: { specs: LinkSpec[]; useVirtual: boolean }; response: Record<string, never> };
  /** So that nobody runs a model whose files go. */
  'models.unload': { request: { id: string }; response: Record<string, never> };
}

export type ReviewCalls = { [N in Forwarded]: { request: Request<N>; response: Response<N> } } & { [N in keyof InternalCalls]: InternalCalls[N] };

/** Where the application lies; handed to a utility process as its only argument, in JSON. See resources.ts. */
export interface AppPlace {
  /** Folder of package.json: the checkout, or app.asar. */
  root: string;
  /** Electron's resources folder of an installed application. */
  resourcesPath?: string;
  /** Model packages of another folder than the application's own. */
  modelsDir?: string;
  /** Folder of the reader's own packages; it is there. */
  userModelsDir: string;
}

export interface ReviewPlace extends AppPlace {
  /** Database of the study list. */
  studiesFile: string;
  /** False: the list is kept in memory. */
  rememberStudies: boolean;
}
