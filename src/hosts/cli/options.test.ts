import { describe, expect, test } from 'vitest';
import { HELP, parseCommand, SUBCOMMANDS, UsageError } from './options.ts';

describe('parseCommand', () => {
  test('infer with everything', () => {
    expect(parseCommand(['infer', 'a', 'b c', '--engine', 'board,cpu-fp32', '--engine', 'cpu-int8', '--board', '[::1]:8600', '--board-token-file', 't', '--model', 'm', '--models', 'd', '--repeat', '20', '--frame', '3', '--json', '--progress'])).toEqual({
      command: 'infer', paths: ['a', 'b c'], engines: ['board', 'cpu-fp32', 'cpu-int8'], boards: ['[::1]:8600'], boardTokenFile: 't', boardCertificate: undefined, identity: undefined, passwordStdin: false, agentPort: undefined, model: 'm', modelsDir: 'd', repeat: 20, frame: 2, json: true, progress: true,
    });
  });

  test('infer with nothing but a path', () => {
    expect(parseCommand(['infer', 'a'])).toMatchObject({ engines: undefined, boards: [], model: undefined, repeat: 1, frame: 0, json: false, progress: undefined });
    expect(parseCommand(['infer', 'a', '--frame', 'all'])).toMatchObject({ frame: 'all' });
    expect(parseCommand(['infer', '--', '--odd-name.dcm'])).toMatchObject({ paths: ['--odd-name.dcm'] });
  });

  test('anonymise', () => {
    expect(parseCommand(['anonymise', 'a', 'b', '--out', 'o', '--keep-dates', '--json'])).toEqual({ command: 'anonymise', paths: ['a', 'b'], out: 'o', choices: { keepDates: true, keepPatient: false, includeHeld: false }, json: true, progress: undefined });
    expect(parseCommand(['anonymise', 'a', '--out', 'o', '--keep-patient-characteristics', '--include-held'])).toMatchObject({ choices: { keepDates: false, keepPatient: true, includeHeld: true } });
  });

  test('compile', () => {
    expect(parseCommand(['compile', 'm.onnx', '--calibrate', 'd', '--out', 'p', '--metadata', 'x.json', '--method', 'entropy', '--float', 'a,b', '--float', 'c', '--samples', '7', '--pin', '/a/b=PS,c=pl', '--pin', 'x=y=PS', '--ps-only', '--clock', '142.9', '--json'])).toEqual({
      command: 'compile', model: 'm.onnx', calibrate: 'd', out: 'p', metadata: 'x.json', method: 'entropy', float: ['a', 'b', 'c'], samples: 7, pin: { '/a/b': 'PS', c: 'PL', 'x=y': 'PS' }, psOnly: true, clockMHz: 142.9, json: true, progress: undefined,
    });
  });

  test('deploy', () => {
    expect(parseCommand(['deploy', 'p', '--board', '192.168.2.99:8600', '--board-token-file', 't', '--json'])).toEqual({
      command: 'deploy', packageDir: 'p', board: { host: '192.168.2.99', port: 8600 }, boardTokenFile: 't', json: true, progress: undefined,
    });
  });

  test('an agent with TLS is known by its certificate', () => {
    const hash = 'AB'.repeat(32);
    expect(parseCommand(['infer', 'a', '--board', 'x:1', '--board-certificate', hash])).toMatchObject({ boards: ['x:1'], boardCertificate: hash });
    expect(parseCommand(['deploy', 'p', '--board', 'x:1', '--board-certificate', hash.replace(/..(?!$)/g, '$&:')])).toMatchObject({ board: { certificateSha256: `${'AB:'.repeat(31)}AB` } });
  });

  test('board', () => {
    expect(parseCommand(['board', 'install', 'me@pynq:2222', '--identity', 'k', '--bundle', 'b.tar', '--plan', '--password-stdin'])).toMatchObject({ action: 'install', host: 'pynq', port: 2222, user: 'me', identity: 'k', bundle: 'b.tar', plan: true, passwordStdin: true });
    expect(parseCommand(['board', 'trust', '192.168.2.99'])).toMatchObject({ action: 'trust', host: '192.168.2.99', port: 22, user: 'xilinx', fingerprint: undefined });
    expect(parseCommand(['board', 'doctor', 'me@[fe80::1]'])).toMatchObject({ host: 'fe80::1', port: 22, user: 'me' });
    expect(parseCommand(['board', 'doctor', '[fe80::1]:2222'])).toMatchObject({ host: 'fe80::1', port: 2222 });
    expect(parseCommand(['board', 'find', '192.168.1.0/24'])).toMatchObject({ action: 'find', host: '192.168.1.0/24' });
    expect(parseCommand(['board', 'find'])).toMatchObject({ host: undefined });
  });

  test.each([
    [['anonymise', '--out', 'o'], 'at least one file'],
    [['anonymise', 'a'], '--out FOLDER'],
    [['board'], 'board needs one of find, trust'],
    [['board', 'flash', 'x'], 'not "flash"'],
    [['board', 'secure', 'a'], 'at least one of --add-key'],
    [['board', 'trust'], 'takes one HOST'],
    [['board', 'trust', 'a', 'b'], 'takes one HOST'],
    [['board', 'trust', 'a b'], 'HOST:PORT'],
    [['board', 'trust', 'me@a', '--user', 'you'], 'user once'],
    [[], 'Say what to do'],
    [['look'], 'There is no command "look"'],
    [['infer'], 'at least one file'],
    [['infer', 'a', '--engine', 'gpu'], 'There is no engine "gpu". There are cpu-fp32, cpu-int8, board.'],
    [['infer', 'a', '--engine', ','], '--engine needs one or more'],
    [['infer', 'a', '--repeat', '0'], '--repeat takes a number from 1 to 200, not "0"'],
    [['infer', 'a', '--repeat', '1e2'], 'not "1e2"'],
    [['infer', 'a', '--frame', '0'], '--frame takes a frame number from 1, or "all", not "0"'],
    [['deploy', 'p', '--board', 'nowhere'], 'HOST:PORT'],
    [['deploy', 'p', '--board', 'x:99999'], 'HOST:PORT'],
    [['deploy', 'p', '--board', 'x:1', '--board', 'y:1'], 'Name one board'],
    [['infer', 'a', '--nonsense'], '--nonsense'],
    [['infer', 'a', '--board-token-file', 't'], '--board-token-file belongs to --board'],
    [['infer', 'a', '--board-certificate', 'AB'.repeat(32)], '--board-certificate belongs to --board'],
    [['deploy', 'p', '--board', 'x:1', '--board-certificate', 'AB'], '64 hexadecimal digits'],
    [['models', 'x'], '--models DIR'],
    [['compile-program'], 'one model package folder'],
    [['deploy', '--board', 'x:1'], 'deploy needs one model package folder'],
    [['deploy', 'p', 'q', '--board', 'x:1'], 'deploy needs one model package folder'],
    [['deploy', 'p'], '--board HOST:PORT'],
    [['compile', '--calibrate', 'd', '--out', 'o'], 'one ONNX file'],
    [['compile', 'm.onnx', '--out', 'o'], '--calibrate DIR'],
    [['compile', 'm.onnx', '--calibrate', 'd'], '--out PKG'],
    [['compile', 'm.onnx', '--calibrate', 'd', '--out', 'o', '--method', 'mean'], 'There is no method "mean". There are minmax, percentile, entropy.'],
    [['compile', 'm.onnx', '--calibrate', 'd', '--out', 'o', '--samples', '0'], '--samples takes a number from 1 to 10000'],
    [['compile', 'm.onnx', '--calibrate', 'd', '--out', 'o', '--pin', 'conv'], '--pin takes NODE=PL or NODE=PS, not "conv"'],
    [['compile', 'm.onnx', '--calibrate', 'd', '--out', 'o', '--pin', 'conv=GPU'], '--pin takes'],
    [['compile', 'm.onnx', '--calibrate', 'd', '--out', 'o', '--clock', '1000'], '--clock takes 20 to 250 (MHz)'],
  ])('%j is refused with a word on what is wrong', (argv, message) => {
    expect(() => parseCommand(argv)).toThrow(UsageError);
    expect(() => parseCommand(argv)).toThrow(message);
  });

  test('the help names every command and option and fits a terminal', () => {
    for (const word of [...SUBCOMMANDS, '--engine', '--board', '--board-token-file', '--model', '--models', '--repeat', '--frame', '--keep-dates', '--keep-patient-characteristics', '--include-held', '--json', '--progress', '--calibrate', '--out', '--metadata', '--method', '--float', '--samples', '--pin', '--ps-only', '--clock', '--user', '--identity', '--password-stdin', '--fingerprint', '--name', '--add-key', '--new-host-keys', '--services-off', '--bundle', '--root', '--agent-port', '--plan', '--help', '--version']) expect(HELP).toContain(word);
    for (const line of HELP.split('\n')) expect(line.length).toBeLessThanOrEqual(100);
    expect(parseCommand(['infer', '--help'])).toEqual({ command: 'help' });
    expect(parseCommand(['-V'])).toEqual({ command: 'version' });
  });
});
