/** Collects the nodes of a graph while operators are translated. */
import { type Attribute, floats, integers, type OnnxNode, type OnnxTensor } from "./model.js";

export class Builder {
  readonly nodes: OnnxNode[] = [];
  readonly initializers = new Map<string, OnnxTensor>();
  /** What is being translated: names of nodes and values begin with it. */
  where = "";
  #count = 0;
  readonly #pictures: string;

  /** `pictures`: the input of the graph. */
  constructor(pictures: string) {
    this.#pictures = pictures;
  }

  /** Adds a node with one output and returns the output's name. */
  node(op: string, inputs: readonly string[], attributes: Readonly<Record<string, Attribute>> = {}): string {
    const name = this.fresh(op);
    this.nodes.push({ op, inputs, outputs: [name], attributes, name });
    return name;
  }

  fresh(what: string): string {
    return `${this.where === "" ? "" : `${this.where}/`}${what}_${this.#count++}`;
  }

  constant(tensor: OnnxTensor, name = this.fresh("constant")): string {
    this.initializers.set(name, tensor);
    return name;
  }

  /** A number as float32 without axes. */
  scalar(value: number): string {
    return this.constant(floats([value], []));
  }

  /** The number of pictures, as a list of one length. */
  batch(): string {
    return this.node("Shape", [this.#pictures], { start: int(0), end: int(1) });
  }

  ints(values: readonly number[]): string {
    return this.constant(integers(values));
  }
}

export const int = (value: number): Attribute => ({ int: value });
export const ints = (values: readonly number[]): Attribute => ({ ints: values });
export const float = (value: number): Attribute => ({ float: value });
