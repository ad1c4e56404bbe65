/** ONNX files: the numbers of the fields are those of onnx.proto (IR version 8). */
import { readFileSync } from "node:fs";
import { DataError, UsageError } from "../../errors.js";
import { writeWhole } from "../../files/write-whole.js";
import {
  type Attribute,
  type ElementType,
  elementTypes,
  type OnnxModel,
  type OnnxNode,
  type OnnxPort,
  type OnnxTensor,
  OPSET,
} from "./model.js";
import {
  bytesField,
  type Chunks,
  fieldsOf,
  floatField,
  intField,
  messageField,
  sizeOf,
  textField,
  textOf,
  varintsOf,
} from "./protobuf.js";

/** Readers of protobuf take no longer message. */
const maxBytes = 2 ** 31 - 1;

const attributeKinds = { float: 1, int: 2, text: 3, ints: 7 } as const;

/** The model as the bytes of a file. Throws UsageError where it is too large for one. */
export function encodeOnnx({ nodes, initializers, input, output, metadata }: OnnxModel, version: string): Chunks {
  const graph = messageField(
    7,
    ...nodes.map((node) => messageField(1, encodeNode(node))),
    textField(2, "fewlabels"),
    ...[...initializers].map(([name, tensor]) => messageField(5, encodeTensor(name, tensor))),
    messageField(11, encodePort(input)),
    messageField(12, encodePort(output)),
  );
  const chunks = [
    intField(1, 8),
    textField(2, "fewlabels"),
    textField(3, version),
    graph,
    messageField(8, textField(1, ""), intField(2, OPSET)),
    ...Object.entries(metadata).map(([key, value]) => messageField(14, textField(1, key), textField(2, value))),
  ].flat();
  if (sizeOf(chunks) > maxBytes) {
    throw new UsageError(
      `export: the network needs ${(sizeOf(chunks) / 1e9).toFixed(1)} GB, and an ONNX file holds 2.1 GB. Use --dtype fp16 or int8`,
    );
  }
  return chunks;
}

function encodeNode({ op, inputs, outputs, attributes, name }: OnnxNode): Chunks {
  return [
    ...inputs.map((input) => textField(1, input)),
    ...outputs.map((out) => textField(2, out)),
    textField(3, name),
    textField(4, op),
    ...Object.entries(attributes).map(([key, value]) => messageField(5, textField(1, key), encodeAttribute(value))),
  ].flat();
}

function encodeAttribute(value: Attribute): Chunks {
  if ("int" in value) return [...intField(3, value.int), ...intField(20, attributeKinds.int)];
  if ("float" in value) return [...floatField(2, value.float), ...intField(20, attributeKinds.float)];
  if ("text" in value) return [...textField(4, value.text), ...intField(20, attributeKinds.text)];
  return [...value.ints.flatMap((n) => intField(8, n)), ...intField(20, attributeKinds.ints)];
}

function encodeTensor(name: string, { type, shape, bytes }: OnnxTensor): Chunks {
  const dims = shape.flatMap((n) => intField(1, n));
  return [...dims, ...intField(2, elementTypes[type]), ...textField(8, name), ...bytesField(9, bytes)];
}

function encodePort({ name, type, shape }: OnnxPort): Chunks {
  const dims = shape.map((n) => messageField(1, typeof n === "number" ? intField(1, n) : textField(2, n)));
  return [
    ...textField(1, name),
    ...messageField(2, messageField(1, intField(1, elementTypes[type]), messageField(2, ...dims))),
  ];
}

/** Writes the file, whole or not at all. Returns its size in bytes. */
export function writeChunks(path: string, chunks: Chunks): number {
  writeWhole(path, (file) => {
    for (const chunk of chunks) file.write(chunk);
  });
  return sizeOf(chunks);
}

/** Reads a file of the kind that `encodeOnnx` writes. Throws DataError on anything else. */
export function readOnnx(path: string): OnnxModel {
  let bytes: Uint8Array;
  try {
    bytes = readFileSync(path);
  } catch (error) {
    throw new DataError(`${path}: cannot be read (${(error as Error).message})`);
  }
  return decodeOnnx(bytes, path);
}

/** `who` names the file in errors. */
export function decodeOnnx(bytes: Uint8Array, who: string): OnnxModel {
  try {
    return decodeModel(bytes);
  } catch (error) {
    if (error instanceof DataError)
      throw new DataError(`${who}: not an ONNX file that fewlabels wrote: ${error.message}`);
    throw error;
  }
}

