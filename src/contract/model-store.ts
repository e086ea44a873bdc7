/** Our extension `fabriclens_store` of the Open Inference Protocol: models sent to a board (agent/README.md). */
import { z } from 'zod';

const Count = z.number().int().nonnegative();
const Sha256 = z.string().regex(/^[0-9a-f]{64}$/);

/** A file of a package, by content. */
export const StoredFile = z.object({ name: z.string(), bytes: Count, sha256: Sha256 });
export type StoredFile = z.infer<typeof StoredFile>;

/** GET v2/store. `package`: SHA-256 of the manifest, which is the JSON of `{files}` without blanks, its keys and the files' names sorted. */
export const ModelStore = z.object({
  /** The longest chunk that is taken. */
  chunk_bytes: z.number().int().positive(),
  /** For packages: less what the board keeps free. */
  free_bytes: Count,
  /** Sent, and of no package yet. */
  pending_bytes: Count,
  models: z.array(z.object({ name: z.string(), package: Sha256, files: z.array(StoredFile) })),
});
export type ModelStore = z.infer<typeof ModelStore>;

/** GET or PUT v2/store/objects/SHA256: how much of that file is there; `whole` when it is verified. */
export const UploadState = z.object({ bytes: Count, whole: z.boolean() });
export type UploadState = z.infer<typeof UploadState>;

/** PUT v2/store/models/NAME. */
export const ActivatedModel = z.object({ name: z.string(), package: Sha256 });
export type ActivatedModel = z.infer<typeof ActivatedModel>;
