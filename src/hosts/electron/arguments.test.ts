import { describe, expect, test } from 'vitest';
import { parseLaunch } from './arguments.ts';

const packaged = { defaultApp: false, folder: '/home/reader', subcommands: ['infer', 'models'] };
const development = { ...packaged, defaultApp: true };

describe('what the command line asks for', () => {
  test('nothing is an empty window', () => {
    expect(parseLaunch(['fabriclens'], packaged)).toEqual({ cli: null, paths: [], modelsDir: undefined, boards: {} });
    expect(parseLaunch(['electron', '--inspect=0', '--no-sandbox', '/checkout'], development)).toEqual({ cli: null, paths: [], modelsDir: undefined, boards: {} });
  });
  test('files and folders, absolute, without switches and the application’s own folder', () => {
    expect(parseLaunch(['fabriclens', '--no-sandbox', 'a.dcm', '/data/study', ''], packaged)).toEqual({ cli: null, paths: ['/home/reader/a.dcm', '/data/study'], modelsDir: undefined, boards: {} });
    expect(parseLaunch(['electron', '--no-sandbox', '/checkout', 'a.dcm'], development)).toEqual({ cli: null, paths: ['/home/reader/a.dcm'], modelsDir: undefined, boards: {} });
  });
  test.each([['--models', 'mine'], ['--models=mine']])('model packages of another folder (%s)', (...words) => {
    expect(parseLaunch(['electron', '/checkout', ...words, 'a.dcm'], development)).toEqual({ cli: null, paths: ['/home/reader/a.dcm'], modelsDir: '/home/reader/mine', boards: {} });
    expect(parseLaunch(['fabriclens', 'infer', 'a.dcm', ...words], packaged).cli).toEqual(['infer', 'a.dcm', ...words]);
  });
  test('a trial of a board under a folder of it', () => {
    expect(parseLaunch(['fabriclens', '--board-root', '/tmp/trial', '--board-agent-port=8601', 'a.dcm'], packaged)).toMatchObject({ paths: ['/home/reader/a.dcm'], boards: { boardRoot: '/tmp/trial', agentPort: 8601 } });
    expect(parseLaunch(['fabriclens', '--board-root=trial', '--board-agent-port', 'x'], packaged).boards).toEqual({});
  });
  test('a subcommand takes the rest, its switches included', () => {
    expect(parseLaunch(['fabriclens', '--no-sandbox', 'infer', 'a.dcm', '--json'], packaged).cli).toEqual(['infer', 'a.dcm', '--json']);
    expect(parseLaunch(['electron', '/checkout', 'models'], development).cli).toEqual(['models']);
  });
  test.each(['--help', '-h', '--version'])('%s is the command line', (word) => {
    expect(parseLaunch(['fabriclens', '--no-sandbox', word], packaged).cli).toEqual([word]);
  });
  test('a file named like a subcommand can still be opened', () => {
    expect(parseLaunch(['fabriclens', './infer'], packaged)).toEqual({ cli: null, paths: ['/home/reader/infer'], modelsDir: undefined, boards: {} });
  });
});
