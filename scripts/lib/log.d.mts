/** See log.mjs. */
export function say(text: string): void;
export function step<T>(label: string, work: () => Promise<T>): Promise<T>;
