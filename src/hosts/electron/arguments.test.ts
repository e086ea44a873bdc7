import { describe, expect, test } from 'vitest';
import { parseLaunch } from './arguments.ts';

const packaged = { defaultApp: false, folder: '/home/reader', subcommands: ['infer', 'models'] };
const development = { ...packaged, defaultApp: true };

describe('what the command line asks for', () => {
  test('nothing is an empty window', () => {
    expect(parseLaunch(['fabriclens'], packaged)).toEqual({ cli: null, paths: [] });
    expect(parseLaunch(['electron', '--inspect=0', '--no-sandbox', '/checkout'], development)).toEqual({ cli: null, paths: [] });
  });
  test('files and folders, absolute, without switches and the application’s own folder', () => {
    expect(parseLaunch(['fabriclens', '--no-sandbox', 'a.dcm', '/data/study', ''], packaged)).toEqual({ cli: null, paths: ['/home/reader/a.dcm', '/data/study'] });
    expect(parseLaunch(['electron', '--no-sandbox', '/checkout', 'a.dcm'], development)).toEqual({ cli: null, paths: ['/home/reader/a.dcm'] });
  });
  test('a subcommand takes the rest, its switches included', () => {
    expect(parseLaunch(['fabriclens', '--no-sandbox', 'infer', 'a.dcm', '--json'], packaged).cli).toEqual(['infer', 'a.dcm', '--json']);
    expect(parseLaunch(['electron', '/checkout', 'models'], development).cli).toEqual(['models']);
  });
  test.each(['--help', '-h', '--version'])('%s is the command line', (word) => {
    expect(parseLaunch(['fabriclens', '--no-sandbox', word], packaged).cli).toEqual([word]);
  });
  test('a file named like a subcommand can still be opened', () => {
    expect(parseLaunch(['fabriclens', './infer'], packaged)).toEqual({ cli: null, paths: ['/home/reader/infer'] });
  });
});
