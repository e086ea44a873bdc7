import { execFileSync } from 'node:child_process';
import { beforeAll, describe, expect, it } from 'vitest';
import { build } from '../build.mjs';
import { BUILD_TIMEOUT } from '../tests/golden.ts';

/** What memory_check.cpp says of each of its scenarios. */
const said = new Map<string, string>();
beforeAll(async () => {
  const text = execFileSync(await build('memory-check'), { encoding: 'utf8' });
  for (const line of text.trimEnd().split('\n')) said.set(line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 2).trimEnd());
}, BUILD_TIMEOUT);

describe('the simulated memory', () => {
  it('answers after its latency, both ports and directions through one server', () => {
    // 100 MHz, 1.0 GB/s, 400 ns: 12.8 cycles a burst of 16 beats, of which the first is there after 40.8.
    expect(said.get('a read')).toBe('10 1f last cycles 41-56');
    expect(said.get('two reads share the server')).toBe('10 1f last cycles 57-72');
    expect(said.get('eight reads and no more')).toBe('ready 0');
  });

  it('writes what is strobed, when the response is taken', () => {
    expect(said.get('a write is there after its response')).toBe('1 response 0 6465 idle 1');
    expect(said.get('data before its address')).toBe('response 0 66');
    expect(said.get('strobes')).toBe('0 22 0 0 0 0 77 0');
  });

  it('answers errors where asked to, and beside what is mapped', () => {
    expect(said.get('a read outside')).toBe('d0!3 d0 last cycles 42-44 unmapped 1');
    expect(said.get('an injected read error')).toBe('0 last cycles 44-44, 1!2 last cycles 47-47');
    expect(said.get('an injected write error')).toBe('response 0, response 3');
  });

  it('keeps what it shows until it is taken, however it stalls', () => {
    expect(said.get('stalls keep what is shown')).toBe('idle 1');
  });

  it.each([
    ['valid falls', 'valid fell before it was taken'],
    ['the address changes', 'its payload changed while it waited'],
    ['the data changes', 'its payload changed while it waited'],
    ['across 4 KB', '16 beats from 0x00001f88 on cross 4 KB'],
    ['an odd address', 'is not a multiple of 8'],
    ['a burst of 17', 'a burst of 17 beats'],
    ['WLAST early', 'WLAST is 1 on beat 3 of 4'],
    ['WLAST late', 'WLAST is 0 on beat 4 of 4'],
    ['WLAST early, before the address', 'announces 4 beats after 3 of data'],
    ['data that nothing announced', 'idle 0'],
  ])('notices a breach of AXI: %s', (scenario, text) => {
    expect(said.get(scenario)).toContain(text);
  });
});
