import { Component, type ReactNode } from 'react';
import { i18n } from '../i18n/index.ts';

/** A fault in drawing the window is said, with the way out, instead of leaving it blank. What is open stays open in the host. */
export class Failsafe extends Component<{ children: ReactNode }, { message: string }> {
  override state = { message: '' };

  static getDerivedStateFromError(error: unknown): { message: string } {
    return { message: error instanceof Error ? error.message : String(error) };
  }

  override render(): ReactNode {
    if (!this.state.message) return this.props.children;
    return (
      <main className="pane-message" role="alert">
        <h1>{i18n.t('fault.title')}</h1>
        <p>{i18n.t('fault.text', { message: this.state.message })}</p>
        <button type="button" onClick={() => location.reload()}>{i18n.t('fault.reload')}</button>
        <strong className="not-diagnostic">{i18n.t('notDiagnostic')}</strong>
      </main>
    );
  }
}
