export interface ZipEntry {
  name: string;
  method: number;
  packed: number;
  size: number;
  offset: number;
  /** Unix mode. */
  mode: number;
}
export function listZip(fd: number): ZipEntry[];
export function unzip(zipFile: string, folder: string, rename?: (name: string) => string | null, onEntry?: (done: number, total: number) => void): Promise<void>;
