/** A tar file (ustar) that depends on nothing but names and contents: no times, owners or order of a folder. */

const BLOCK = 512;
const NAME_BYTES = 100;

/**
 * @param {{ name: string, bytes: Uint8Array, executable?: boolean }[]} files
 * @returns {Buffer}
 * @throws Error for a name that the plain header cannot hold
 */
export function tar(files) {
  const blocks = [];
  for (const { name, bytes, executable = false } of [...files].sort((a, b) => (a.name < b.name ? -1 : 1))) {
    const header = Buffer.alloc(BLOCK);
    if (Buffer.byteLength(name) > NAME_BYTES) throw new Error(`${name}: longer than ${NAME_BYTES} bytes`);
    const put = (text, at) => header.write(text, at, 'utf8');
    const octal = (value, at, length) => put(value.toString(8).padStart(length - 1, '0'), at);
    put(name, 0);
    octal(executable ? 0o755 : 0o644, 100, 8);
    octal(0, 108, 8);
    octal(0, 116, 8);
    octal(bytes.length, 124, 12);
    octal(0, 136, 12);
    put('0', 156);
    put('ustar\0' + '00', 257);
    header.fill(' ', 148, 156);
    put(`${header.reduce((sum, byte) => sum + byte, 0).toString(8).padStart(6, '0')}\0 `, 148);
    blocks.push(header, bytes, Buffer.alloc((BLOCK - (bytes.length % BLOCK)) % BLOCK));
  }
  return Buffer.concat([...blocks, Buffer.alloc(2 * BLOCK)]);
}
