// Files of torch.save against what PyTorch put into them (test/reference/make-torch-files.py), and pickles that mean harm.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, test } from "vitest";
import { DataError } from "../../src/errors.js";
import { unpickle } from "../../src/files/pickle.js";
import { NumpyArray, plainNames } from "../../src/files/pickle-names.js";
import { type RawTensor, writeSafetensors } from "../../src/files/safetensors.js";
import { decodeTorchFile, readWeightsFile } from "../../src/files/torch-file.js";
import { removeFolder, temporaryFolder } from "../support/train-run.js";

const made = fileURLToPath(new URL("../reference/torch-files/", import.meta.url));
const folder = temporaryFolder();
afterAll(() => removeFolder(folder));

interface Stored {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly values: readonly number[];
}
const wanted: Readonly<Record<string, Stored>> = JSON.parse(readFileSync(join(made, "values.json"), "utf8")).tensors;

const dtypes: Readonly<Record<string, string>> = {
  F64: "torch.float64",
  F32: "torch.float32",
  F16: "torch.float16",
  BF16: "torch.bfloat16",
  I64: "torch.int64",
  U8: "torch.uint8",
  BOOL: "torch.bool",
};

function half(bits: number): number {
  const [sign, exponent, fraction] = [bits & 0x8000 ? -1 : 1, (bits >> 10) & 31, bits & 1023];
  return exponent === 0 ? sign * fraction * 2 ** -24 : sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

function numbers({ dtype, bytes }: RawTensor): number[] {
  const { buffer } = bytes.slice();
  if (dtype === "F64") return [...new Float64Array(buffer)];
  if (dtype === "F32") return [...new Float32Array(buffer)];
  if (dtype === "I64") return [...new BigInt64Array(buffer)].map(Number);
  if (dtype === "F16") return [...new Uint16Array(buffer)].map(half);
  if (dtype === "BF16") return [...new Float32Array(Uint32Array.from(new Uint16Array(buffer), (w) => w << 16).buffer)];
  return [...bytes];
}

describe("torch.save files", () => {
  for (const form of ["zip", "stream"]) {
    for (const [name, taken] of [
      ["plain", []],
      ["wrapped", ["state_dict"]],
      ["averaged", ["model_ema"]],
    ] as const) {
      test(`${name}, ${form} form: every tensor by name, type, shape and value`, () => {
        const { tensors, taken: keys } = readWeightsFile(join(made, `${name}.${form}.pth`));
        expect(keys).toEqual(taken);
        expect([...tensors.keys()]).toEqual(Object.keys(wanted));
        for (const [key, { dtype, shape, values }] of Object.entries(wanted)) {
          const found = tensors.get(key)!;
          expect([dtypes[found.dtype], found.shape, numbers(found)], key).toEqual([dtype, shape, values]);
        }
      });

      test(`${name}, ${form} form: cut off anywhere, it is refused as bad data`, () => {
        const file = readFileSync(join(made, `${name}.${form}.pth`));
        for (let length = 5; length < file.length; length += 97) {
          expect(() => decodeTorchFile(Uint8Array.from(file.subarray(0, length)), "cut"), `${length}`).toThrow(
            DataError,
          );
        }
      });

      test(`${name}, ${form} form: with any byte changed it is read or refused, never another error`, () => {
        const file = readFileSync(join(made, `${name}.${form}.pth`));
        for (let at = 0; at < file.length; at += 13) {
          const changed = Uint8Array.from(file);
          changed[at]! ^= 0x55;
          try {
            decodeTorchFile(changed, "changed");
          } catch (error) {
            expect(error, `${at}: ${String(error)}`).toBeInstanceOf(DataError);
          }
        }
      });
    }
  }

  test("what AveragedModel counts beside its network is no weight, compiled or not", () => {
    const [path, one] = [
      join(folder, "averaged.safetensors"),
      { dtype: "F32", shape: [1], bytes: new Uint8Array(4) } as const,
    ];
    const counter = { dtype: "I64", shape: [], bytes: new Uint8Array(8) } as const;
    const namesOf = (tensors: Record<string, typeof one | typeof counter>) => {
      writeSafetensors(path, tensors);
      return [...readWeightsFile(path).tensors.keys()];
    };
    expect(namesOf({ n_averaged: counter, "module.fc.bias": one })).toEqual(["fc.bias"]);
    expect(namesOf({ "_orig_mod.n_averaged": counter, "_orig_mod.module.fc.bias": one })).toEqual(["fc.bias"]);
    expect(namesOf({ n_averaged: counter, "fc.bias": one }).sort()).toEqual(["fc.bias", "n_averaged"]);
  });

  test("safetensors are told from a pickle, whatever the length of their header begins with", () => {
    const path = join(folder, "header.safetensors");
    const one = { dtype: "F32", shape: [1], bytes: new Uint8Array(4) } as const;
    const firsts = new Set<number>();
    for (let letters = 1; letters <= 256; letters += 8) {
      const name = "w".repeat(letters);
      writeSafetensors(path, { [name]: one });
      firsts.add(readFileSync(path)[0]!);
      expect([...readWeightsFile(path).tensors.keys()]).toEqual([name]);
    }
    expect(firsts).toContain(0x80);
  });

  test("a whole module is code: refused by its name", () => {
    expect(() => readWeightsFile(join(made, "module.zip.pth"))).toThrow(
      /names torch.nn.modules.linear.Linear, .* Nothing was executed/,
    );
  });
});

/** Bytes of text and numbers. */
const bytes = (...parts: (string | number)[]) =>
  Buffer.concat(parts.map((p) => (typeof p === "string" ? Buffer.from(p, "latin1") : Buffer.from([p]))));
const plain = (pickle: Uint8Array) => unpickle(pickle, { who: "p", names: plainNames }).value;

/** A tensor of one number, by the key of its storage, or a table of such. */
type Part = string | { readonly [name: string]: Part };

/** The stream form of torch.save with these tables, protocol 2. */
function saved(table: Part): Uint8Array {
  const keys = new Set<string>();
  const text = (s: string) => bytes("X", s.length, 0, 0, 0, s);
  const pickled = (content: Uint8Array) => bytes(0x80, 2, Buffer.from(content).toString("latin1"), ".");
  const plainOf = (buffer: Uint8Array) => Buffer.from(buffer).toString("latin1");
  const write = (part: Part): Buffer => {
    if (typeof part !== "string") {
      const items = Object.entries(part).map(([name, inner]) => plainOf(text(name)) + plainOf(write(inner)));
      return bytes("}(", items.join(""), "u");
    }
    keys.add(part);
    const storage = ["(", text("storage"), "ctorch\nFloatStorage\n", text(part), text("cpu"), "K\x01NtQ"];
    const pieces = storage.map((piece) => (typeof piece === "string" ? piece : plainOf(piece)));
    return bytes("ctorch._utils\n_rebuild_tensor_v2\n(", ...pieces, "K\x00(K\x01t(K\x01t\x89}tR");
  };
  const value = write(table);
  const magic = bytes(0x8a, 10, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19);
  const list = bytes("](", [...keys].map((key) => plainOf(text(key))).join(""), "e");
  const pickles = [magic, bytes("M", 0xe9, 3), bytes("}"), value, list].map(pickled);
  const storages = [...keys].map(() => bytes(1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x80, 0x3f));
  return Uint8Array.from(Buffer.concat([...pickles, ...storages]));
}

describe("where the weights lie", () => {
  const net = { "fc.bias": "0" };
  test.each<[Part, readonly string[]]>([
    [{ state_dict: net, ema: {} }, ["state_dict"]],
    [{ state_dict: net, ema: { shadow: { "fc.bias": "1" } } }, ["state_dict"]],
    [{ model: net, model_ema: {} }, ["model"]],
    [{ model: net, model_ema: { "fc.bias": "1" } }, ["model_ema"]],
    [{ ema: { state_dict: net }, model: { "fc.bias": "1" } }, ["ema", "state_dict"]],
    [{ ema: { model: { net: { module: net } } }, model: net }, ["model"]],
    [net, []],
  ])("%j: %j", (table, way) => {
    const { tensors, taken } = decodeTorchFile(saved(table), "file");
    expect(taken).toEqual(way);
    expect([...tensors.keys()]).toEqual(["fc.bias"]);
  });

  test("nowhere: its keys are named", () => {
    expect(() => decodeTorchFile(saved({ ema: {}, other: net }), "file")).toThrow(/its keys are: ema, other/);
  });
});

describe("pickles", () => {
  for (const protocol of [2, 4]) {
    test(`NumPy's arrays, bytes and numbers, protocol ${protocol}`, () => {
      const table = plain(readFileSync(join(made, `numpy.protocol${protocol}.pkl`))) as Map<unknown, unknown>;
      const byName = new Map([...table].map(([key, value]) => [Buffer.from(key as Uint8Array).toString(), value]));
      const data = byName.get("data") as NumpyArray;
      expect([data.shape, data.type, [...data.bytes]]).toEqual([[2, 3], "|u1", [0, 50, 100, 150, 200, 250]]);
      expect(byName.get("labels")).toEqual([3, 8]);
      expect([...(byName.get("batch_label") as Uint8Array)]).toEqual([255, 32, 111, 110, 101]);
      const floats = byName.get("floats") as NumpyArray;
      expect([floats.type, [...new Float32Array(floats.bytes.slice().buffer)]]).toEqual(["<f4", [1.5, -2]]);
      expect(byName.get("mean")).toBeInstanceOf(NumpyArray);
    });
  }

  test("Python 2's CIFAR-10 form: str keys and an array whose bytes are a str", () => {
    const pickle = bytes("\x80\x02}q\x00U\x04dataq\x01cnumpy.core.multiarray\n_reconstruct\nq\x02cnumpy\nndarray\n");
    const rest = bytes("K\x00\x85U\x01b\x87R(K\x01K\x02K\x03\x86cnumpy\ndtype\nU\x02u1K\x00K\x01\x87R(K\x03U\x01|NNNJ");
    const end = bytes("\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89U\x06\x00\x01\x02\xfd\xfe\xfftbs.");
    const data = (plain(Buffer.concat([pickle, rest, end])) as Map<string, NumpyArray>).get("data")!;
    expect([data.shape, [...data.bytes]]).toEqual([
      [2, 3],
      [0, 1, 2, 253, 254, 255],
    ]);
  });

  const hostile: [string, Uint8Array, RegExp][] = [
    [
      "REDUCE of os.system",
      bytes("\x80\x02cos\nsystem\nU\x09touch bad\x85R."),
      /names os.system, .* Nothing was executed/,
    ],
    ["REDUCE of posix.system", bytes("\x80\x02cposix\nsystem\nU\x02id\x85R."), /names posix.system/],
    [
      "STACK_GLOBAL of builtins.eval",
      bytes("\x80\x04\x8c\x08builtins\x8c\x04eval\x93\x8c\x011\x85R."),
      /names builtins.eval/,
    ],
    ["INST of os.system", bytes("(S'id'\nios\nsystem\n."), /names os.system/],
    ["OBJ", bytes("(ccollections\nOrderedDict\no."), /an instance of a class/],
    ["a name of JavaScript", bytes("c__proto__\nconstructor\n)R."), /names __proto__.constructor/],
    ["EXT1", bytes("\x80\x02\x82\x01."), /instruction 0x82 at byte 2/],
    ["deep lists", bytes("\x80\x02", "]".repeat(5000), "a".repeat(4999), "."), /more than 100 deep/],
    ["deep tuples", bytes("\x80\x02)", "\x85".repeat(5000), "."), /more than 100 deep/],
    ["a 4 GB string", bytes("\x80\x02X\xff\xff\xff\xffabc."), /claims 4294967295 bytes where 4 are left/],
    ["a string of 2^63 bytes", bytes("\x80\x04\x8d", "\xff".repeat(8), "."), /claims 18446744073709552000 bytes/],
    ["an integer of 4 GB", bytes("\x80\x02\x8b\xff\xff\xff\xff."), /an integer of 4294967295 bytes/],
    ["a recall of nothing", bytes("\x80\x02h\x07."), /nothing was remembered as 7/],
    ["an empty stack", bytes("\x80\x02R."), /takes a value that is not there/],
    ["no end", bytes("\x80\x02K\x01"), /claims 1 bytes where 0 are left/],
    ["a persistent id", bytes("\x80\x02K\x01Q."), /refers to data outside/],
    ["state for a list", bytes("\x80\x02]}b."), /state of something that has none/],
    [
      "4 GB of NumPy",
      bytes(
        "cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\n\x85R(K\x01J\x00\x00\x00\x7f\x85cnumpy\ndtype\nU\x02u1\x85R\x89U\x00tb.",
      ),
      /needs 2130706432 bytes and has 0/,
    ],
  ];
  for (const [what, pickle, message] of hostile) {
    test(`refused: ${what}`, () => {
      expect(() => plain(pickle)).toThrow(DataError);
      expect(() => plain(pickle)).toThrow(message);
    });
  }

  test("a bomb of references stays as small as its file", () => {
    // l0 = [1]; l1 = [l0 x 10]; ... : 10^60 numbers if copied.
    const levels = Array.from({ length: 60 }, (_, i) =>
      bytes("](", `h${String.fromCharCode(i)}`.repeat(10), "eq", i + 1),
    );
    expect(plain(Buffer.concat([bytes("\x80\x02]K\x01aq\x00"), ...levels, bytes(".")]))).toHaveLength(10);
  });

  test("tensors that repeat one number to 40 GB are refused", () => {
    const file = readFileSync(join(made, "plain.stream.pth"));
    // The shape (2, 3) with strides (0, 0) of "repeated": K\x02K\x03 -> two sizes of 100,000.
    const at = file.indexOf(bytes("K\x02K\x03\x86q"), file.indexOf("repeated"));
    const changed = Buffer.concat([
      file.subarray(0, at),
      bytes("J\xa0\x86\x01\x00J\xa0\x86\x01\x00"),
      file.subarray(at + 4),
    ]);
    expect(() => decodeTorchFile(changed, "x")).toThrow(/claim far more than/);
  });

  test("a file of either kind is told from the other by its content, whatever its name", () => {
    const path = join(folder, "weights.safetensors");
    writeFileSync(path, readFileSync(join(made, "plain.zip.pth")));
    expect(readWeightsFile(path).tensors.size).toBe(14);
    writeFileSync(path, "text");
    expect(() => readWeightsFile(path)).toThrow(/not a complete safetensors file/);
    expect(() => readWeightsFile(join(folder, "none.pth"))).toThrow(/cannot be read/);
  });
});
