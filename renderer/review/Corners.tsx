/** Text over the image, of the picture that is drawn. */
import type { JSX } from 'react';
import { useTranslation } from 'react-i18next';
import { isKeyImage } from '../state/keyImages.ts';
import { Icon } from '../ui/icons.tsx';
import { useAppState, useView } from '../ui/app.ts';
import { dicomDate, dicomTime, personName, windowValue } from '../ui/format.ts';
import { ScaleBar } from './ScaleBar.tsx';
import { edgeLetters } from '../viewport/orientation.ts';

export function Corners(): JSX.Element | null {
  const { t } = useTranslation();
  const drawn = useView((v) => v.drawn);
  const presentation = useView((v) => v.presentation);
  const units = useView((v) => v.facts?.units ?? '');
  // Rescale Type US: the file says that they are of no named unit.
  const named = units === 'US' ? '' : units;
  const fromFile = useView((v) => v.facts?.voiFromFile ?? true);
  const marked = useAppState((s) => drawn !== null && isKeyImage(s.keyImages, drawn));
  if (!drawn || !presentation) return null;
  const { study, series, instance, frame, position, count } = drawn;
  const edges = edgeLetters(instance.patientOrientation, presentation);
  const sex = ({ M: t('viewer.sex.M'), F: t('viewer.sex.F'), O: t('viewer.sex.O') } as Record<string, string>)[study.patientSex] ?? study.patientSex;
  const { voi } = presentation;
  return (
    <div className="corners" data-testid="corners">
      <div className="corner top left">
        <strong data-testid="patient-name">{personName(study.patientName) || t('studies.unnamed')}</strong>
        <span className="more">{study.patientId}</span>
        {marked && <span className="key-mark" data-testid="key-mark"><Icon name="star" size={13} />{t('key.mark')}</span>}
        <span className="extra">{[sex, dicomDate(study.patientBirthDate) && t('viewer.born', { date: dicomDate(study.patientBirthDate) })].filter(Boolean).join(' · ')}</span>
      </div>
      <div className="corner top right">
        <span className="extra">{study.description}</span>
        <span>{dicomDate(study.date)}<span className="inline more"> {dicomDate(study.date) && dicomTime(study.time)}</span></span>
        <span className="extra">{study.institution}</span>
      </div>
      <div className="corner bottom left">
        <span className="more">{[instance.modality, series.description].filter(Boolean).join(' · ')}</span>
        <span className="extra">{[instance.bodyPart, instance.viewPosition, instance.laterality === 'U' ? '' : instance.laterality].filter(Boolean).join(' ')}</span>
        <span data-testid="stack-position">
          {series.number !== null && <span className="inline more">{t('viewer.series', { number: series.number })} · </span>}
          {t('viewer.place', { image: position + 1, count })}
          {instance.frames > 1 && ` · ${t('viewer.frame', { frame: frame + 1, frames: instance.frames })}`}
        </span>
      </div>
      <div className="corner bottom right">
        <ScaleBar />
        {(presentation.rotation !== 0 || presentation.mirrored) && (
          <span className="turned" data-testid="turned">{[presentation.mirrored && t('viewer.mirrored'), presentation.rotation !== 0 && t('viewer.turned', { degrees: presentation.rotation })].filter(Boolean).join(' · ')}</span>
        )}
        {instance.lossy && <span className="more">{t('viewer.lossy')}</span>}
        {voi?.kind === 'window' && (
          <span data-testid="window-level">{t('viewer.window', { width: windowValue(voi.width, voi.width), center: windowValue(voi.center, voi.width), units: named })}</span>
        )}
        {voi?.kind === 'table' && <span data-testid="window-level">{t('viewer.voiTable', { name: voi.explanation })}</span>}
        {voi && !fromFile && <span className="dim extra">{t('viewer.noWindow')}</span>}
        <span className="extra" data-testid="zoom">{t('viewer.zoom', { percent: Math.round(presentation.zoom * 100) })}</span>
      </div>
      {(['left', 'right', 'top', 'bottom'] as const).map((side) => edges[side] && (
        <span key={side} className={`edge edge-${side}`} data-testid={`edge-${side}`}>{edges[side]}</span>
      ))}
      {instance.qualityControl && <span className="synthetic-banner" data-testid="synthetic">{t('viewer.synthetic')}</span>}
    </div>
  );
}
