/** See tar.mjs. */
export function tar(files: readonly { name: string; bytes: Uint8Array; executable?: boolean }[]): Buffer;
