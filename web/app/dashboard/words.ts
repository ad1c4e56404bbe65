/** Numbers as people read them. */

export const percent = (value: number) => `${value.toFixed(2)} %`;

/** Milliseconds since 1970 as "5 s ago"; "" for 0. */
export function ago(time: number, now = Date.now()): string {
  if (time === 0) return "";
  const seconds = Math.max(0, Math.round((now - time) / 1000));
  if (seconds < 60) return `${seconds} s ago`;
  if (seconds < 3600) return `${Math.round(seconds / 60)} min ago`;
  if (seconds < 86_400) return `${Math.round(seconds / 3600)} h ago`;
  return `${Math.round(seconds / 86_400)} d ago`;
}
