/** Where the reader is, in the part of the address behind "#": a link to a view can be kept, and Back works. */
import { useEffect, useState } from "preact/hooks";

export interface Place {
  /** "runs", "charts", ... */
  readonly view: string;
  readonly query: URLSearchParams;
}

function placeOf(hash: string): Place {
  const [view = "", query = ""] = hash.replace(/^#\/?/, "").split("?");
  return { view, query: new URLSearchParams(query) };
}

export function usePlace(): Place {
  const [place, setPlace] = useState(() => placeOf(location.hash));
  useEffect(() => {
    const onChange = () => setPlace(placeOf(location.hash));
    addEventListener("hashchange", onChange);
    return () => removeEventListener("hashchange", onChange);
  }, []);
  return place;
}

export function linkTo(view: string, query: Readonly<Record<string, string | readonly string[]>> = {}): string {
  const text = new URLSearchParams(
    Object.entries(query).flatMap(([key, value]) =>
      typeof value === "string" ? [[key, value]] : value.map((one) => [key, one]),
    ),
  ).toString();
  return text === "" ? `#/${view}` : `#/${view}?${text}`;
}
