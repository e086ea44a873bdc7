import { Fragment, useEffect, useRef, useState, type JSX } from 'react';
import { useTranslation } from 'react-i18next';
import type { FileProblem, ObjectInfo, SeriesInfo, StudyInfo } from '../../src/contract/dicom.ts';
import { ImportLine } from '../screens/Studies.tsx';
import { ToolButton } from '../ui/ActionButton.tsx';
import { useApp, useAppState, useTextOf } from '../ui/app.ts';
import { dicomDate, personName } from '../ui/format.ts';
import { Icon } from '../ui/icons.tsx';
import { selectionOf, visiblePanes } from '../state/panes.ts';
import { countSlices, problemGroups, sliceAt } from '../state/selectors.ts';
import { KeyImages } from './KeyImages.tsx';
import { Thumb } from './Thumb.tsx';

/** Of a drag that carries a series: its UID. */
export const SERIES_TYPE = 'application/x-fabriclens-series';

export function StudyPanel(): JSX.Element {
  const { t } = useTranslation();
  const studies = useAppState((s) => s.library.studies);
  const problems = useAppState((s) => s.library.problems);
  const scan = useAppState((s) => s.scan);
  return (
    <aside className="studies" aria-label={t('studies.title')}>
      <div className="studies-open">
        <ToolButton id="open.files" />
        <ToolButton id="open.folder" />
        <ToolButton id="open.sample" />
      </div>
      <ImportLine />
      <div className="studies-list" tabIndex={-1}>
        {studies.length === 0 && !scan && <p className="dim pad">{t('studies.none')}</p>}
        {studies.map((study) => <Study key={study.uid} study={study} />)}
      </div>
      <KeyImages />
      {problems.length > 0 && <Problems problems={problems} />}
    </aside>
  );
}

function Study({ study }: { study: StudyInfo }): JSX.Element {
  const { t } = useTranslation();
  const { session } = useApp();
  const name = personName(study.patientName) || t('studies.unnamed');
  return (
    <section className="study" aria-label={[name, dicomDate(study.date), study.description].filter(Boolean).join(', ')}>
      <header>
        <div className="grow">
          <h2 className="ellipsis study-name" title={name}>{name}</h2>
          <p className="dim ellipsis">{[study.patientId, dicomDate(study.date), study.description].filter(Boolean).join(' · ')}</p>
        </div>
        <button type="button" className="icon-button" aria-label={t('studies.close', { name })} title={t('studies.close', { name })} onClick={() => void session.closeStudy(study.uid)}>
          <Icon name="close" size={14} />
        </button>
      </header>
      {study.series.map((series) => <Series key={series.uid} series={series} />)}
      {study.objects.map((object) => <Other key={object.id} object={object} />)}
    </section>
  );
}

function Series({ series }: { series: SeriesInfo }): JSX.Element | null {
  const { t } = useTranslation();
  const { session } = useApp();
  const selected = useAppState((s) => selectionOf(s)?.seriesUid === series.uid);
  const seen = useAppState((s) => visiblePanes(s).some(({ selection }) => selection?.seriesUid === series.uid));
  const ref = useRef<HTMLButtonElement>(null);
  useEffect(() => {
    if (selected) ref.current?.scrollIntoView({ block: 'nearest' });
  }, [selected]);
  const count = countSlices(series);
  const middle = sliceAt(series, Math.floor(count / 2));
  if (!middle) return null;
  const title = series.description || [series.modality, middle.instance.bodyPart, middle.instance.viewPosition].filter(Boolean).join(' ') || middle.instance.fileName;
  return (
    <button
      ref={ref} type="button" className="series" data-testid="series" data-seen={seen} aria-current={selected} onClick={() => session.select(series.uid)}
      draggable onDragStart={(event) => {
        event.dataTransfer.setData(SERIES_TYPE, series.uid);
        event.dataTransfer.effectAllowed = 'copy';
      }}
    >
      <Thumb instanceId={middle.instance.id} frame={middle.frame} size={56} />
      <span className="series-text">
        <span className="series-title">{title}</span>
        <span className="dim">{[series.modality, t('studies.images', { count })].filter(Boolean).join(' · ')}</span>
        {middle.instance.qualityControl && <span className="synthetic-mark">{t('viewer.synthetic')}</span>}
      </span>
    </button>
  );
}

/** What has no image: its kind, and its elements to read. */
function Other({ object }: { object: ObjectInfo }): JSX.Element {
  const { t } = useTranslation();
  const { session } = useApp();
  const kind = [object.modality, t('studies.noImage')].filter(Boolean).join(' · ');
  return (
    <button type="button" className="series" data-testid="object" title={t('studies.elements', { name: object.fileName })} onClick={() => session.showTags({ id: object.id, fileName: object.fileName })}>
      <span className="object-mark"><Icon name="file" size={22} /></span>
      <span className="series-text">
        <span className="series-title"><span lang="en">{object.name}</span>{object.description && ` · ${object.description}`}</span>
        <span className="dim">{kind}</span>
      </span>
    </button>
  );
}

function Problems({ problems }: { problems: readonly FileProblem[] }): JSX.Element {
  const { t } = useTranslation();
  const textOf = useTextOf();
  const [open, setOpen] = useState(true);
  return (
    <section className="problems" aria-label={t('problems.title')} data-testid="problems">
      <button type="button" className="fold" aria-expanded={open} onClick={() => setOpen(!open)}>
        <Icon name="warning" />
        <span className="grow">{t('problems.count', { count: problems.length })}</span>
        <Icon name={open ? 'chevronDown' : 'chevronRight'} size={14} />
      </button>
      {open && (
        <dl tabIndex={0} aria-label={t('problems.title')}>
          {problemGroups(problems).map(({ fileName, code, causes }) => (
            <Fragment key={`${fileName}/${code}`}>
              <dt>{fileName}</dt>
              <dd>
                <strong>{textOf(`problems.code.${code}`, code)}</strong>{' '}
                {causes.length === 1
                  ? <span lang="en">{causes[0]}</span>
                  : <details><summary>{t('problems.times', { count: causes.length })}</summary><ul lang="en">{causes.map((cause, index) => <li key={index}>{cause}</li>)}</ul></details>}
              </dd>
            </Fragment>
          ))}
        </dl>
      )}
    </section>
  );
}
