/** Reads what a page has sent. */
import { type Call, HttpError } from "../server.js";

export interface Fields {
  text(name: string): string;
  /** Whole numbers from 0; at least one. */
  rows(name: string): number[];
  integer(name: string, most: number): number;
  has(name: string): boolean;
}

/** Throws HttpError 400 where the body is no JSON object, or a field is not what it must be. */
export async function fieldsOf(call: Call): Promise<Fields> {
  let body: unknown;
  try {
    body = JSON.parse(Buffer.from(await call.body()).toString("utf8"));
  } catch (error) {
    if (error instanceof HttpError) throw error;
  }
  if (typeof body !== "object" || body === null) throw new HttpError(400, "expected a JSON object");
  const record: object = body;
  const field = (name: string): unknown => (Object.hasOwn(record, name) ? Reflect.get(record, name) : undefined);
  const isRow = (value: unknown): value is number => Number.isInteger(value) && Number(value) >= 0;
  return {
    text(name) {
      const value = field(name);
      if (typeof value === "string") return value;
      throw new HttpError(400, `expected text for ${name}`);
    },
    rows(name) {
      const value = field(name);
      if (Array.isArray(value) && value.length > 0 && value.every(isRow)) return value;
      throw new HttpError(400, `expected whole numbers for ${name}`);
    },
    integer(name, most) {
      const value = field(name);
      if (isRow(value) && value <= most) return value;
      throw new HttpError(400, `expected a whole number of at most ${most} for ${name}`);
    },
    has: (name) => field(name) !== undefined,
  };
}

/** A whole number in the query. Throws HttpError 400. */
export function numberIn(query: URLSearchParams, name: string): number {
  const text = query.get(name) ?? "";
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw new HttpError(400, `expected a whole number for ${name}`);
}
