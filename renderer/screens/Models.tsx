import { Button, Tabs } from '@mantine/core';
import { useState, type JSX } from 'react';
import { useTranslation } from 'react-i18next';
import type { ModelInfo } from '../../src/contract/ipc.ts';
import type { ClassifierFields } from '../../src/contract/model.ts';
import { modelOf } from '../state/selectors.ts';
import { useApp, useAppState, useBoardName, useLocalText, useTextOf } from '../ui/app.ts';
import { Confirm } from '../ui/Confirm.tsx';
import { milliseconds, shortHash } from '../ui/format.ts';
import { Icon } from '../ui/icons.tsx';
import { Markdown } from '../ui/Markdown.tsx';
import { measureText, metricRows } from './metrics.ts';
import { AddModel } from './models/AddModel.tsx';
import { ReportTab } from './models/Report.tsx';

export function Models(): JSX.Element {
  const { t } = useTranslation();
  const { session } = useApp();
  const local = useLocalText();
  const models = useAppState((s) => s.models);
  const problems = useAppState((s) => s.modelProblems);
  const model = useAppState(modelOf);
  const adding = useAppState((s) => s.adding);
  // The wizard stays as it is while a model is looked at.
  const [wizard, setWizard] = useState(adding !== null);
  const shown = wizard && adding !== null;
  const add = (): void => {
    session.adder.begin();
    setWizard(true);
  };
  return (
    <main className="screen split" aria-label={t('models.title')}>
      <div className="screen-list">
        <h2 className="screen-title">{t('models.title')}</h2>
        <Button className="screen-list-button" size="xs" variant="default" leftSection={<Icon name="zoomIn" />} disabled={adding !== null} data-testid="add-model" onClick={add}>{t('modelActions.add')}</Button>
        {adding !== null && (
          <button type="button" className="list-item" aria-current={shown} data-testid="adding-item" onClick={() => setWizard(true)}>
            <strong>{t('modelActions.adding')}</strong>
            <span className="dim">{t(`addModel.step.${adding.step}`)}</span>
          </button>
        )}
        {models.length === 0 && <p className="dim">{t('models.none')}</p>}
        {models.map((m) => (
          <button key={m.id} type="button" className="list-item" aria-current={!shown && m.id === model?.id} onClick={() => { setWizard(false); session.store.set({ modelId: m.id }); }}>
            <strong>{local(m.metadata.fabriclens.title)}</strong>
            <span className="dim">{m.metadata.fabriclens.name} · {m.metadata.version}</span>
          </button>
        ))}
        {problems.map((problem) => (
          <div key={problem.name} className="callout error" role="alert">
            <Icon name="error" size={18} />
            <div><strong>{problem.name}</strong><p>{problem.message}</p></div>
          </div>
        ))}
      </div>
      {shown
        ? <div className="screen-body"><AddModel adding={adding} /></div>
        : <div className="screen-body" tabIndex={0} role="region" aria-label={t('models.cardTitle')}>{model && <Model key={model.id} model={model} />}</div>}
    </main>
  );
}

function Model({ model }: { model: ModelInfo }): JSX.Element {
  const { t } = useTranslation();
  const local = useLocalText();
  return (
    <Tabs defaultValue="card" keepMounted={false}>
      <div className="model-head">
        <Tabs.List aria-label={t('modelTabs.title')}>
          <Tabs.Tab value="card">{t('modelTabs.card')}</Tabs.Tab>
          <Tabs.Tab value="report" data-testid="report-tab">{t('modelTabs.report')}</Tabs.Tab>
        </Tabs.List>
        <span className="grow" />
        <ModelButtons model={model} />
      </div>
      <Tabs.Panel value="card"><Card model={model} /></Tabs.Panel>
      <Tabs.Panel value="report"><h3 className="card-title report-title">{local(model.metadata.fabriclens.title)}</h3><ReportTab id={model.id} /></Tabs.Panel>
    </Tabs>
  );
}

function ModelButtons({ model: { id, own, engines, metadata } }: { model: ModelInfo }): JSX.Element {
  const { t } = useTranslation();
  const boardName = useBoardName();
  const local = useLocalText();
  const { session } = useApp();
  const [busy, setBusy] = useState(false);
  const [asking, setAsking] = useState(false);
  const name = local(metadata.fabriclens.title);
  const during = async (work: () => Promise<void>): Promise<void> => {
    setBusy(true);
    await work();
    setBusy(false);
  };
  const deploy = async (): Promise<void> => {
    const deployed = await session.deployModel(id);
    if (deployed) session.notify('info', t('modelActions.deployed', { board: boardName(deployed.board), name, ms: milliseconds(deployed.ms) }));
  };
  return (
    <>
      {engines.includes('board') && <Button size="xs" variant="default" disabled={busy} leftSection={<Icon name="boards" />} data-testid="deploy-model" onClick={() => void during(deploy)}>{t(busy ? 'modelActions.deploying' : 'modelActions.deploy')}</Button>}
      {own && <Button size="xs" variant="default" disabled={busy} data-testid="remove-model" onClick={() => setAsking(true)}>{t('modelActions.remove')}</Button>}
      {asking && (
        <Confirm
          title={t('modelActions.removeTitle', { name })} text={t('modelActions.removeText')} yes={t('modelActions.remove')} no={t('modelActions.keep')}
          onYes={() => { setAsking(false); void session.removeModel(id, t('modelActions.removed', { name })); }} onNo={() => setAsking(false)}
        />
      )}
    </>
  );
}

