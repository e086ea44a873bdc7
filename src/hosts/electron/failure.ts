/** A failure that a call reports to the page: `code` is stable, `message` is for people, `node` the ONNX node that it is about. */
export class CallFailure extends Error {
  override readonly name = 'CallFailure';
  readonly code: string;
  readonly node: string | undefined;
  constructor(code: string, message: string, node?: string) {
    super(message);
    this.code = code;
    this.node = node;
  }
}
