import { describe, expect, test } from 'vitest';
import { ByteCache } from './byteCache.ts';

describe('a cache bounded by bytes', () => {
  test('drops what was used longest ago', () => {
    const cache = new ByteCache<string, number>(100);
    cache.set('a', 1, 40);
    cache.set('b', 2, 40);
    expect(cache.get('a')).toBe(1);
    cache.set('c', 3, 40);
    expect([cache.has('a'), cache.has('b'), cache.has('c')]).toEqual([true, false, true]);
    expect(cache.bytes).toBe(80);
  });

  test('an entry set again counts once', () => {
    const cache = new ByteCache<string, number>(100);
    cache.set('a', 1, 60);
    cache.set('a', 2, 70);
    expect([cache.get('a'), cache.bytes]).toEqual([2, 70]);
  });

  test('one that is larger than all is kept alone', () => {
    const cache = new ByteCache<string, number>(100);
    cache.set('a', 1, 60);
    cache.set('big', 2, 500);
    expect([cache.has('a'), cache.get('big'), cache.bytes]).toEqual([false, 2, 500]);
    cache.set('b', 3, 10);
    expect([cache.has('big'), cache.bytes]).toEqual([false, 10]);
  });

  test('clearing frees everything', () => {
    const cache = new ByteCache<string, number>(100);
    cache.set('a', 1, 60);
    cache.clear();
    expect([cache.get('a'), cache.bytes]).toEqual([undefined, 0]);
  });
});
