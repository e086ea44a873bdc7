/** See build.mjs. host: this computer; armhf: the board's processor, by a cross compiler. */
export type Machine = 'host' | 'armhf';
export function build(
  name?: 'runtime' | 'ort-op' | 'ort-host' | 'driver' | 'driver-sanitized' | 'counter' | 'driver-baseline' | 'memory-check' | 'schedule-driver' | 'schedule-driver-sanitized',
  options?: { log?: (line: string) => void; machine?: Machine },
): Promise<string>;
export function runtimeSources(): { files: string[]; sources: string[]; flags: string[]; boardFlags: string[] };
