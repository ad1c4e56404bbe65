/**
 * Python's pickle format, read only and without running anything: a pickle is a program for a small stack machine whose dangerous
 * instructions name functions to call. Here a name means nothing unless the caller's table gives it a meaning; every other name
 * is refused by that name. Protocols 0 to 5 as far as plain data needs them.
 *
 * @see CPython, Lib/pickletools.py (the instructions)
 */
import { DataError } from "../errors.js";

/**
 * What a pickle holds: null, booleans, numbers, bigints, strings, Uint8Array, arrays (lists and tuples), Map (dicts), Set, and what
 * the table of names makes. A `str` of Python 2 is read as Latin-1.
 */
export type Pickled = unknown;

/** A name that may occur, such as `collections OrderedDict`. Opaque unless it has `call`. */
export interface Known {
  readonly known: string;
  /** What calling it with these arguments gives. */
  readonly call?: (args: readonly Pickled[], fail: Fail) => Pickled;
}

/** An object that takes a state after it was made (`__setstate__`). */
export interface Stateful {
  setState(state: Pickled, fail: Fail): void;
}

export type Fail = (problem: string) => never;

export interface PickleRules {
  /** Who complains: the file. */
  readonly who: string;
  /** "module name" -> its meaning. */
  readonly names: ReadonlyMap<string, Known>;
  /** What a persistent id stands for; without it such ids are refused. */
  readonly persistent?: (id: Pickled, fail: Fail) => Pickled;
}

/** Deeper than any table of weights, and far below what recursion in a reader of the result could not bear. */
const MAX_DEPTH = 100;
const MAX_STACK = 1_000_000;
const MAX_MEMO = 4_000_000;
/** Bytes of one integer: PyTorch's magic number has 10. */
const MAX_INTEGER = 32;

