/** Who frees a tensor, and when: scopes first, the garbage collector as a backstop. Knows handles, not operators. */
import { EngineError } from "../errors.js";
import { addon } from "./addon.js";

/** What a scope needs to know of a tensor. */
export interface Owned {
  /** Throws once released. */
  readonly handle: number;
  readonly released: boolean;
  /** Lives beyond its scope. */
  readonly isKept: boolean;
  /** Gives the handle up without freeing it. */
  surrender(): number;
}

/** Puts a new tensor under the innermost scope, or, outside all of them, under the garbage collector. */
export function adopt(t: Owned): void {
  const innermost = scopes.at(-1);
  if (innermost) innermost.push(t);
  else guardByFinalizer(t);
}

/** Scopes under way in this thread, the innermost last. */
const scopes: Owned[][] = [];
const atOutermostEnd: (() => void)[] = [];

/** Whether a scope is under way. */
export const inScope = (): boolean => scopes.length > 0;

/** Has `listener` called whenever an outermost scope ends: a step is over, and what waited in it is in vain. */
export function onOutermostEnd(listener: () => void): void {
  atOutermostEnd.push(listener);
}

/**
 * Runs `body` and releases every tensor made inside, on a throw too, except those it returns (in arrays or records as
 * well) and those marked by `keep()`. What it returns belongs to the outer scope, if there is one. `body` must be synchronous.
 */
export function scope<T>(body: () => T): T {
  const made: Owned[] = [];
  scopes.push(made);
  let survivors: ReadonlySet<Owned> = new Set();
  try {
    const result = body();
    if (result instanceof Promise) throw new EngineError("scope: the function must be synchronous, got a promise");
    survivors = ownedIn(result);
    return result;
  } finally {
    scopes.pop();
    const outer = scopes.at(-1);
    if (!outer) for (const listener of atOutermostEnd) listener();
    const dead: number[] = [];
    for (const t of made) {
      if (t.released) continue;
      if (!t.isKept && !survivors.has(t)) dead.push(t.surrender());
      else if (outer && !t.isKept) outer.push(t);
      else guardByFinalizer(t);
    }
    addon().release(dead);
  }
}

interface Guarded {
  readonly handle: number;
  readonly bytes: number;
}

/** A backstop, not the rule: frees what was made outside every scope and then forgotten. */
const finalizers = new FinalizationRegistry<Guarded>(({ handle, bytes }) => {
  addon().release([handle]);
  addon().adjustExternalMemory(-bytes);
});
const guarded = new WeakMap<Owned, Guarded>();

/** Tells V8 how much memory hangs on the object, or it would see no reason to collect it. */
export function guardByFinalizer(t: Owned): void {
  if (guarded.has(t)) return;
  const { handle } = t;
  const held = { handle, bytes: addon().bytes(handle) };
  guarded.set(t, held);
  finalizers.register(t, held, t);
  addon().adjustExternalMemory(held.bytes);
}

export function unguard(t: Owned): void {
  const held = guarded.get(t);
  if (!held) return;
  guarded.delete(t);
  finalizers.unregister(t);
  addon().adjustExternalMemory(-held.bytes);
}

/** Everything owned in a value: itself, or entries of arrays and plain records. */
function ownedIn(value: unknown, found = new Set<Owned>()): Set<Owned> {
  if (isOwned(value)) found.add(value);
  else if (Array.isArray(value)) for (const item of value) ownedIn(item, found);
  else if (typeof value === "object" && value !== null && Object.getPrototypeOf(value) === Object.prototype) {
    for (const item of Object.values(value)) ownedIn(item, found);
  }
  return found;
}

function isOwned(value: unknown): value is Owned {
  return typeof value === "object" && value !== null && "surrender" in value;
}
