/** What the compiler refuses: `node` names the ONNX node (or '' where it is the file), the message names the cause and the mend. */
export class CompileError extends Error {
  readonly node: string;
  /** The message without the node. */
  readonly bare: string;

  constructor(message: string, node = '') {
    // Names come from the file and may be of any length.
    const text = node === '' ? message : `Node '${node.slice(0, 200)}': ${message}`;
    super(text.slice(0, 1000));
    this.name = 'CompileError';
    this.node = node;
    this.bare = message.slice(0, 1000);
  }
}
