/** See build.mjs. */
export function build(
  name?: 'runtime' | 'driver' | 'driver-sanitized' | 'counter' | 'driver-baseline' | 'memory-check' | 'schedule-driver' | 'schedule-driver-sanitized',
  options?: { log?: (line: string) => void },
): Promise<string>;
