/**
 * Which class a text means. One rule for label files, shards and test folders: a name, however its accents are composed; else a number,
 * which is a place in the list only where it can be nothing else.
 */
import { DataError, nearest } from "../errors.js";

/** macOS writes accents as two characters: names are compared composed. */
export function composed(name: string): string {
  return name.normalize("NFC");
}

/** Numbers in names by value, the rest by code units: c1, c2, c10. The same order on every machine. */
export function byNumberOrName(a: string, b: string): number {
  const [x, y] = [a.split(/(\d+)/), b.split(/(\d+)/)];
  for (let i = 0; i < Math.min(x.length, y.length); i++) {
    const [p, q] = [x[i]!, y[i]!];
    const order = i % 2 === 1 ? byValue(p, q) : byUnits(p, q);
    if (order !== 0) return order;
  }
  return x.length - y.length || byUnits(a, b);
}

/** Digits of any length. */
function byValue(a: string, b: string): number {
  const [p, q] = [a.replace(/^0+/, ""), b.replace(/^0+/, "")];
  return p.length - q.length || byUnits(p, q);
}

function byUnits(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** Whether a text says that there is no label: nothing, `nan` (as tables write it), `null`, -1. */
export function isNoLabel(label: string): boolean {
  return /^\s*(nan|null|-1|-1\.0)?\s*$/i.test(label);
}

/** Index of a class by what a file calls it; throws DataError beginning with `where`. */
export type ClassReader = (label: string, where: string) => number;

/** Numbers beyond so many times the number of classes are no numbering (WordNet's n01440764). */
const numberingFactor = 10;

/** Index of a class by its name alone: as it is, composed, without outer blanks, numbers without zeros in front. */
export function classByName(classes: readonly string[]): (name: string) => number | undefined {
  const known = new Map(classes.map((name, k) => [name, k]));
  const loose = new Map<string, number | "several">();
  classes.forEach((name, k) => {
    const own = looseKey(name);
    loose.set(own, loose.has(own) ? "several" : k);
  });
  return (name) => {
    const near = known.get(name) ?? loose.get(looseKey(name));
    return near === "several" ? undefined : near;
  };
}

export function classReader(classes: readonly string[]): ClassReader {
  const byName = classByName(classes);
  const numbering = numberingOf(classes);
  return (label, where) => {
    const named = byName(label);
    if (named !== undefined) return named;
    if (/^\d{1,10}$/.test(label)) {
      const number = Number(label);
      if (numbering === undefined && number < classes.length) return number;
      const numbered = numbering?.get(number);
      if (numbered === number) return number; // c0, c1, c2: whichever is meant, it is this one
      if (numbering !== undefined) throw new DataError(`${where}: ${ambiguous(label, classes, numbered)}`);
    }
    throw new DataError(`${where}: unknown class "${shown(label)}". ${hint(label, classes)}`);
  };
}

function looseKey(name: string): string {
  const plain = composed(name).trim();
  return /^\d+$/.test(plain) ? plain.replace(/^0+(?=\d)/, "") : plain;
}

/** Class by the number in its name, where classes are numbered (1 .. 10, c0 .. c9); undefined where they are not. */
function numberingOf(classes: readonly string[]): ReadonlyMap<number, number> | undefined {
  const numbers = new Map<number, number>();
  const prefixes = new Set<string>();
  let plain = false;
  for (const [k, name] of classes.entries()) {
    const match = /^(.*?)(\d{1,9})$/s.exec(name.trim());
    if (!match) continue;
    plain ||= match[1] === "";
    prefixes.add(match[1]!);
    numbers.set(Number(match[2]), k);
  }
  // Where one class is a mere number, numbers are names, whatever the others are called.
  if (plain) return numbers;
  const all = numbers.size === classes.length && prefixes.size === 1;
  return all && Math.max(...numbers.keys()) <= numberingFactor * (classes.length + 1) ? numbers : undefined;
}

function ambiguous(label: string, classes: readonly string[], numbered: number | undefined): string {
  const list = listOf(classes);
  const meant = numbered === undefined ? "none of them has that number" : `"${classes[numbered]}" has that number`;
  const place = Number(label) < classes.length ? `, and counted from 0 it is "${classes[Number(label)]}"` : "";
  return `the label ${label} may be a name or a place among the classes ${list}: ${meant}${place}. Write the names of the classes`;
}

/** What to say after a name that is none of the classes. */
export function hint(label: string, classes: readonly string[]): string {
  const near = label.length > 100 ? undefined : nearest(label, classes); // its time grows with the length
  return near ? `Did you mean "${near}"?` : `Classes: ${listOf(classes)}`;
}

function listOf(classes: readonly string[]): string {
  return `${classes.slice(0, 10).join(", ")}${classes.length > 10 ? ", ..." : ""}`;
}

/** What a file says, fit to be printed: short, without control characters. */
export function shown(text: string): string {
  return (text.length > 80 ? `${text.slice(0, 80)}...` : text).replace(/\p{Cc}/gu, "?");
}
