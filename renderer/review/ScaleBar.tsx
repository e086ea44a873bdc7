/** How long a round number of millimetres is on the screen, and what they are those of. */
import type { JSX } from 'react';
import { useTranslation } from 'react-i18next';
import { scaleBar } from '../measure/scale.ts';
import { useView } from '../ui/app.ts';

export function ScaleBar(): JSX.Element | null {
  const { t } = useTranslation();
  const drawn = useView((v) => v.drawn);
  const toPane = useView((v) => v.toPane);
  const bar = drawn?.instance.spacing && drawn.instance.regions.length === 0 && toPane ? scaleBar(drawn.instance.spacing, toPane) : null;
  if (!bar) return null;
  const { plane } = drawn!.instance.spacing!;
  return (
    <span className="scale-bar" data-testid="scale-bar">
      <span>{bar.millimetres >= 10 ? t('measure.centimetres', { value: bar.millimetres / 10 }) : t('measure.millimetres', { value: bar.millimetres })}{plane !== 'patient' && ` ${t(`measure.plane.${plane}`)}`}</span>
      <i style={{ width: bar.width }} />
    </span>
  );
}
