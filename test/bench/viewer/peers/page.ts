/** The page of a peer: `?viewer=cornerstone3D-cpu|cornerstone3D-webgl|dwv&width=…&height=…`, its pane as large as ours (CSS pixels). */
import type { Page } from '../probe.ts';

const query = new URLSearchParams(location.search);
const pane = document.getElementById('pane')!;
pane.style.width = `${query.get('width')}px`;
pane.style.height = `${query.get('height')}px`;
const viewer = query.get('viewer');
const made: Promise<Page> = viewer === 'dwv' ? import('./dwv.ts').then(({ dwvPage }) => dwvPage(pane)) : import('./cornerstone3d.ts').then(({ cornerstonePage }) => cornerstonePage(pane, viewer === 'cornerstone3D-cpu'));
window.benchPage = await made;