/** The value of the pickle that begins at byte `start`, and where it ends. Throws DataError on anything but plain data. */
export function unpickle(bytes: Uint8Array, rules: PickleRules, start = 0): { value: Pickled; end: number } {
  const { who, names, persistent } = rules;
  const fail: Fail = (problem) => {
    throw new DataError(`${who}: not a pickle of plain data: ${problem}`);
  };
  const source = reader(bytes, start, fail);
  const depths = new WeakMap<object, number>();
  const memo = new Map<number, Pickled>();
  const marks: number[] = [];
  const stack: Pickled[] = [];

  const push = (value: Pickled) => {
    if (stack.length >= MAX_STACK) fail(`more than ${MAX_STACK} values at once`);
    stack.push(value);
  };
  /** Not below the last mark, as in Python. */
  const pop = (): Pickled =>
    stack.length > (marks.at(-1) ?? 0) ? stack.pop() : fail("it takes a value that is not there");
  const top = (): Pickled =>
    stack.length > (marks.at(-1) ?? 0) ? stack.at(-1) : fail("it uses a value that is not there");
  const popMark = (): Pickled[] => stack.splice(marks.pop() ?? fail("a list ends that did not begin"));
  /** Notes that `parts` now lie in `whole`. */
  const nest = <T extends object>(whole: T, parts: readonly Pickled[]): T => {
    let depth = depths.get(whole) ?? 1;
    for (const part of parts) {
      if (typeof part === "object" && part !== null) depth = Math.max(depth, 1 + (depths.get(part) ?? 0));
    }
    if (depth > MAX_DEPTH) fail(`values in values more than ${MAX_DEPTH} deep`);
    depths.set(whole, depth);
    return whole;
  };
  const remember = (index: number) => {
    if (memo.size >= MAX_MEMO) fail(`more than ${MAX_MEMO} values to remember`);
    memo.set(index, top());
  };
  const recall = (index: number) =>
    push(memo.has(index) ? memo.get(index) : fail(`nothing was remembered as ${index}`));
  const lookUp = (module: string, name: string) => {
    const full = `${module} ${name}`;
    push(
      names.get(full) ??
        fail(`it names ${module}.${name}, which is not part of a table of weights or numbers. Nothing was executed`),
    );
  };
  const call = (target: Pickled, args: Pickled) => {
    if (!isKnown(target) || !target.call)
      fail(`it calls ${isKnown(target) ? target.known : "something that is no function"}`);
    const list = Array.isArray(args) ? args : fail("the arguments of a call are not a tuple");
    const made = (target as Required<Known>).call(list, fail);
    push(typeof made === "object" && made !== null ? nest(made, list) : made);
  };
  const append = (list: Pickled, items: readonly Pickled[]) => {
    if (!Array.isArray(list)) return fail("it appends to something that is no list");
    nest(list, items);
    for (const item of items) list.push(item);
  };
  const setItems = (map: Pickled, items: readonly Pickled[]) => {
    if (!(map instanceof Map)) return fail("it puts entries into something that is no dict");
    if (items.length % 2 !== 0) fail("a dict has a key without a value");
    nest(map, items);
    for (let i = 0; i < items.length; i += 2) map.set(items[i], items[i + 1]);
  };
  const build = (object: Pickled, state: Pickled) => {
    if (isStateful(object)) object.setState(state, fail);
    // The attributes of an OrderedDict (PyTorch's `_metadata`) carry no tensors.
    else if (!(object instanceof Map)) fail("it sets the state of something that has none");
  };
  const refused = (what: string) => () => fail(`it holds ${what}, which is not read`);

  const instructions: Readonly<Record<number, () => void>> = {
    128: () => source.u8() > 5 && fail("its protocol is newer than 5"),
    149: () => source.u64(), // FRAME
    [code("(")]: () => marks.push(stack.length),
    [code("0")]: () => (stack.length === (marks.at(-1) ?? 0) && marks.length > 0 ? marks.pop() : pop()),
    [code("1")]: () => popMark(),
    [code("2")]: () => push(top()),
    [code("N")]: () => push(null),
    136: () => push(true),
    137: () => push(false),
    [code("K")]: () => push(source.u8()),
    [code("M")]: () => push(source.u16()),
    [code("J")]: () => push(source.i32()),
    [code("I")]: () => push(textInteger(source.line(), fail)),
    [code("L")]: () => push(textInteger(source.line().replace(/L$/, ""), fail)),
    138: () => push(source.integer(source.u8())),
    139: () => push(source.integer(source.u32())),
    [code("G")]: () => push(source.f64()),
    [code("F")]: () => push(Number(source.line())),
    [code("X")]: () => push(source.text(source.u32())),
    140: () => push(source.text(source.u8())),
    141: () => push(source.text(source.u64())),
    [code("V")]: refused("text of protocol 0"),
    [code("S")]: () => push(quoted(source.line(), fail)),
    [code("U")]: () => push(source.latin1(source.u8())),
    [code("T")]: () => push(source.latin1(source.u32())),
    [code("C")]: () => push(source.take(source.u8())),
    [code("B")]: () => push(source.take(source.u32())),
    142: () => push(source.take(source.u64())),
    150: () => push(source.take(source.u64())),
    [code(")")]: () => push(nest([], [])),
    133: () => pushTuple(1),
    134: () => pushTuple(2),
    135: () => pushTuple(3),
    [code("t")]: () => pushAll(popMark()),
    [code("]")]: () => push(nest([], [])),
    [code("l")]: () => pushAll(popMark()),
    [code("a")]: () => {
      const item = pop();
      append(top(), [item]);
    },
    [code("e")]: () => {
      const items = popMark();
      append(top(), items);
    },
    [code("}")]: () => push(nest(new Map(), [])),
    [code("d")]: () => {
      const items = popMark();
      const map = new Map();
      setItems(map, items);
      push(map);
    },
    [code("s")]: () => {
      const value = pop();
      const key = pop();
      setItems(top(), [key, value]);
    },
    [code("u")]: () => {
      const items = popMark();
      setItems(top(), items);
    },
    [code("p")]: () => remember(Number(source.line())),
    [code("q")]: () => remember(source.u8()),
    [code("r")]: () => remember(source.u32()),
    148: () => remember(memo.size),
    [code("g")]: () => recall(Number(source.line())),
    [code("h")]: () => recall(source.u8()),
    [code("j")]: () => recall(source.u32()),
    [code("c")]: () => lookUp(source.line(), source.line()),
    147: () => {
      const [name, module] = [pop(), pop()];
      if (typeof module !== "string" || typeof name !== "string") return fail("a name is no text");
      lookUp(module, name);
    },
    [code("R")]: () => {
      const args = pop();
      call(pop(), args);
    },
    129: () => {
      const args = pop();
      call(pop(), args);
    },
    146: refused("an object with named arguments"),
    [code("i")]: () => {
      const [module, name] = [source.line(), source.line()];
      lookUp(module, name);
      fail(`it makes an instance of ${module}.${name}`);
    },
    [code("o")]: refused("an instance of a class"),
    [code("b")]: () => {
      const state = pop();
      build(top(), state);
    },
    [code("P")]: refused("a persistent id in text"),
    [code("Q")]: () => {
      const id = pop();
      push(persistent ? persistent(id, fail) : fail("it refers to data outside the file"));
    },
  };
  const pushAll = (items: Pickled[]) => push(nest(items, items));
  const pushTuple = (count: number) => {
    const items: Pickled[] = [];
    for (let i = 0; i < count; i++) items.unshift(pop());
    pushAll(items);
  };

  for (;;) {
    const at = source.position();
    const instruction = source.u8();
    if (instruction === code(".")) return { value: pop(), end: source.position() };
    const run = instructions[instruction];
    if (!run) fail(`the instruction 0x${instruction.toString(16).padStart(2, "0")} at byte ${at} is not read`);
    run?.();
  }
}

