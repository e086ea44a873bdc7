/** Writes small ONNX models (field numbers of onnx.proto, opset 13) for tests that need a real one. */
import protobuf from 'protobufjs';

export type OnnxType = 'float32' | 'int8' | 'int32' | 'int64';
const DATA_TYPE: Record<OnnxType, number> = { float32: 1, int8: 3, int32: 6, int64: 7 };

export interface OnnxValue { name: string; type: OnnxType; shape: (number | string)[] }
export type Attributes = Record<string, number | number[] | string>;
export interface OnnxNode { op: string; inputs: string[]; outputs: string[]; attributes?: Attributes }
export interface OnnxInitializer { name: string; shape: number[]; data: Float32Array | Int8Array | Int32Array | BigInt64Array }
/** `shape` absent: whoever reads the file infers it. */
export type OnnxOutput = Omit<OnnxValue, 'shape'> & Partial<Pick<OnnxValue, 'shape'>>;
export interface OnnxGraph { nodes: OnnxNode[]; inputs: OnnxValue[]; outputs: OnnxOutput[]; initializers?: OnnxInitializer[] }

const root = protobuf.Root.fromJSON({
  nested: {
    Opset: { fields: { domain: { id: 1, type: 'string' }, version: { id: 2, type: 'int64' } } },
    Attribute: { fields: { name: { id: 1, type: 'string' }, f: { id: 2, type: 'float' }, i: { id: 3, type: 'int64' }, s: { id: 4, type: 'bytes' }, ints: { id: 8, rule: 'repeated', type: 'int64' }, type: { id: 20, type: 'int32' } } },
    Node: { fields: { input: { id: 1, rule: 'repeated', type: 'string' }, output: { id: 2, rule: 'repeated', type: 'string' }, name: { id: 3, type: 'string' }, opType: { id: 4, type: 'string' }, attribute: { id: 5, rule: 'repeated', type: 'Attribute' } } },
    Tensor: { fields: { dims: { id: 1, rule: 'repeated', type: 'int64' }, dataType: { id: 2, type: 'int32' }, name: { id: 8, type: 'string' }, rawData: { id: 9, type: 'bytes' } } },
    Dimension: { fields: { value: { id: 1, type: 'int64' }, param: { id: 2, type: 'string' } } },
    Shape: { fields: { dim: { id: 1, rule: 'repeated', type: 'Dimension' } } },
    TensorType: { fields: { elemType: { id: 1, type: 'int32' }, shape: { id: 2, type: 'Shape' } } },
    Type: { fields: { tensorType: { id: 1, type: 'TensorType' } } },
    ValueInfo: { fields: { name: { id: 1, type: 'string' }, type: { id: 2, type: 'Type' } } },
    Graph: { fields: { node: { id: 1, rule: 'repeated', type: 'Node' }, name: { id: 2, type: 'string' }, initializer: { id: 5, rule: 'repeated', type: 'Tensor' }, input: { id: 11, rule: 'repeated', type: 'ValueInfo' }, output: { id: 12, rule: 'repeated', type: 'ValueInfo' } } },
    Model: { fields: { irVersion: { id: 1, type: 'int64' }, graph: { id: 7, type: 'Graph' }, opsetImport: { id: 8, rule: 'repeated', type: 'Opset' } } },
  },
});

const attribute = (name: string, value: number | number[] | string): object =>
  typeof value === 'string' ? { name, s: Buffer.from(value), type: 3 } : Array.isArray(value) ? { name, ints: value, type: 7 } : Number.isInteger(value) ? { name, i: value, type: 2 } : { name, f: value, type: 1 };

const valueInfo = ({ name, type, shape }: OnnxOutput): object => ({
  name,
  type: { tensorType: { elemType: DATA_TYPE[type], ...(shape && { shape: { dim: shape.map((d) => (typeof d === 'string' ? { param: d } : { value: d })) } }) } },
});

const typeOf = (data: OnnxInitializer['data']): OnnxType =>
  data instanceof Float32Array ? 'float32' : data instanceof Int8Array ? 'int8' : data instanceof Int32Array ? 'int32' : 'int64';

export function onnxModel({ nodes, inputs, outputs, initializers = [] }: OnnxGraph): Uint8Array<ArrayBuffer> {
  const Model = root.lookupType('Model');
  const encoded = Model.encode(Model.fromObject({
    irVersion: 8,
    opsetImport: [{ domain: '', version: 13 }],
    graph: {
      name: 'test',
      node: nodes.map(({ op, inputs: input, outputs: output, attributes = {} }, index) => ({
        input, output, name: `${op}_${index}`, opType: op,
        attribute: Object.entries(attributes).map(([name, value]) => attribute(name, value)),
      })),
      initializer: initializers.map(({ name, shape, data }) => ({
        dims: shape, dataType: DATA_TYPE[typeOf(data)], name, rawData: new Uint8Array(data.buffer, data.byteOffset, data.byteLength),
      })),
      input: inputs.map(valueInfo),
      output: outputs.map(valueInfo),
    },
  })).finish();
  return new Uint8Array(encoded);
}
