import type { OutputStream } from "./output.ts";

export interface Capture {
  /** Writes as before. */
  readonly write: (text: string) => void;
  readonly release: () => void;
}

/**
 * Takes over what others write to a stream: the team's own `console.log` would tear a status block apart, or put a line that is no JSON among JSON lines.
 */
export function captureWrites(stream: NodeJS.WriteStream & OutputStream, onText: (text: string) => void): Capture {
  const original = stream.write;
  const takeOver = (chunk: string | Uint8Array, encoding?: BufferEncoding | ((error?: Error | null) => void), done?: (error?: Error | null) => void): boolean => {
    onText(typeof chunk === "string" ? chunk : Buffer.from(chunk).toString("utf8"));
    const callback = typeof encoding === "function" ? encoding : done;
    callback?.();
    return true;
  };
  stream.write = takeOver;
  return {
    write: (text) => void original.call(stream, text),
    release() {
      stream.write = original;
    },
  };
}
