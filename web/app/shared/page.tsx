/** What every page has: a way past the head, its name, its views as links, what is wrong; and the view itself. */
import type { ComponentChildren } from "preact";
import { useEffect } from "preact/hooks";
import { linkTo } from "./hash.js";

interface PageProps {
  /** As in `fewlabels NAME`. */
  readonly name: string;
  /** Names in addresses, and as they are shown. */
  readonly views: readonly (readonly [name: string, words: string])[];
  readonly current: string;
  readonly linkOf?: (view: string) => string;
  /** At the end of the head. */
  readonly extra: ComponentChildren;
  /** The server does not answer. */
  readonly lost: boolean;
  readonly problem?: string;
  readonly children: ComponentChildren;
}

export function Page({ name, views, current, linkOf = linkTo, extra, lost, problem = "", children }: PageProps) {
  const title = views.find(([view]) => view === current)?.[1];
  useEffect(() => {
    document.title = `${title} · fewlabels ${name}`;
  }, [title]);
  return (
    <>
      {/* biome-ignore lint/a11y/useValidAnchor: it leads to a place in the page, whose address the views use for themselves. */}
      <a
        class="skip"
        href="#main"
        onClick={(event) => {
          // The part of an address behind "#" names the view.
          event.preventDefault();
          document.getElementById("main")?.focus();
        }}
      >
        To the content
      </a>
      <header class="top">
        <h1>fewlabels {name}</h1>
        <nav aria-label="Views">
          {views.map(([view, words]) => (
            <a key={view} href={linkOf(view)} aria-current={view === current ? "page" : undefined}>
              {words}
            </a>
          ))}
        </nav>
        {extra}
        <span role="status" class="bad">
          {lost ? "The server does not answer; trying again." : problem}
        </span>
      </header>
      <main id="main" tabIndex={-1}>
        {children}
      </main>
    </>
  );
}
