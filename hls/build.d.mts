/** See build.mjs. */
export function build(
  name?: 'runtime' | 'driver' | 'driver-sanitized' | 'driver-baseline' | 'memory-check',
  options?: { log?: (line: string) => void },
): Promise<string>;
