/** `npm run bench:routes`: the table of docs/routes.md. Cycles are the cycle model's, the sum also the simulated core's; the processor's column is a bound. */
import { Counter } from '../../hls/tests/counter.ts';
import { markdown, PROCESSOR, routes, simulatedCycles } from './routes/table.ts';

const counter = await Counter.start((line) => void process.stderr.write(`bench: ${line}\n`));
const found = await routes(counter);
await counter.end();
process.stdout.write(`${markdown(found)}\n\nThe whole network in the Verilated core: ${simulatedCycles().toLocaleString('en')} cycles (rtl), ${found.clockMHz} MHz. One function a layer: ${found.dsp} DSP48E1, by arithmetic.
Processor: ${PROCESSOR.cores} cores × ${PROCESSOR.macsACycle} MAC a cycle × ${PROCESSOR.clockMHz} MHz, a bound that nothing reaches; no board has run this.\n`);
