/** What is asked for, and what the reader really sees. */
import type { JSX } from 'react';
import { useTranslation } from 'react-i18next';
import { useAppState } from '../ui/app.ts';

export function CineRate(): JSX.Element | null {
  const { t } = useTranslation();
  const cine = useAppState((s) => s.cine);
  if (!cine) return null;
  const wanted = Math.round(cine.fps * 10) / 10;
  return <div className="cine-rate" data-testid="cine-rate">{cine.measured === null ? t('cine.asked', { wanted }) : t('cine.reached', { reached: cine.measured.toFixed(1), wanted })}</div>;
}
