/** See build-board.mjs. */
export function boardFiles(libraries: readonly { name: string; bytes: Uint8Array }[]): { name: string; bytes: Uint8Array; executable?: boolean }[];
