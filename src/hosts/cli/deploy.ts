/** `fabriclens deploy`: a model package to a board, which serves it from then on. */
import { resolve } from 'node:path';
import { BoardError, deployPackage, OipClient, readBoardToken, type Deployment, type DeployOptions } from '../../board/index.ts';
import type { DeployCommand } from './options.ts';
import { createProgress } from './progress.ts';
import { EXIT, plain, type Terminal } from './terminal.ts';

export async function deploy({ packageDir, board, boardTokenFile, json, progress: asked }: DeployCommand, { stdout, stderr }: Terminal, signal: AbortSignal): Promise<number> {
  const client = new OipClient({ ...board, token: await readBoardToken(process.env, boardTokenFile) });
  const progress = createProgress(stderr, asked);
  try {
    const onProgress: DeployOptions['onProgress'] = ({ step, doneBytes, totalBytes }) =>
      progress.show(step === 'activating' ? 'the board loads and runs it' : `sending: ${megabytes(doneBytes)} of ${megabytes(totalBytes)} MB`);
    const deployment = await deployPackage(client, resolve(packageDir), { signal, onProgress });
    progress.clear();
    stdout.write(json ? `${JSON.stringify({ type: 'deployed', board: client.address, ...deployment })}\n` : plain(text(deployment, client.address)));
    return EXIT.ok;
  } catch (error) {
    progress.clear();
    if (signal.aborted) {
      stderr.write('fabriclens: stopped; the board serves what it served, and what was sent need not be sent again\n');
      return EXIT.interrupted;
    }
    if (!(error instanceof BoardError)) throw error;
    if (json) stdout.write(`${JSON.stringify({ type: 'problem', file: packageDir, code: error.code, message: error.message })}\n`);
    else stderr.write(plain(`fabriclens: ${error.message}\n`));
    return EXIT.someFailed;
  } finally {
    client.close();
  }
}

const megabytes = (bytes: number): string => (bytes / 1e6).toFixed(1);

const text = ({ model, version, package: id, totalBytes, sentBytes }: Deployment, address: string): string =>
  `${model} ${version} is served by board ${address}, also after a restart\npackage ${id}: ${megabytes(totalBytes)} MB, of which ${megabytes(sentBytes)} MB were sent\n`;
