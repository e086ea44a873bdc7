/** Where an instance's bytes lie, and those bytes. For hosts; never sent to a page. */
import { readBounded } from '../engines/read-bounded.ts';
import { readMember, type ZipMember } from './zip.ts';

/** A file, or a member of a ZIP file. */
export interface InstanceSource {
  path: string;
  member: ZipMember | null;
}

/** Of the largest file that is read. */
export const INSTANCE_BYTES = 2 ** 30;

/** Encoded bytes, within the budget. @throws TooLargeError, ZipError, Node's errors */
export const readInstance = ({ path, member }: InstanceSource, limit = INSTANCE_BYTES): Promise<Uint8Array<ArrayBuffer>> => (member ? readMember(path, member, limit) : readBounded(path, limit));
