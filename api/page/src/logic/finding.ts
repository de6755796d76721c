/** What has a name with the words that somebody types: asked for when they pause, and never shown late. */
import { useEffect, useState } from "preact/hooks";
import { get, type Problem } from "./api";
import { quoted } from "./columns";
import { ago } from "./format";
import { address, shownMoment } from "./route";

export interface Named {
  experiments: { id: string; name: string; task: string | null; created_at: string }[];
  runs: { id: string; name: string; experiment: string | null; status: string; user: string | null; created_at: string }[];
  test_sets: { name: string; runs: number }[];
  evaluations: { id: string; run: string; test_set: string | null; name: string | null; started_at: string }[];
  people: { user: string; runs: number }[];
  reports: { id: string; title: string; saved_at: string }[];
}

/** Something to go to. */
export interface Place {
  key: string;
  title: string;
  about: string;
  to: string;
}

export interface Group {
  title: string;
  places: Place[];
}

interface Found {
  named: Named | null;
  problem: Problem | null;
  /** The text that this is the answer to. */
  of: string;
}

const PAUSE_MS = 120;
const EACH = 6;
export const LONGEST = 200;

export function useFound(text: string): Found {
  const [found, setFound] = useState<Found>({ named: null, problem: null, of: "" });
  const asOf = shownMoment();
  useEffect(() => {
    if (!text) return setFound({ named: null, problem: null, of: "" });
    const abort = new AbortController();
    const timer = setTimeout(() => {
      get<Named>("/search", { q: text, limit: EACH, as_of: asOf }, abort.signal).then(
        (named) => setFound({ named, problem: null, of: text }),
        (problem) => abort.signal.aborted || setFound({ named: null, problem, of: text }),
      );
    }, PAUSE_MS);
    return () => {
      clearTimeout(timer);
      abort.abort();
    };
  }, [text, asOf]);
  return found;
}

/** The places that an answer names, each with the view that shows it. */
export function placesOf(named: Named): Group[] {
  const runs = (count: number) => `${count} ${count === 1 ? "run" : "runs"}`;
  const groups: Group[] = [
    { title: "Experiments", places: named.experiments.map((each) => ({ key: each.id, title: each.name, about: each.task ?? "", to: runsWhere("experiment", each.name) })) },
    { title: "Runs", places: named.runs.map((each) => ({ key: each.id, title: each.name, about: line(each.experiment, each.user, each.status, ago(each.created_at)), to: address(`/runs/${each.id}`) })) },
    { title: "Test sets", places: named.test_sets.map((each) => ({ key: each.name, title: each.name, about: each.runs ? runs(each.runs) : "", to: address("/leaderboard", { filter: `test_set = ${quoted(each.name)}` }) })) },
    { title: "Evaluations", places: named.evaluations.map((each) => ({ key: each.id, title: `${each.run} on ${each.test_set ?? "a set without a name"}`, about: line(each.name, ago(each.started_at)), to: address(`/evaluations/${each.id}`) })) },
    { title: "Reports", places: named.reports.map((each) => ({ key: each.id, title: each.title, about: ago(each.saved_at), to: address(`/reports/${each.id}`) })) },
    { title: "People", places: named.people.map((each) => ({ key: each.user, title: each.user, about: runs(each.runs), to: runsWhere("user", each.user) })) },
  ];
  return groups.filter((group) => group.places.length);
}

function runsWhere(field: string, value: string): string {
  return address("/runs", { filter: `${field} = ${quoted(value)}` });
}

function line(...parts: (string | null)[]): string {
  return parts.filter(Boolean).join(" · ");
}

export function wordsOf(text: string): string[] {
  return text.toLowerCase().split(/\s+/).filter(Boolean);
}

/** A text in pieces, those lit that are one of the words. */
export function lit(text: string, words: readonly string[]): { text: string; lit: boolean }[] {
  const pattern = words.map((word) => word.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")).join("|");
  if (!pattern) return [{ text, lit: false }];
  // Of a split by a group, every other piece is what the group took.
  return text.split(new RegExp(`(${pattern})`, "giu")).map((piece, i) => ({ text: piece, lit: i % 2 === 1 })).filter((piece) => piece.text);
}
