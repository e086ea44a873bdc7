/** What the compiler refuses: `node` names the ONNX node (or '' where it is the file), the message names the cause and the mend. */
export class CompileError extends Error {
  readonly node: string;

  constructor(message: string, node = '') {
    super(node === '' ? message : `Node '${node}': ${message}`);
    this.name = 'CompileError';
    this.node = node;
  }
}