function Card({ model }: { model: ModelInfo }): JSX.Element {
  const { t } = useTranslation();
  const local = useLocalText();
  const [full, setFull] = useState(false);
  const { metadata } = model;
  const { fabriclens } = metadata;
  return (
    <article className="card" data-testid="model-card">
      <h3 className="card-title">{local(fabriclens.title)}</h3>
      <p className="dim">{t('models.version', { version: metadata.version, licence: metadata.license, authors: metadata.authors })}</p>

      <h4>{t('models.intended')}</h4>
      <p>{local(fabriclens.intended.text)}</p>
      <p className="dim">{t('models.accepts', { modalities: fabriclens.intended.modalities.join(', '), bodyParts: fabriclens.intended.bodyParts.join(', ') || t('models.any') })}</p>

      <h4>{t('models.limits')}</h4>
      <ul>{fabriclens.limits.map((limit) => <li key={limit.en}>{local(limit)}</li>)}</ul>

      <h4>{t('models.metrics')}</h4>
      <Metrics metrics={metadata.eval_metrics} />

      <h4>{t('models.threshold')}</h4>
      {fabriclens.task === 'detection' ? <p>{t('models.boxesText', { ...fabriclens.detection, tolerance: fabriclens.tolerance })}</p> : <Threshold fields={fabriclens} />}

      <h4>{t('models.identity')}</h4>
      <dl className="facts">
        <dt>{t('models.name')}</dt><dd><code>{fabriclens.name}</code></dd>
        <dt>{t('models.input')}</dt><dd>{fabriclens.input.shape.join(' × ')}</dd>
        <dt>{t('models.engines')}</dt><dd>{model.engines.map((engine) => t(`engine.${engine}`)).join(', ')}</dd>
        {Object.entries(fabriclens.sha256).map(([file, sha]) => sha && <FileHash key={file} file={file} sha={sha} />)}
      </dl>

      <h4>{t('models.data')}</h4>
      <p>{metadata.data_source}</p>

      <h4>
        <button type="button" className="fold" aria-expanded={full} onClick={() => setFull(!full)}>
          <Icon name={full ? 'chevronDown' : 'chevronRight'} size={14} />{t('models.fullCard')}
        </button>
      </h4>
      {full && <Markdown text={model.card} />}
    </article>
  );
}

function Threshold({ fields: { threshold, labels, tolerance } }: { fields: ClassifierFields }): JSX.Element {
  const { t } = useTranslation();
  const local = useLocalText();
  return (
    <>
      <p>{t('models.thresholdText', { value: threshold.value.toFixed(4), label: local(labels[threshold.classIndex]!.text), tolerance })}</p>
      <p className="dim" lang="en">{threshold.method}</p>
    </>
  );
}

function FileHash({ file, sha }: { file: string; sha: string }): JSX.Element {
  return <><dt>{file}</dt><dd><code title={sha}>{shortHash(sha)}…</code></dd></>;
}

function Metrics({ metrics }: { metrics: Readonly<Record<string, number>> }): JSX.Element {
  const { t } = useTranslation();
  const textOf = useTextOf();
  const { engines, rows } = metricRows(metrics);
  if (rows.length === 0) return <p className="dim">{t('models.noMetrics')}</p>;
  return (
    <table className="grid numbers metrics">
      <thead>
        <tr>
          <th scope="col">{t('models.set')}</th>
          <th scope="col">{t('models.measure')}</th>
          {engines.length === 0 ? <th scope="col">{t('models.value')}</th> : engines.map((engine) => <th key={engine} scope="col" className="number">{engine}</th>)}
        </tr>
      </thead>
      <tbody>
        {rows.map(({ set, measure, values }) => (
          <tr key={`${set}/${measure}`}>
            <td>{textOf(`metrics.set.${set}`, set)}</td>
            <th scope="row">{textOf(`metrics.measure.${measure}`, measure)}</th>
            {'' in values
              ? <td className="number" colSpan={Math.max(1, engines.length)}>{measureText(values['']!)}</td>
              : engines.map((engine) => <td key={engine} className="number">{values[engine] === undefined ? '–' : measureText(values[engine])}</td>)}
          </tr>
        ))}
      </tbody>
    </table>
  );
}
