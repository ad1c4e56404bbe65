/** What the page of the studio sends, and in which order. */
import { afterEach, expect, test, vi } from "vitest";
import { actionsOf } from "../../../web/app/label/actions.js";

afterEach(() => vi.unstubAllGlobals());

test("answers reach the server in the order in which they were given, a slow or refused one too", async () => {
  vi.stubGlobal("document", { querySelector: () => null });
  const arrived: string[] = [];
  vi.stubGlobal("fetch", async (path: string, { body }: { body: string }) => {
    const { class: name } = JSON.parse(body) as { class?: string };
    // The first is the slowest on its way.
    await new Promise((resolve) => setTimeout(resolve, name === "a" ? 50 : 1));
    arrived.push(name ?? path);
    return name === "b" ? new Response('{"error":"no class b"}', { status: 400 }) : Response.json({ rows: [0] });
  });
  const failed: string[] = [];
  const actions = actionsOf(
    "Ann",
    () => {},
    (text) => failed.push(text),
  );
  const taken = await Promise.all([
    actions.label([0], "a"),
    actions.label([1], "b"),
    actions.label([2], "c"),
    actions.undo(),
  ]);
  expect(arrived).toEqual(["a", "b", "c", "/api/undo"]);
  expect(failed).toEqual(["no class b"]);
  expect(taken.slice(0, 3)).toEqual([true, false, true]);
});
