/** What often lies in the place of a file of data, told by its first bytes. */

/** Bytes that `notTheFile` looks at. */
const looked = 64;

/** Says what a file is that holds text in place of data: a pointer of Git LFS, a web page; undefined for anything else. */
export function notTheFile(content: Uint8Array): string | undefined {
  const head = content.subarray(0, looked);
  const start = String.fromCharCode(...head);
  if (start.startsWith("version https://git-lfs")) {
    return "this is a pointer of Git LFS, not the file itself: fetch it with `git lfs pull`";
  }
  const isText = (byte: number) => (byte >= 32 && byte < 127) || byte === 9 || byte === 10 || byte === 13;
  if (head.length <= 8 || !head.every(isText)) return undefined;
  return /^\s*</.test(start) ? "this is a web page, not the file itself: download it again" : "this is text";
}
