/** What the filter box offers where somebody types: names of the language, keys and values that runs have. */
import { useEffect, useState } from "preact/hooks";
import { get } from "../logic/api";
import { CONNECTIVES, DIRECTIONS, keyed, literal, matching, OPERATORS, type Place } from "../logic/completion";
import { resultId } from "../logic/columns";
import { useSettled } from "../logic/settled";

interface Names {
  fields: { name: string; kind: string }[];
  keyed: string[];
}

interface TestSets {
  test_sets: { test_set: string; metrics: string[] }[];
}

interface Values {
  values: { value: string }[];
}

const MOST = 12;
const KEYS = 300;
const TYPING_MS = 80;

/** The choices at a place, the likeliest first; empty while they are not known, and where nothing is to be chosen. */
export function useCompletions(place: Place | null): string[] {
  const [choices, setChoices] = useState<string[]>([]);
  const ask = useSettled((now: Place | null) => {
    if (now) choicesAt(now).then(setChoices, () => setChoices([]));
    else setChoices([]);
  }, TYPING_MS);
  useEffect(() => ask(place), [place?.wanted, place?.field, place?.from, place?.typed]);
  return place ? choices : [];
}

async function choicesAt({ wanted, field, typed }: Place): Promise<string[]> {
  if (wanted === "field") return matching([...(await fields()), ...results], typed, MOST);
  if (wanted === "operator") return matching(OPERATORS, typed, OPERATORS.length);
  if (wanted === "connective") return matching(CONNECTIVES, typed, MOST);
  if (wanted === "direction") return matching([...DIRECTIONS, ", "], typed, MOST);
  if (wanted === "value") return matching(await values(field, typed), typed, MOST);
  return [];
}

let known: Promise<string[]> | null = null;
/** On test sets: of all runs, so they come later than the rest, which does not wait. */
let results: string[] = [];

/** Every name of the language, with the keys that runs have; asked for once. */
export function fields(): Promise<string[]> {
  known ??= allFields().catch((problem) => {
    known = null;
    throw problem;
  });
  return known;
}

async function allFields(): Promise<string[]> {
  const names = await get<Names>("/fields");
  const keys = await Promise.all(names.keyed.map((field) => get<Values>("/values", { field, limit: KEYS })));
  const sets = get<TestSets>("/test-sets");
  sets.then(({ test_sets }) => (results = test_sets.flatMap((each) => each.metrics.map((metric) => resultId(metric, each.test_set)))), () => {});
  const plain = names.fields.map((each) => each.name);
  return [...plain, "test_set", ...names.keyed.flatMap((root, i) => keys[i]!.values.map((each) => keyed(root, each.value)))];
}

async function values(field: string, typed: string): Promise<string[]> {
  if (/^(created|started|finished|updated|heartbeat)/.test(field)) return ["now() - 1d", "now() - 7d", `'${new Date().toISOString().slice(0, 10)}'`];
  if (field === "archived") return ["true", "false"];
  const prefix = typed.replace(/^['"]/, "").replace(/['"]$/, "");
  const found = await get<Values>("/values", { field, prefix, limit: MOST });
  return found.values.map((each) => literal(each.value));
}
