/** What the page must not be able to do. */
import { spawnSync } from 'node:child_process';
import { chmodSync, chownSync, copyFileSync, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { ROOT } from '../support/data.ts';
import { electronExecutable, launch, withApp } from './app.ts';

describe('the page is confined', () => {
  const app = withApp({ args: [join(ROOT, 'models/samples')] });

  test('sandboxed, isolated, without Node, its web security on', async () => {
    const { app: electron, page } = app();
    const preferences = await electron.evaluate(({ BrowserWindow }) => {
      const contents = BrowserWindow.getAllWindows()[0]!.webContents as Electron.WebContents & { getLastWebPreferences(): Electron.WebPreferences };
      const { sandbox, contextIsolation, nodeIntegration, webSecurity, webviewTag } = contents.getLastWebPreferences();
      return { sandbox, contextIsolation, nodeIntegration, webSecurity, webviewTag };
    });
    expect(preferences).toEqual({ sandbox: true, contextIsolation: true, nodeIntegration: false, webSecurity: true, webviewTag: false });
    const globals = await page.evaluate(() => ['require', 'process', 'module', 'global', 'Buffer', '__dirname', 'electron', 'ipcRenderer'].filter((name) => name in globalThis));
    expect(globals).toEqual([]);
    expect(await page.evaluate(() => Object.keys((window as unknown as { fabriclensHost: object }).fabriclensHost).sort())).toEqual(['call', 'cancel', 'on', 'openDropped']);
    expect(await page.evaluate(() => Object.keys(window.fabriclens).sort())).toEqual(['call', 'on', 'openDropped']);
  });

  test('the policy is strict, its nonce is fresh, and it bites', async () => {
    const { page } = app();
    const read = (): Promise<string> => page.evaluate(async () => (await fetch('app://ui/')).headers.get('content-security-policy') ?? '');
    const [first, second] = [await read(), await read()];
    expect(first).toContain("default-src 'none'");
    expect(first).not.toContain("'unsafe-inline'");
    expect(first).not.toContain("'unsafe-eval'");
    const nonce = (policy: string): string => /'nonce-([^']+)'/.exec(policy)![1]!;
    expect(nonce(first)).not.toBe(nonce(second));
    expect(await page.content()).not.toContain('__CSP_NONCE__');
    expect(await page.evaluate(() => {
      const script = document.createElement('script');
      script.textContent = 'window.injected = true';
      document.head.append(script);
      return 'injected' in window;
    })).toBe(false);
    // In a task of the page's own: what the debugger itself evaluates is exempt.
    expect(await page.evaluate(() => new Promise((resolve) => {
      setTimeout(() => {
        try {
          resolve(String(new Function('return 1 + 1')()));
        } catch (error) {
          resolve((error as Error).name);
        }
      });
    }))).toBe('EvalError');
  });

  test('nothing can be fetched from the network', async () => {
    let asked = 0;
    const server = createServer((_request, response) => {
      asked++;
      response.setHeader('access-control-allow-origin', '*').end('hello');
    }).listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
    const outcome = await app().page.evaluate(async (target) => {
      const image = new Promise((resolve) => {
        const element = new Image();
        element.onload = () => resolve('loaded');
        element.onerror = () => resolve('blocked');
        element.src = target;
      });
      return [await fetch(target).then(() => 'fetched', () => 'blocked'), await image];
    }, url);
    server.close();
    expect(outcome).toEqual(['blocked', 'blocked']);
    expect(asked).toBe(0);
  });

  test('navigation, popups, frames and downloads are denied', async () => {
    const { app: electron, page } = app();
    // Heard after the application's own listeners: what each came to.
    await electron.evaluate(({ webContents }) => {
      const [contents] = webContents.getAllWebContents();
      const denied: Record<string, boolean> = {};
      Object.assign(globalThis, { denied });
      contents!.on('will-frame-navigate', (event) => void (denied[event.url] = event.defaultPrevented));
      contents!.session.on('will-download', (event, item) => void (denied[item.getFilename()] = event.defaultPrevented));
    });
    const deniedOf = (): Promise<object> => electron.evaluate(() => (globalThis as unknown as { denied: object }).denied);
    // One after another: a navigation that has not begun is given up for the next.
    for (const url of ['https://example.org/', 'app://instance/x']) {
      await page.evaluate((to) => void (location.href = to), url);
      await expect.poll(deniedOf, { timeout: 20_000 }).toHaveProperty([url], true);
    }
    expect(await page.evaluate(() => window.open('https://example.org/'))).toBeNull();
    expect(await page.evaluate(() => window.open('app://ui/'))).toBeNull();
    await page.evaluate(() => {
      const link = document.createElement('a');
      link.href = 'data:text/plain,x';
      link.download = 'x.txt';
      document.body.append(link);
      link.click();
      link.remove();
    });
    await expect.poll(deniedOf, { timeout: 20_000 }).toHaveProperty(['x.txt'], true);
    expect(page.url()).toBe('app://ui/');
    expect(await electron.evaluate(({ BrowserWindow, webContents }) => [BrowserWindow.getAllWindows().length, webContents.getAllWebContents().length])).toEqual([1, 1]);
    const framed = await page.evaluate(() => new Promise((resolve) => {
      document.addEventListener('securitypolicyviolation', (event) => resolve(event.effectiveDirective), { once: true });
      const frame = document.createElement('iframe');
      frame.src = 'app://ui/';
      document.body.append(frame);
      setTimeout(() => resolve('framed'), 3_000);
    }));
    expect(framed).toBe('frame-src');
  });

  test('permissions are denied', async () => {
    const { page } = app();
    const states = await page.evaluate(async () => {
      const names = ['geolocation', 'notifications', 'midi', 'clipboard-read'] as PermissionName[];
      const asked = await Promise.all(names.map(async (name) => (await navigator.permissions.query({ name })).state));
      const media = await navigator.mediaDevices.getUserMedia({ audio: true }).then(() => 'granted', () => 'denied');
      return [...asked, await Notification.requestPermission(), media];
    });
    expect(states).toEqual(['denied', 'denied', 'denied', 'denied', 'denied', 'denied']);
  });

  test('app: serves the page and opened files, and nothing else', async () => {
    const statuses = await app().page.evaluate(async () => {
      const status = (url: string, init?: RequestInit): Promise<number | string> => fetch(url, init).then((r) => r.status, () => 'refused');
      return {
        page: await status('app://ui/index.html'),
        above: await status('app://ui/../package.json'),
        encoded: await status('app://ui/%2e%2e/%2e%2e/package.json'),
        slash: await status('app://ui/..%2f..%2fpackage.json'),
        backslash: await status('app://ui/..%5c..%5cpackage.json'),
        absolute: await status('app://ui//etc/passwd'),
        nul: await status('app://ui/index.html%00.js'),
        badEscape: await status('app://ui/%zz'),
        unknownInstance: await status('app://instance/nothing'),
        pathAsInstance: await status(`app://instance/${encodeURIComponent('/etc/passwd')}`),
        otherHost: await status('app://other/index.html'),
        post: await status('app://ui/index.html', { method: 'POST' }),
        file: await status('file:///etc/passwd'),
      };
    });
    const { page, ...others } = statuses;
    expect(page).toBe(200);
    for (const [name, status] of Object.entries(others)) expect([404, 405, 'refused'], `${name}: ${status}`).toContain(status);
  });

  test('a call that is unknown, malformed or holds a path is refused', async () => {
    const outcomes = await app().page.evaluate(async () => {
      const attempt = (name: string, request: unknown): Promise<string> =>
        (window.fabriclens.call as (name: string, request: unknown) => Promise<unknown>)(name, request).then(() => 'answered', (error: Error) => error.name);
      return {
        unknown: await attempt('library.add', { paths: ['/etc/passwd'] }),
        inherited: await attempt('constructor', {}),
        internal: await attempt('instance.sources', { id: 'x' }),
        malformed: await attempt('settings.set', { repeats: 'many' }),
        missing: await attempt('library.close', null),
        source: await attempt('library.open', { source: '/etc' }),
      };
    });
    expect(outcomes).toEqual({ unknown: 'unknown-call', inherited: 'unknown-call', internal: 'unknown-call', malformed: 'invalid-request', missing: 'invalid-request', source: 'invalid-request' });
  });

  test('a file that the page made up is no dropped file', async () => {
    expect(await app().page.evaluate(() => window.fabriclens.openDropped([{ id: crypto.randomUUID(), file: new File(['x'], '/etc/passwd') }]))).toEqual({ opened: 0, images: 0, copies: 0 });
  });

  test('an abort signal reaches the host, and the error keeps its name', async () => {
    const name = await app().page.evaluate(async () => {
      const { studies } = await window.fabriclens.call('library.get', {});
      const instanceId = studies[0]!.series[0]!.instances[0]!.id;
      const { models } = await window.fabriclens.call('models.list', {});
      const controller = new AbortController();
      window.fabriclens.on('compare.progress', () => controller.abort());
      const comparison = await window.fabriclens
        .call('compare.run', { instanceId, frame: 0, model: models[0]!.id, engines: ['cpu-fp32'], repeats: 200 }, controller.signal)
        .catch((error: Error) => error.name);
      if (typeof comparison === 'string') return comparison;
      const run = comparison.runs[0]!;
      return run.state === 'failed' ? run.code : run.repeats < 200 ? 'cancelled' : 'ran on';
    });
    expect(name).toBe('cancelled');
  });
});

