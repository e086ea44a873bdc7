/** Files and folders that the reader chose in dialogs: the page has their ids and names, their paths stay here. */
import { randomUUID } from 'node:crypto';
import { basename } from 'node:path';
import type { PickedFile } from '../../contract/ipc.ts';
import { CallFailure } from './failure.ts';

export class PickedFiles<What extends string> {
  readonly #paths = new Map<string, { what: What; path: string }>();

  add(what: What, path: string): PickedFile {
    const id = randomUUID();
    this.#paths.set(id, { what, path });
    return { id, name: basename(path) };
  }

  /** @throws CallFailure where nothing of that kind was chosen under that id */
  pathOf(id: string, what: What): string {
    const found = this.#paths.get(id);
    if (found?.what !== what) throw new CallFailure('unknown-file', 'This file was not chosen here: choose it again.');
    return found.path;
  }
}
