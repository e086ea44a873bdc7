/** A failure that a call reports to the page: `code` is stable, `message` is for people. */
export class CallFailure extends Error {
  override readonly name = 'CallFailure';
  readonly code: string;
  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}
