export { placement, toImage, type Placement } from './letterbox.ts';
export { statistics, toTensor } from './tensor.ts';
export { quantizeInput } from './quantize.ts';
