import { useAnswer } from "../logic/asking";
import { quoted } from "../logic/columns";
import { keyed } from "../logic/completion";
import { address } from "../logic/route";

interface Values {
  values: { value: string; count: number }[];
}

interface Facet {
  title: string;
  field: string;
  values: Values["values"];
}

const MOST = 8;
const TAGS = 6;
/** Tags that say again what a run has fields for. */
const ALSO_FIELDS = new Set(["task", "language", "languages", "domain", "domains"]);

/** Values of task, language, domain and the two tags that most runs have; null until all are there. */
export function useFacets(): Facet[] | null {
  const tags = useAnswer<Values>("/values", { field: "tags", limit: TAGS });
  const [one, other] = (tags.answer?.values ?? []).map((each) => each.value).filter((each) => !ALSO_FIELDS.has(each));
  const found = [
    useFacet("Task", "task"),
    useFacet("Language", "language"),
    useFacet("Domain", "domain"),
    useFacet(one ?? "", one === undefined ? null : keyed("tags", one)),
    useFacet(other ?? "", other === undefined ? null : keyed("tags", other)),
  ];
  if ((!tags.answer && !tags.problem) || found.includes(null)) return null;
  return found.filter((each) => each !== null && each.values.length > 0) as Facet[];
}

/** null while it is not known. */
function useFacet(title: string, field: string | null): Facet | null {
  const { answer, problem } = useAnswer<Values>(field === null ? null : "/values", { field, limit: MOST });
  if (field === null || problem) return { title, field: "", values: [] };
  return answer && { title, field, values: answer.values };
}

/** What there is by task, language, domain and tag, with how many of the newest runs; task: whose experiments are shown. */
export function Facets({ facets, task }: { facets: readonly Facet[] | null; task: string | null }) {
  if (facets?.length === 0) return <p class="facets quiet">No run has a task, language, domain or tag yet.</p>;
  return (
    <dl class="facets">
      {facets?.map(({ title, field, values }) => (
        <div key={field}>
          <dt>{title}</dt>
          <dd class="tags">
            {values.map(({ value, count }) => (
              <a key={value} class="tag" aria-current={field === "task" && value === task ? "true" : undefined} href={hrefOf(field, value)}>{value} <span class="quiet">{count}</span></a>
            ))}
          </dd>
        </div>
      ))}
    </dl>
  );
}

function hrefOf(field: string, value: string): string {
  return field === "task" ? address("/", { task: value }) : address("/runs", { filter: `${field} = ${quoted(value)}` });
}
