/** Images that a reader marked, in the order of marking: by SOP Instance UID and frame, so that they outlive the place of the file. */
import type { Database } from './database.ts';
import type { Pictured } from './records.ts';
import { listKeyOf } from './study-index.ts';

export interface KeptKeyImage {
  sopInstanceUid: string;
  /** From 0. */
  frame: number;
}

export class KeyImages {
  readonly #db: Database;

  constructor(db: Database) {
    this.#db = db;
  }

  /** Nothing is kept of an image without a SOP Instance UID, or of a study that is not on the list. */
  mark({ entry, frame }: Pictured, on: boolean): void {
    const { sopInstanceUid, id } = entry.instance;
    const study = this.#db.get<{ id: number }>('SELECT id FROM studies WHERE uid = ?', listKeyOf(entry));
    if (!study || sopInstanceUid === id) return;
    if (on) this.#db.run('INSERT OR IGNORE INTO key_images (study, sop_uid, frame) VALUES (?, ?, ?)', study.id, sopInstanceUid, frame);
    else this.#db.run('DELETE FROM key_images WHERE sop_uid = ? AND frame = ?', sopInstanceUid, frame);
  }

  all(): KeptKeyImage[] {
    return this.#db.all<KeptKeyImage>('SELECT sop_uid AS sopInstanceUid, frame FROM key_images ORDER BY id');
  }
}
