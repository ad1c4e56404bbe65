/** Addresses and names of pictures; names are fetched a piece at a time, when somebody looks. */
import { useEffect, useState } from "preact/hooks";
import type { Names } from "../../../src/web/label/api.js";
import { address, getJson } from "../shared/server.js";

export const thumbnail = (key: string, row: number) => address("/api/thumbnail", { key, row });
export const large = (key: string, row: number) => address("/api/picture", { key, row });

const PIECE = 500;
const pieces = new Map<string, Promise<readonly string[]>>();
const known = new Map<string, readonly string[]>();

function pieceOf(key: string, at: number): Promise<readonly string[]> {
  const id = `${key}/${at}`;
  const there = pieces.get(id);
  if (there) return there;
  const asked = getJson<Names>(address("/api/names", { from: at * PIECE, count: PIECE })).then(({ names }) => {
    known.set(id, names);
    return names;
  });
  asked.catch(() => pieces.delete(id));
  pieces.set(id, asked);
  return asked;
}

/** Gives the name of a row, "" until it is known; the component is drawn again when more are. */
export function useNames(key: string, rows: readonly number[]): (row: number) => string {
  const [, redraw] = useState(0);
  const wanted = [...new Set(rows.map((row) => Math.floor(row / PIECE)))].filter((at) => !known.has(`${key}/${at}`));
  useEffect(() => {
    if (wanted.length === 0) return;
    let gone = false;
    void Promise.all(wanted.map((at) => pieceOf(key, at))).then(
      () => !gone && redraw((n) => n + 1),
      () => undefined,
    );
    return () => {
      gone = true;
    };
  }, [key, wanted.join()]);
  return (row) => known.get(`${key}/${Math.floor(row / PIECE)}`)?.[row % PIECE] ?? "";
}
