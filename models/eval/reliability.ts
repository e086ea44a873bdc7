/** A reliability diagram as SVG: mean probability across, share of positives up, how many images each bin holds below. */
import type { Bin } from './figures.ts';

const [SIDE, LEFT, TOP, BELOW] = [240, 52, 16, 60];

export function reliabilitySvg(bins: readonly Bin[], label: string, ece: number): string {
  const most = Math.max(...bins.map(({ images }) => images));
  const x = (p: number): string => (LEFT + SIDE * p).toFixed(1);
  const y = (share: number): string => (TOP + SIDE * (1 - share)).toFixed(1);
  const base = TOP + SIDE + 28 + BELOW;
  const ticks = [0, 0.25, 0.5, 0.75, 1];
  const [width, height] = [LEFT + SIDE + 24, base + 34];
  const bar = ({ from, to, images }: Bin): string => {
    const tall = (BELOW * images) / most;
    return `<rect x="${x(from + 0.008)}" y="${(base - tall).toFixed(1)}" width="${(SIDE * (to - from - 0.016)).toFixed(1)}" height="${tall.toFixed(1)}" fill="#7a8794"><title>${images} images</title></rect>`;
  };
  const points = bins.flatMap(({ p, share, images }) => (p === null || share === null ? [] : [`<circle cx="${x(p)}" cy="${y(share)}" r="${(3 + 4 * Math.sqrt(images / most)).toFixed(1)}" fill="#2f6fd0"><title>${images} images: mean probability ${p.toFixed(3)}, ${(100 * share).toFixed(1)} % ${label}</title></circle>`]));
  const path = bins.flatMap(({ p, share }) => (p === null || share === null ? [] : [`${x(p)},${y(share)}`])).join(' ');
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" font-family="sans-serif" font-size="11" fill="#333" role="img">`,
    `<title>Reliability of P(${label}): expected calibration error ${ece.toFixed(4)}</title>`,
    `<rect width="${width}" height="${height}" fill="#fff"/>`,
    `<rect x="${LEFT}" y="${TOP}" width="${SIDE}" height="${SIDE}" fill="none" stroke="#999"/>`,
    `<path d="M${x(0)} ${y(0)}L${x(1)} ${y(1)}" stroke="#999" stroke-dasharray="4 3"/>`,
    ...ticks.flatMap((t) => [`<text x="${x(t)}" y="${TOP + SIDE + 14}" text-anchor="middle">${t}</text>`, `<text x="${LEFT - 6}" y="${(Number(y(t)) + 4).toFixed(1)}" text-anchor="end">${t}</text>`]),
    `<polyline points="${path}" fill="none" stroke="#2f6fd0"/>`, ...points, ...bins.map(bar),
    `<text x="${LEFT + SIDE / 2}" y="${base + 14}" text-anchor="middle">mean P(${label}); below, images a bin (at most ${most})</text>`,
    `<text x="${LEFT + SIDE / 2}" y="${base + 28}" text-anchor="middle">expected calibration error ${ece.toFixed(4)}</text>`,
    `<text transform="translate(14 ${TOP + SIDE / 2}) rotate(-90)" text-anchor="middle">share of ${label}</text>`,
    '</svg>', '',
  ].join('\n');
}
