/** See sources.mjs. */
export const SOURCES: string[];
export const DRIVER: string[];
export function buildBoard(options?: { asserts?: boolean; log?: (line: string) => void }): Promise<string>;
