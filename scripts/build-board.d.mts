/** See build-board.mjs. */
export function boardFiles(runtime: Uint8Array): { name: string; bytes: Uint8Array; executable?: boolean }[];
