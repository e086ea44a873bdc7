/** The board's processor without a board: Debian's cross compiler and qemu-arm, where they are installed. */
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

const onPath = (program: string): boolean => (process.env.PATH ?? '').split(delimiter).some((folder) => {
  try {
    accessSync(join(folder, program), constants.X_OK);
    return true;
  } catch {
    return false;
  }
});

/** Libraries of the cross compiler's packages, which the emulated program loads. */
const LIBRARIES = '/usr/arm-linux-gnueabihf';
export const hasCompiler = onPath(process.env.FL_ARMHF_CXX ?? 'arm-linux-gnueabihf-g++');
export const hasArmhf = hasCompiler && onPath('qemu-arm');
/** Program and arguments that run an armhf file. */
export const emulated = (file: string, options: readonly string[] = []): [string, ...string[]] => ['qemu-arm', '-cpu', 'cortex-a9', '-L', LIBRARIES, ...options, file];
