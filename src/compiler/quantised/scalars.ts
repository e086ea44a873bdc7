/**
 * The front end writes x · a + b on an image as a depthwise convolution. Of one number for all channels, between marks, it is what the core does by
 * table: then it is Mul and Add again, so that a hard swish spelt out in quantised steps is seen to depend on one tensor alone.
 */
import { unique } from '../names.ts';
import type { OnnxModel, OnnxNode, OnnxTensor } from '../onnx.ts';
import { OnnxType } from '../onnx.ts';

const single = (tensor: OnnxTensor | undefined, otherwise: number): number | null => {
  const data = tensor?.data as Float32Array | undefined;
  if (data === undefined) return otherwise;
  return data.length > 0 && data.every((v) => v === data[0]) ? (data[0] as number) : null;
};

/** @param isLayer whether a node was a convolution in the file */
export function withScalars(model: OnnxModel, isLayer: (name: string) => boolean): OnnxModel {
  const initializers = new Map(model.initializers);
  const names = new Set([...initializers.keys(), ...model.nodes.flatMap((n) => n.outputs)]);
  const nodes = model.nodes.flatMap((node): OnnxNode[] => {
    const weights = model.initializers.get(node.inputs[1] ?? '');
    if (node.opType !== 'Conv' || weights === undefined || isLayer(node.name) || weights.dims.slice(1).some((d) => d !== 1) || (node.attributes.get('group')?.i ?? 1) !== weights.dims[0]) return [node];
    const [scale, shift] = [single(weights, 1), single(model.initializers.get(node.inputs[2] ?? ''), 0)];
    const plain = ['strides', 'pads'].every((name) => (node.attributes.get(name)?.ints ?? []).every((v) => v === (name === 'pads' ? 0 : 1)));
    if (scale === null || shift === null || !plain) return [node];
    const parts = [{ opType: 'Mul', value: scale }, { opType: 'Add', value: shift }].filter(({ opType, value }) => value !== (opType === 'Mul' ? 1 : 0));
    if (parts.length === 0) parts.push({ opType: 'Mul', value: 1 });
    let from = node.inputs[0] as string;
    return parts.map(({ opType, value }, i) => {
      const last = i === parts.length - 1;
      const [to, constant] = [last ? (node.outputs[0] as string) : unique(names, `${node.outputs[0]}/scaled`), unique(names, `${node.name}/${opType}`)];
      initializers.set(constant, { name: constant, dataType: OnnxType.FLOAT, dims: [], data: Float32Array.of(value) });
      const made: OnnxNode = { name: last ? node.name : `${node.name}/scale`, opType, domain: '', inputs: [from, constant], outputs: [to], attributes: new Map() };
      from = to;
      return made;
    });
  });
  return { ...model, nodes, initializers };
}
