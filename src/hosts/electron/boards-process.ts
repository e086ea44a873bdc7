/** Utility process: SSH to boards (finding, trusting, examining, provisioning), off the main process's event loop. */
import { resolveResources } from '../resources.ts';
import { boardsAnswers } from './boards-answers.ts';
import type { BoardsCalls, BoardsPlace } from './boards-messages.ts';
import { answerCalls, emitter } from './process-server.ts';

const { root, resourcesPath, bundle, boardRoot, agentPort } = JSON.parse(process.argv[2]!) as BoardsPlace;
const own = resolveResources(root, resourcesPath);
const resources = bundle === undefined ? own : { ...own, boardBundle: bundle };

// What still runs is cancelled; connections end with the process.
answerCalls<BoardsCalls>(process.parentPort, boardsAnswers({ boardRoot, agentPort, resources }, emitter(process.parentPort)), () => Promise.resolve());