/** Why Chromium's sandbox cannot be tried here; '' when it can. */
function sandboxObstacle(): string {
  if (process.platform !== 'linux') return 'only tried on Linux';
  if (process.getuid?.() !== 0) return '';
  if (spawnSync('setpriv', ['--reuid=65534', '--regid=65534', '--clear-groups', 'test', '-r', join(ROOT, 'package.json')]).status !== 0) return 'an ordinary user cannot read this checkout';
  if (spawnSync('setpriv', ['--reuid=65534', '--regid=65534', '--clear-groups', 'unshare', '--user', 'true']).status !== 0) return 'this machine gives ordinary users no user namespaces';
  return '';
}

const obstacle = sandboxObstacle();
if (obstacle !== '') console.log(`Chromium's sandbox is not tried: ${obstacle}.`);

describe.skipIf(obstacle !== '')('as an ordinary user', () => {
  test("Chromium's sandbox is on and the page works", async () => {
    const home = mkdtempSync(join(tmpdir(), 'fabriclens-nobody-'));
    const asRoot = process.getuid?.() === 0;
    const env: Record<string, string> = { HOME: home, XDG_RUNTIME_DIR: home, TMPDIR: home };
    let executable = electronExecutable();
    if (asRoot) {
      const authority = process.env['XAUTHORITY'];
      if (authority !== undefined && existsSync(authority)) {
        env['XAUTHORITY'] = join(home, 'Xauthority');
        copyFileSync(authority, env['XAUTHORITY']);
        chownSync(env['XAUTHORITY'], 65534, 65534);
      }
      chownSync(home, 65534, 65534);
      const wrapper = join(home, 'electron');
      writeFileSync(wrapper, `#!/bin/sh\nexec setpriv --reuid=65534 --regid=65534 --clear-groups '${executable}' "$@" '${ROOT}'\n`);
      chmodSync(wrapper, 0o755);
      executable = wrapper;
    }
    const launched = await launch({ executable, userData: home, env, noSandbox: false, ...(asRoot ? {} : { args: [ROOT] }) });
    try {
      const info = await launched.page.evaluate(() => window.fabriclens.call('app.info', {}));
      expect(info.sandboxOff).toBe(false);
      const sandboxed = await launched.app.evaluate(({ app }) => app.getAppMetrics().filter((m) => m.type === 'Tab').map((m) => m.pid));
      expect(sandboxed).toHaveLength(1);
      // A renderer in the sandbox has a seccomp filter of its own (mode 2).
      const { readFileSync } = await import('node:fs');
      expect(readFileSync(`/proc/${sandboxed[0]}/status`, 'utf8')).toMatch(/^Seccomp:\t2$/m);
      await launched.page.getByText('Not for diagnostic use').first().waitFor();
    } finally {
      await launched.close();
      rmSync(home, { recursive: true, force: true });
    }
  });
});
