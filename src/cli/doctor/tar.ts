/** One file of an archive. */
export interface TarEntry {
  readonly name: string;
  readonly text: string;
}

const blockBytes = 512;

/** A POSIX archive (ustar) of small files that only their owner reads. Names are ASCII, at most 100 characters. */
export function toTar(entries: readonly TarEntry[], atMs: number): Buffer {
  const blocks = entries.flatMap(({ name, text }) => {
    const content = Buffer.from(text);
    return [headerOf(name, content.length, atMs), content, Buffer.alloc((blockBytes - (content.length % blockBytes)) % blockBytes)];
  });
  return Buffer.concat([...blocks, Buffer.alloc(2 * blockBytes)]);
}

function headerOf(name: string, size: number, atMs: number): Buffer {
  const header = Buffer.alloc(blockBytes);
  const octal = (value: number, at: number, length: number): void => void header.write(`${value.toString(8).padStart(length - 1, "0")}\0`, at, "ascii");
  header.write(name, 0, 100, "ascii");
  octal(0o600, 100, 8);
  octal(0, 108, 8);
  octal(0, 116, 8);
  octal(size, 124, 12);
  octal(Math.floor(atMs / 1_000), 136, 12);
  header.write("        0", 148, "ascii");
  header.write("ustar\x0000", 257, "ascii");
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "ascii");
  return header;
}
