/** See runtime-source.mjs. */
export function runtimeSource(): { name: string; bytes: Buffer }[];
