/** What answers as a stock PYNQ image for the window: a real OpenSSH server that lets xilinx in by its public password, the image's files under a folder, and a bundle to install there. */
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { boardBundle } from './board-bundle.ts';
import { ROOT } from './data.ts';
import { pynqRoot } from './pynq-root.ts';
import { freePort, startSshd, type TestServer } from './sshd.ts';

export const STOCK = { name: 'xilinx', password: 'xilinx' };

export interface PynqServer {
  server: TestServer;
  /** host:port of its SSH server. */
  address: string;
  /** A private key that is let in, as a file. */
  keyFile: string;
  /** What stands for the root of the board's files. */
  root: string;
  bundle: string;
  /** Arguments and environment with which the application meets it. */
  launch: { args: string[]; env: Record<string, string> };
  /** Ends the agent, too. */
  stop(): Promise<void>;
}

/** `runtimeLibrary`: for this computer's processor. The bundle brings the model pneumonia. */
export async function startPynq(runtimeLibrary: string): Promise<PynqServer> {
  const server = await startSshd([], STOCK);
  const root = join(server.folder, 'board');
  for (const [name, text] of Object.entries(pynqRoot())) {
    mkdirSync(dirname(join(root, name)), { recursive: true });
    writeFileSync(join(root, name), text);
  }
  const modelsDir = join(server.folder, 'models');
  cpSync(join(ROOT, 'models/pneumonia'), join(modelsDir, 'pneumonia'), { recursive: true });
  const bundle = join(server.folder, 'fabriclens-board-1.0.0-armhf.tar');
  writeFileSync(bundle, boardBundle({ modelsDir, runtimeLibrary, agentDir: join(ROOT, 'agent') }, '1.0.0').bytes);
  const keyFile = join(server.folder, 'key');
  writeFileSync(keyFile, server.key, { mode: 0o600 });
  const agentPort = await freePort();
  return {
    server, root, bundle, keyFile, address: `127.0.0.1:${server.port}`,
    launch: { args: [`--board-root=${root}`, `--board-agent-port=${agentPort}`, `--board-bundle=${bundle}`], env: { FABRICLENS_BOARDS: join(server.folder, 'boards.json'), SSH_AUTH_SOCK: '' } },
    stop: async () => {
      endAgent(join(root, 'run/fabriclens-agent.pid'));
      await server.stop();
      rmSync(server.folder, { recursive: true, force: true });
    },
  };
}

/** The plain supervisor's agent outlives its server. */
function endAgent(pidFile: string): void {
  try {
    process.kill(Number(readFileSync(pidFile, 'utf8')), 'SIGKILL');
  } catch {
    // It was uninstalled, or never installed.
  }
}
