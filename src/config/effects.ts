/** Options that were given and could change nothing: each declares beside itself what it needs (`needs`), and here it is asked. */
import { UsageError } from "../errors.js";
import type { MethodDefinition } from "../methods/index.js";
import { planSchedule, scheduleOptions } from "../optim/index.js";
import { DECLARED, type Need, type Option, type OptionSpec, parseOptions } from "../options.js";
import type { Listed } from "./catalog.js";
import { asFlags, type Describe, type Given } from "./given.js";
import type { RunConfig } from "./run-config.js";
import { type Group, groups, runOptions } from "./run-options.js";

type Chosen = Readonly<Record<Group, { readonly item: Listed }>>;

/** Of the option `key`, as it is flattened. */
export class IdleOptionError extends UsageError {
  constructor(
    readonly key: string,
    message: string,
    /** What it needs, and what is there. */
    readonly why: string,
  ) {
    super(message);
  }
}

/** Throws IdleOptionError that names a given option which cannot have an effect in this run, and says what it needs. */
export function checkEffects(
  given: Given,
  config: RunConfig,
  chosen: Chosen,
  method: Partial<Pick<MethodDefinition, "views">>,
  describe: Describe,
): void {
  const look = (key: string) => {
    if (!key.startsWith(DECLARED)) return lookUp(key, config, method);
    // A network from outside may have layers that none of its options speaks of.
    const declared = declarationOf(key.slice(DECLARED.length), chosen) !== undefined;
    return declared || config.modules?.model === undefined ? declared : UNKNOWN;
  };
  for (const key of given.keys()) {
    const option = declarationOf(key, chosen);
    if (option && !isOff(look(key), option)) refuse(option, key, look, describe);
  }
}

/** What only the data tell: whether rows may be mirrored at all, and whether weak views are translated (else they are crops). */
export interface DataFacts {
  readonly "views.flip": boolean;
  readonly "views.translate": boolean;
}

/** The same of the method's options, once the data are there, for what they decide. Throws UsageError. */
export function checkDataEffects(config: RunConfig, method: Pick<Listed, "options">, facts: DataFacts): void {
  const look = (key: string) => (isDataFact(key) ? facts[key] : UNKNOWN);
  for (const key of config.given ?? []) {
    const name = key.startsWith("method.") ? key.slice("method.".length) : "";
    const option = method.options[name];
    // No translation is a view of its own among crops too.
    if (option && config.methodOptions[name] !== 0) refuse(option, key, look, asFlags("fewlabels"));
  }
}

function isDataFact(key: string): key is keyof DataFacts {
  return key === "views.flip" || key === "views.translate";
}

function refuse(option: Option, key: string, look: (key: string) => unknown, describe: Describe): void {
  for (const need of option.needs ?? []) {
    const value = look(need.key);
    if (value === UNKNOWN || need.holds(value)) continue;
    const { who, name } = describe(key);
    const why = saying(need, value, describe);
    throw new IdleOptionError(key, `${who}: ${name} has no effect in this run: ${why}. Leave it out`, why);
  }
}

/** Where nothing can be said. */
const UNKNOWN = Symbol("unknown");

function declarationOf(key: string, chosen: Chosen): Option | undefined {
  const group = groups.find((group) => key.startsWith(`${group}.`));
  const spec: OptionSpec = group ? chosen[group].item.options : runOptions;
  return spec[group ? key.slice(group.length + 1) : key];
}

/** The value of an option, or a fact about the run; those of the data come later. */
function lookUp(key: string, config: RunConfig, method: Partial<Pick<MethodDefinition, "views">>): unknown {
  if (isDataFact(key)) return UNKNOWN;
  if (key === "views.strong") {
    if (!method.views) return UNKNOWN;
    const parts = Object.values(method.views(config.methodOptions));
    const read = parts.some((part) => Object.values(part).some(({ augment }) => augment === "strong"));
    return read || config.labeledView === "strong";
  }
  if (key === "optimizer.warmup") {
    const own = Object.entries(config.optimizerOptions).filter(([name]) => Object.hasOwn(scheduleOptions, name));
    return planSchedule(parseOptions(scheduleOptions, Object.fromEntries(own), "optimizer"), config.steps).warmupSteps;
  }
  const group = groups.find((group) => key.startsWith(`${group}.`));
  // What is not given here, the data set decides.
  if (group === undefined) return config[key as keyof RunConfig] ?? UNKNOWN;
  return config[`${group}Options`][key.slice(group.length + 1)];
}

/** What switches something off says so, whether it would have an effect or not. */
function isOff(value: unknown, option: Option): boolean {
  return value === false || (value === option.default && (value === 0 || value === "" || value === "none"));
}

function saying({ key, words, fact }: Need, value: unknown, describe: Describe): string {
  if (fact !== undefined) return `it needs ${fact}`;
  const now = value === undefined ? "there is none here" : `it is ${String(value)}`;
  return `it needs ${describe(key).name} ${words} (${now})`;
}
