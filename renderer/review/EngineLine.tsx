import type { JSX } from 'react';
import type { EngineId } from '../../src/contract/engine.ts';

/** An engine's line is known by its dashes as well as by its colour; `stroke-dasharray` in client pixels. */
export const DASHES: Record<EngineId, string> = { 'cpu-fp32': 'none', 'cpu-int8': '9 5', board: '2 5' };

/** A piece of an engine's line, as its boxes are drawn. Decorative: the name stands beside it. */
export function EngineLine({ engine }: { engine: EngineId }): JSX.Element {
  return (
    <svg className="engine-line" width={26} height={10} aria-hidden="true" focusable="false">
      <line x1={2} y1={5} x2={24} y2={5} className={`box-line engine-${engine}`} strokeDasharray={DASHES[engine]} />
    </svg>
  );
}
