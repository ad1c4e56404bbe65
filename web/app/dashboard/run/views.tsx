/** The views of some pictures that the network really gets. */
import { useEffect, useState } from "preact/hooks";
import type { SeenViews } from "../../../../src/web/dashboard/api.js";
import { address, getJson } from "../../shared/server.js";
import { Sprite } from "./sprite.js";

export function Views({ run }: { readonly run: string }) {
  const [views, setViews] = useState<SeenViews>();
  useEffect(() => {
    const stop = new AbortController();
    setViews(undefined);
    getJson<SeenViews>(address("/api/seen/views", { run }), stop.signal).then(setViews, () => undefined); // none: nothing to show
    return () => stop.abort();
  }, [run]);
  if (!views) return null;
  const { columns, index, sheet } = views;
  return (
    <section aria-labelledby="views">
      <h2 id="views">What the network sees</h2>
      <p class="soft">The same pictures in draws of the views that training makes of them.</p>
      <div class="scroll">
        <table class="views">
          <thead>
            <tr>
              {columns.map((name) => (
                <th key={name}>{name}</th>
              ))}
            </tr>
          </thead>
          <tbody>
            {index.map((picture, i) => (
              <tr key={picture}>
                {columns.map((name, k) => (
                  <td key={name}>
                    <Sprite
                      run={run}
                      name="views"
                      sheet={sheet}
                      cell={i * columns.length + k}
                      count={index.length * columns.length}
                      size={64}
                      label={`picture ${picture}, ${name}`}
                    />
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}