function code(character: string): number {
  return character.charCodeAt(0);
}

function isKnown(value: Pickled): value is Known {
  return typeof value === "object" && value !== null && "known" in value;
}

function isStateful(value: Pickled): value is Stateful {
  return typeof value === "object" && value !== null && "setState" in value;
}

/** `123` of protocol 0; `00` and `01` are the booleans. */
function textInteger(line: string, fail: Fail): number | bigint | boolean {
  if (line === "00" || line === "01") return line === "01";
  if (!/^-?\d{1,60}$/.test(line)) return fail(`${JSON.stringify(line.slice(0, 30))} is no whole number`);
  const number = Number(line);
  return Number.isSafeInteger(number) ? number : BigInt(line);
}

/** A quoted string of protocol 0 without escapes. */
function quoted(line: string, fail: Fail): string {
  const found = /^(['"])([^\\]*)\1$/.exec(line);
  return found ? found[2]! : fail("text with escapes is not read");
}

/** Reads little-endian values one after another; nothing is believed to be longer than what is left. */
function reader(bytes: Uint8Array, start: number, fail: Fail) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const utf8 = new TextDecoder("utf-8", { fatal: true });
  let at = start;
  /** Where `count` bytes begin. */
  const skip = (count: number): number => {
    const left = bytes.length - at;
    if (count > left) fail(`it claims ${count} bytes where ${left} are left`);
    at += count;
    return at - count;
  };
  const take = (count: number): Uint8Array => {
    const from = skip(count);
    return new Uint8Array(bytes.buffer, bytes.byteOffset + from, count);
  };
  const u64 = () => Number(view.getBigUint64(skip(8), true));
  return {
    position: () => at,
    take,
    u64,
    u8: () => view.getUint8(skip(1)),
    u16: () => view.getUint16(skip(2), true),
    u32: () => view.getUint32(skip(4), true),
    i32: () => view.getInt32(skip(4), true),
    f64: () => view.getFloat64(skip(8), false),
    latin1(count: number): string {
      const from = skip(count);
      return buffer.toString("latin1", from, from + count);
    },
    text(count: number): string {
      try {
        return utf8.decode(take(count));
      } catch (error) {
        if (error instanceof DataError) throw error;
        return fail("a text is not UTF-8");
      }
    },
    /** Two's complement of `count` bytes. */
    integer(count: number): number | bigint {
      if (count > MAX_INTEGER) fail(`an integer of ${count} bytes`);
      let value = 0n;
      for (const [i, byte] of take(count).entries()) value |= BigInt(byte) << BigInt(8 * i);
      const signed = BigInt.asIntN(8 * count, value);
      const number = Number(signed);
      return Number.isSafeInteger(number) ? number : signed;
    },
    line(): string {
      const end = buffer.indexOf(10, at);
      if (end < 0 || end - at > 1000) fail("a line does not end");
      const from = skip(end - at + 1);
      return buffer.toString("latin1", from, end);
    },
  };
}
