/** The page: its head, and the view that the address names. */
import { useEffect } from "preact/hooks";
import { linkTo, usePlace } from "../shared/hash.js";
import { RunTable } from "./run-table.js";
import { useRuns } from "./use-runs.js";

const views = [["runs", "Runs"]] as const;

export function Dashboard() {
  const runs = useRuns();
  const { view, query } = usePlace();
  const chosen = query.getAll("run");
  const [current, title] = views.find(([name]) => name === view) ?? views[0];
  useEffect(() => {
    document.title = `${title} · fewlabels dashboard`;
  }, [title]);
  return (
    <>
      <a class="skip" href="#main">
        To the content
      </a>
      <header class="top">
        <h1>fewlabels dashboard</h1>
        <nav aria-label="Views">
          {views.map(([name, label]) => (
            <a key={name} href={linkTo(name, { run: chosen })} aria-current={name === current ? "page" : undefined}>
              {label}
            </a>
          ))}
        </nav>
        <span class="soft">{runs?.folder}</span>
        <span role="status" class="bad">
          {runs && !runs.connected ? "The server does not answer; trying again." : ""}
        </span>
      </header>
      <main id="main" tabIndex={-1}>
        {runs ? <RunTable runs={runs} chosen={chosen} /> : <p class="soft">Reading the runs ...</p>}
      </main>
    </>
  );
}
