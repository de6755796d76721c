import { address } from "../logic/route";

interface Props {
  label: string;
  /** The value of `part` in the address, null for the first one, and what people read. */
  parts: readonly (readonly [string | null, string])[];
  query: URLSearchParams;
}

/** Parts of a view, each with its address; all else that the address says stays. */
export function Tabs({ label, parts, query }: Props) {
  const kept = Object.fromEntries(query);
  return (
    <nav class="tabs" aria-label={label}>
      {parts.map(([part, title]) => (
        <a key={title} href={address(location.pathname, { ...kept, part })} aria-current={query.get("part") === part ? "page" : undefined}>{title}</a>
      ))}
    </nav>
  );
}
