/** A window for the peers in our Electron: sandboxed, without caches, of our size, its page from a scheme as ours is. */
import { readFile } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { app, BrowserWindow, protocol, session } from 'electron';

const TYPES = { '.html': 'text/html', '.js': 'text/javascript', '.wasm': 'application/wasm', '.css': 'text/css' };

app.commandLine.appendSwitch('disable-http-cache');
app.commandLine.appendSwitch('disable-background-networking');
app.setPath('userData', app.commandLine.getSwitchValue('user-data-dir'));
protocol.registerSchemesAsPrivileged([{ scheme: 'bench', privileges: { standard: true, secure: true, supportFetchAPI: true, corsEnabled: true, stream: true } }]);
app.on('window-all-closed', () => app.quit());
void app.whenReady().then(() => {
  const own = session.fromPartition('bench', { cache: false });
  own.protocol.handle('bench', async (request) => {
    const name = new URL(request.url).pathname;
    try {
      return new Response(await readFile(join(app.getAppPath(), 'page', name)), { headers: { 'content-type': TYPES[extname(name)] ?? 'application/octet-stream', 'cache-control': 'no-store' } });
    } catch {
      return new Response('Not found', { status: 404 });
    }
  });
  const window = new BrowserWindow({
    width: 1500, height: 940, backgroundColor: '#0b0d10',
    webPreferences: { session: own, sandbox: true, contextIsolation: true, nodeIntegration: false, spellcheck: false, v8CacheOptions: 'none' },
  });
  void window.loadURL('about:blank');
});