function decodeModel(bytes: Uint8Array): OnnxModel {
  const nodes: OnnxNode[] = [];
  const initializers = new Map<string, OnnxTensor>();
  const metadata: Record<string, string> = {};
  const ports: Record<number, OnnxPort[]> = { 11: [], 12: [] };
  for (const { field, bytes: content } of fieldsOf(bytes)) {
    if (field === 14) {
      const [key = "", value = ""] = [...fieldsOf(content)].map((part) => textOf(part.bytes));
      metadata[key] = value;
    }
    if (field !== 7) continue;
    for (const part of fieldsOf(content)) {
      if (part.field === 1) nodes.push(decodeNode(part.bytes));
      if (part.field === 5) initializers.set(...decodeTensor(part.bytes));
      ports[part.field]?.push(decodePort(part.bytes));
    }
  }
  const [input, output] = [ports[11]![0], ports[12]![0]];
  if (!input || !output) throw new DataError("it has no input or no output");
  return { nodes, initializers, input, output, metadata };
}

function decodeNode(bytes: Uint8Array): OnnxNode {
  const [inputs, outputs]: [string[], string[]] = [[], []];
  const attributes: Record<string, Attribute> = {};
  let [name, op] = ["", ""];
  for (const part of fieldsOf(bytes)) {
    if (part.field === 1) inputs.push(textOf(part.bytes));
    if (part.field === 2) outputs.push(textOf(part.bytes));
    if (part.field === 3) name = textOf(part.bytes);
    if (part.field === 4) op = textOf(part.bytes);
    if (part.field === 5) Object.assign(attributes, decodeAttribute(part.bytes));
  }
  return { op, inputs, outputs, attributes, name };
}

function decodeAttribute(bytes: Uint8Array): Record<string, Attribute> {
  const parts = [...fieldsOf(bytes)];
  const of = (field: number) => parts.find((part) => part.field === field);
  const name = textOf(of(1)?.bytes ?? new Uint8Array(0));
  const kind = of(20)?.number;
  if (kind === attributeKinds.float) return { [name]: { float: of(2)?.number ?? 0 } };
  if (kind === attributeKinds.int) return { [name]: { int: of(3)?.number ?? 0 } };
  if (kind === attributeKinds.text) return { [name]: { text: textOf(of(4)?.bytes ?? new Uint8Array(0)) } };
  if (kind === attributeKinds.ints)
    return { [name]: { ints: parts.flatMap((p) => (p.field === 8 ? varintsOf(p) : [])) } };
  throw new DataError(`its attribute ${name} is of kind ${kind}`);
}

function typeOf(code: number): ElementType {
  const found = Object.entries(elementTypes).find(([, own]) => own === code);
  if (!found) throw new DataError(`it has elements of type ${code}`);
  return found[0] as ElementType;
}

const elementBytes = { float32: 4, uint8: 1, int8: 1, int32: 4, int64: 8, bool: 1, float16: 2 } as const;

function decodeTensor(message: Uint8Array): [string, OnnxTensor] {
  const shape: number[] = [];
  let [name, code, bytes] = ["", 0, new Uint8Array(0)];
  for (const part of fieldsOf(message)) {
    if (part.field === 1) shape.push(...varintsOf(part));
    if (part.field === 2) code = part.number;
    if (part.field === 8) name = textOf(part.bytes);
    if (part.field === 9) bytes = new Uint8Array(part.bytes);
  }
  const type = typeOf(code);
  const expected = shape.reduce((product, n) => product * n, elementBytes[type]);
  if (bytes.length !== expected)
    throw new DataError(`its tensor ${name} has ${bytes.length} bytes, expected ${expected}`);
  return [name, { type, shape, bytes }];
}

function decodePort(bytes: Uint8Array): OnnxPort {
  const inside = (message: Uint8Array, field: number) => [...fieldsOf(message)].filter((part) => part.field === field);
  const [name, type] = [inside(bytes, 1)[0]?.bytes, inside(bytes, 2)[0]?.bytes];
  const tensor = type && inside(type, 1)[0]?.bytes;
  if (!name || !tensor) throw new DataError("its input or output is no tensor");
  const dims = inside(inside(tensor, 2)[0]?.bytes ?? new Uint8Array(0), 1);
  const shape = dims.map(({ bytes: dim }) => {
    const text = inside(dim, 2)[0];
    return text ? textOf(text.bytes) : (inside(dim, 1)[0]?.number ?? 0);
  });
  return { name: textOf(name), type: typeOf(inside(tensor, 1)[0]?.number ?? 0), shape };
}
