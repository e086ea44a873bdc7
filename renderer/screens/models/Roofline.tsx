import { useRef, type JSX, type KeyboardEvent } from 'react';
import { useTranslation } from 'react-i18next';
import type { AddModelReport } from '../../../src/contract/report.ts';
import { percent, short } from './numbers.ts';
import { plot, type Frame } from './roofline.ts';

const FRAME: Frame = { width: 640, height: 320, left: 52, right: 16, top: 14, bottom: 42 };

/** What the memory and the array allow, and how near each layer comes. One stop of the Tab key; the arrows go from layer to layer. */
export function RooflinePicture({ roofline, chosen, onChoose }: { roofline: AddModelReport['roofline']; chosen: string | null; onChoose: (name: string | null) => void }): JSX.Element {
  const { t } = useTranslation();
  const list = useRef<SVGGElement>(null);
  const { x, y, xTicks, yTicks, ceiling, points } = plot(roofline, FRAME);
  const at = Math.max(0, points.findIndex(({ name }) => name === chosen));
  const pointed = points.find(({ name }) => name === chosen);
  const step = (event: KeyboardEvent): void => {
    const move = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    const next = move === undefined ? undefined : points[at + move];
    if (!next) return;
    event.preventDefault();
    (list.current!.children[at + move!] as SVGElement).focus();
  };
  const describe = (point: (typeof points)[number]): string => t('report.roofline.point', {
    name: point.name, intensity: short(point.macsPerByte), rate: short(point.macsPerCycle), of: roofline.macsPerCycle, share: percent(point.share), bound: t(`report.roofline.bound.${point.bound}`),
  });
  const [bottom, right] = [FRAME.height - FRAME.bottom, FRAME.width - FRAME.right];
  return (
    <figure className="roofline" data-testid="roofline">
      <svg viewBox={`0 0 ${FRAME.width} ${FRAME.height}`} role="group" aria-label={t('report.roofline.title')}>
        {xTicks.map((tick) => (
          <g key={tick} aria-hidden="true">
            <line className="roofline-grid" x1={x(tick)} x2={x(tick)} y1={FRAME.top} y2={bottom} />
            <text className="roofline-tick" x={x(tick)} y={bottom + 15} textAnchor="middle">{short(tick)}</text>
          </g>
        ))}
        {yTicks.map((tick) => (
          <g key={tick} aria-hidden="true">
            <line className="roofline-grid" x1={FRAME.left} x2={right} y1={y(tick)} y2={y(tick)} />
            <text className="roofline-tick" x={FRAME.left - 7} y={y(tick) + 4} textAnchor="end">{short(tick)}</text>
          </g>
        ))}
        <g aria-hidden="true">
          <text className="roofline-axis" x={(FRAME.left + right) / 2} y={FRAME.height - 8} textAnchor="middle">{t('report.roofline.x')}</text>
          <text className="roofline-axis" transform={`translate(13 ${(FRAME.top + bottom) / 2}) rotate(-90)`} textAnchor="middle">{t('report.roofline.y')}</text>
          <polyline className="roofline-roof" points={ceiling.map((corner) => `${corner.x},${corner.y}`).join(' ')} />
          <line className="roofline-level" x1={FRAME.left} x2={ceiling[1]!.x} y1={ceiling[1]!.y} y2={ceiling[1]!.y} />
          <text className="roofline-label" x={FRAME.left + 8} y={ceiling[1]!.y - 6}>{t('report.roofline.array', { macs: roofline.macsPerCycle })}</text>
          <text className="roofline-label" x={ceiling[0]!.x + 52} y={ceiling[0]!.y - 8}>{t('report.roofline.memory', { bytes: short(roofline.bytesPerCycle) })}</text>
        </g>
        <g ref={list} role="listbox" aria-label={t('report.roofline.layers')} onKeyDown={step}>
          {points.map((point, index) => (
            <circle
              key={point.name} className={`roofline-point ${point.bound}`} cx={point.cx} cy={point.cy} r={point.r}
              role="option" aria-selected={point.name === chosen} aria-label={describe(point)} tabIndex={index === at ? 0 : -1}
              onFocus={() => onChoose(point.name)} onPointerEnter={() => onChoose(point.name)}
            />
          ))}
        </g>
      </svg>
      <figcaption className="dim" data-testid="roofline-point">{pointed ? describe(pointed) : t('report.roofline.hint')}</figcaption>
      <p className="roofline-key small dim"><span className="roofline-dot compute" />{t('report.roofline.bound.compute')}<span className="roofline-dot memory" />{t('report.roofline.bound.memory')}</p>
    </figure>
  );
}
