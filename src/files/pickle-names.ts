/** Names that pickles of numbers use, with meanings that only make data: ordered maps, bytes, and NumPy's arrays. */
import type { Fail, Known, Pickled, Stateful } from "./pickle.js";

/** An array of NumPy, row-major unless `fortran`. */
export class NumpyArray implements Stateful {
  shape: readonly number[] = [];
  /** NumPy's name of the type with its byte order: "u1", "<f4", "|b1". */
  type = "";
  fortran = false;
  bytes: Uint8Array = new Uint8Array(0);

  /** (version, shape, dtype, is Fortran order, raw bytes) */
  setState(state: Pickled, fail: Fail): void {
    const parts: Pickled[] = Array.isArray(state) ? state : [];
    if (parts.length !== 5) fail("an array of NumPy has an unknown state");
    const [, shape, type, fortran, raw] = parts;
    const { name, size } = type instanceof NumpyType ? type : fail("an array of NumPy has no type of numbers");
    this.shape = counts(shape, fail);
    this.type = name;
    this.fortran = fortran === true;
    this.bytes = asBytes(raw, fail);
    const wanted = this.shape.reduce((product, n) => product * n, size);
    if (wanted !== this.bytes.length) fail(`an array of NumPy needs ${wanted} bytes and has ${this.bytes.length}`);
  }
}

class NumpyType implements Stateful {
  name: string;
  readonly size: number;
  constructor(name: string, fail: Fail) {
    const found = /^([biuf])([1248])$/.exec(name);
    if (!found) fail(`NumPy's type ${JSON.stringify(name)} is not read`);
    this.name = name;
    this.size = Number(found![2]);
  }

  /** (version, byte order, ...): nothing else matters for numbers. */
  setState(state: Pickled, fail: Fail): void {
    const order = Array.isArray(state) ? state[1] : undefined;
    if (typeof order !== "string" || !/^[<>|=]$/.test(order)) fail("a NumPy type has no byte order");
    this.name = `${String(order)}${this.name.slice(-2)}`;
  }
}

const orderedDict: Known = {
  known: "collections.OrderedDict",
  call: (args, fail) => {
    const [pairs = []] = args;
    if (!Array.isArray(pairs)) return fail("an OrderedDict is made of something that is no list");
    const map = new Map<Pickled, Pickled>();
    for (const pair of pairs) {
      if (!Array.isArray(pair) || pair.length !== 2) return fail("an OrderedDict is made of something else than pairs");
      map.set(pair[0], pair[1]);
    }
    return map;
  },
};

/** How Python 3 writes bytes in protocol 2: as the Latin-1 text of them. */
const encode: Known = {
  known: "_codecs.encode",
  call: ([text, encoding], fail) =>
    typeof text === "string" && (encoding === "latin1" || encoding === "latin-1")
      ? asBytes(text, fail)
      : fail("text is encoded as something else than Latin-1"),
};

const ndarray: Known = { known: "numpy.ndarray" };

const reconstruct: Known = {
  known: "numpy.core.multiarray._reconstruct",
  call: ([type], fail) => (type === ndarray ? new NumpyArray() : fail("NumPy is to make something that is no array")),
};

const dtype: Known = {
  known: "numpy.dtype",
  call: ([name], fail) => (typeof name === "string" ? new NumpyType(name, fail) : fail("a NumPy type has no name")),
};

/** One number of NumPy. */
const scalar: Known = {
  known: "numpy.core.multiarray.scalar",
  call: ([type, raw], fail) => {
    if (!(type instanceof NumpyType)) return fail("a number of NumPy has no type");
    const array = new NumpyArray();
    array.setState([1, [], type, false, raw], fail);
    return array;
  },
};

const emptyBytes: Known = {
  known: "bytes",
  call: (args, fail) => (args.length === 0 ? new Uint8Array(0) : fail("bytes are made of something")),
};

export const plainNames: ReadonlyMap<string, Known> = new Map([
  ["collections OrderedDict", orderedDict],
  ["_codecs encode", encode],
  ["__builtin__ bytes", emptyBytes],
  ["builtins bytes", emptyBytes],
  ["numpy ndarray", ndarray],
  ["numpy dtype", dtype],
  ...["numpy.core.multiarray", "numpy._core.multiarray"].flatMap((module): [string, Known][] => [
    [`${module} _reconstruct`, reconstruct],
    [`${module} scalar`, scalar],
  ]),
]);

/** Bytes, or the Latin-1 text that stands for them. */
export function asBytes(value: Pickled, fail: Fail): Uint8Array {
  if (value instanceof Uint8Array) return value;
  if (typeof value !== "string") return fail("bytes are expected where something else stands");
  for (let i = 0; i < value.length; i++) {
    if (value.charCodeAt(i) > 255) return fail("bytes are expected where text stands");
  }
  return Uint8Array.from(Buffer.from(value, "latin1")); // not a Buffer, whose slice() does not copy
}

/** A tuple of sizes. */
export function counts(value: Pickled, fail: Fail): number[] {
  const list: Pickled[] = Array.isArray(value) ? value : fail("a shape is no tuple");
  return list.map((n) => (typeof n === "number" && Number.isSafeInteger(n) && n >= 0 ? n : fail("a size is no count")));
}
