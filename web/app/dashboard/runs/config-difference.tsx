/** The configurations of the chosen runs side by side; of several, what differs. */
import { useEffect, useState } from "preact/hooks";
import type { FlatConfig } from "../../../../src/web/dashboard/api.js";
import { address, getJson } from "../../shared/server.js";

export function ConfigDifference({ runs }: { readonly runs: readonly string[] }) {
  const [configs, setConfigs] = useState<ReadonlyMap<string, FlatConfig>>(new Map());
  const [all, setAll] = useState(false);
  const [problem, setProblem] = useState("");
  useEffect(() => {
    const stop = new AbortController();
    const configOf = (run: string) => getJson<FlatConfig>(address("/api/config", { run }), stop.signal);
    // One that cannot be read keeps nobody from comparing the others.
    void Promise.allSettled(runs.map(async (run) => [run, await configOf(run)] as const)).then((all) => {
      if (stop.signal.aborted) return;
      setConfigs(new Map(all.flatMap((one) => (one.status === "fulfilled" ? [one.value] : []))));
      setProblem(
        all
          .flatMap((one, i) => (one.status === "rejected" ? [`${runs[i]}: ${(one.reason as Error).message}`] : []))
          .join("; "),
      );
    });
    return () => stop.abort();
  }, [runs.join("\n")]);
  const shown = runs.filter((run) => configs.has(run));
  const keys = [...new Set(shown.flatMap((run) => Object.keys(configs.get(run)!)))];
  const differs = (key: string) => new Set(shown.map((run) => configs.get(run)![key])).size > 1;
  const rows = shown.length > 1 && !all ? keys.filter(differs) : keys;
  return (
    <section aria-labelledby="difference">
      <h2 id="difference">{runs.length > 1 ? "What differs" : "Configuration"}</h2>
      {problem && <p class="bad">{problem}</p>}
      {shown.length > 1 && (
        <p class="bar">
          <label>
            <input type="checkbox" checked={all} onChange={(event) => setAll(event.currentTarget.checked)} />
            what is the same, too
          </label>
          {rows.length === 0 && <span>Nothing differs.</span>}
        </p>
      )}
      <div class="scroll">
        <table>
          <thead>
            <tr>
              <th>option</th>
              {shown.map((run) => (
                <th key={run}>{run}</th>
              ))}
            </tr>
          </thead>
          <tbody>
            {rows.map((key) => (
              <tr key={key}>
                <th>{key}</th>
                {shown.map((run) => (
                  <td key={run}>{configs.get(run)![key] ?? "-"}</td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}
