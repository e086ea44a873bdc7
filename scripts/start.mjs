/** `npm start [-- PATH…]`: set-up, then the window. */
import { spawn } from 'node:child_process';
import { resolve } from 'node:path';
import { SetupError, main } from './lib/log.mjs';
import { ROOT } from './lib/paths.mjs';
import { setUp } from './setup.mjs';

const NO_DISPLAY = `There is no display here (neither DISPLAY nor WAYLAND_DISPLAY is set), so the window cannot open.
  With a virtual display:    apt-get install -y xvfb xauth   then   xvfb-run -a npm start
  On the command line:       npx fabriclens --help`;

await main(async () => {
  const display = process.platform !== 'linux' || Boolean(process.env.DISPLAY || process.env.WAYLAND_DISPLAY);
  // Set-up is done either way: it is the long part, and what is offered needs it too.
  const runtime = await setUp('start');
  if (!display) throw new SetupError(NO_DISPLAY);
  const paths = process.argv.slice(2).map((path) => resolve(process.env.INIT_CWD ?? process.cwd(), path));
  // Chromium's sandbox does not run as root.
  const root = process.getuid?.() === 0 ? ['--no-sandbox'] : [];
  const env = { ...process.env };
  delete env.ELECTRON_RUN_AS_NODE;
  const child = spawn(runtime.path, [...root, ROOT, ...paths], { stdio: 'inherit', env });
  for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => child.kill(signal));
  return new Promise((done, fail) => {
    child.on('error', fail);
    child.on('exit', (code, signal) => done(signal ? 1 : (code ?? 1)));
  });
});
