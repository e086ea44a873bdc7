/** Utility process: SSH to boards (finding, trusting, examining, provisioning), off the main process's event loop. */
import { boardsAnswers } from './boards-answers.ts';
import type { BoardsCalls, BoardsPlace } from './boards-messages.ts';
import { answerCalls, emitter } from './process-server.ts';

const place = JSON.parse(process.argv[2]!) as BoardsPlace;

// What still runs is cancelled; connections end with the process.
answerCalls<BoardsCalls>(process.parentPort, boardsAnswers(place, emitter(process.parentPort)), () => Promise.resolve());
