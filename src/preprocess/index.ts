export { placement, toTensor } from './tensor.ts';
export { quantizeInput } from './quantize.ts';
