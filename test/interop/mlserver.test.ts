/** Our client against a server of others: MLServer from PyPI, which has neither the binary extension nor any of ours. */
import { spawn } from 'node:child_process';
import { createServer, type AddressInfo, type Server } from 'node:net';
import { join } from 'node:path';
import { expect, test, vi } from 'vitest';
import { OipClient } from '../../src/board/client.ts';
import { environment } from './venv.ts';

const python = await environment('mlserver.txt');
if ('unreachable' in python) console.log(`PyPI cannot be reached (${python.unreachable}): MLServer is not tried.`);

/** Three ports that nobody has now. */
async function freePorts(): Promise<number[]> {
  const servers = await Promise.all([0, 1, 2].map(() => new Promise<Server>((done) => {
    const server = createServer().listen(0, '127.0.0.1', () => done(server));
  })));
  const ports = servers.map((server) => (server.address() as AddressInfo).port);
  await Promise.all(servers.map((server) => new Promise((done) => server.close(done))));
  return ports;
}

test.skipIf('unreachable' in python)('MLServer: health, metadata, infer as JSON, an absent model', { timeout: 300_000 }, async () => {
  const [http = 0, grpc, metrics] = await freePorts();
  const settings = { MLSERVER_HOST: '127.0.0.1', MLSERVER_HTTP_PORT: `${http}`, MLSERVER_GRPC_PORT: `${grpc}`, MLSERVER_METRICS_PORT: `${metrics}`, MLSERVER_PARALLEL_WORKERS: '0', MLSERVER_DEBUG: 'false' };
  const folder = join(import.meta.dirname, 'mlserver');
  const bin = 'folder' in python ? join(python.folder, 'bin/mlserver') : '';
  const child = spawn(bin, ['start', folder], { env: { ...process.env, ...settings, PYTHONPATH: folder, PYTHONDONTWRITEBYTECODE: '1' }, stdio: ['ignore', 'pipe', 'pipe'], timeout: 250_000 });
  let log = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (log += chunk.toString()));
  const closed = new Promise((done) => child.once('close', done));
  const client = new OipClient({ host: '127.0.0.1', port: http });
  try {
    await vi.waitUntil(() => client.ready().then(() => true, () => child.exitCode !== null), { timeout: 200_000, interval: 200 });
    expect(child.exitCode, log).toBeNull();
    expect(await client.serverMetadata()).toMatchObject({ name: 'mlserver' });
    expect((await client.modelMetadata('doubler')).inputs).toMatchObject([{ name: 'image', datatype: 'FP32', shape: [-1, 4] }]);
    const { outputs, modelName } = await client.infer('doubler', [{ name: 'image', datatype: 'FP32', shape: [2, 4], data: Float32Array.of(1, 2, 3, 4, 5, 6, -7, 8.5) }]);
    expect(modelName).toBe('doubler');
    expect(outputs.get('doubled')).toEqual({ name: 'doubled', datatype: 'FP32', shape: [2, 4], data: Float32Array.of(2, 4, 6, 8, 10, 12, -14, 17) });
    expect([await client.repositoryIndex(), await client.statistics('doubler'), await client.telemetry(), await client.trace()]).toEqual([null, null, null, null]);
    await expect(client.infer('absent', [{ name: 'image', datatype: 'FP32', shape: [1, 1], data: Float32Array.of(1) }])).rejects.toMatchObject({ code: 'model-absent' });
  } finally {
    client.close();
    child.kill('SIGTERM');
    const timer = setTimeout(() => child.kill('SIGKILL'), 10_000);
    await closed;
    clearTimeout(timer);
  }
});
