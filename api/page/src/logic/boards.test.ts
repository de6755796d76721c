import { describe, expect, it } from "vitest";
import { csv } from "./exports";
import { cellKey, comparedWith, conditionsOf, matricesOf, matricesSheet, shownSystems, usualDimensions, type CountedGroup } from "./matrices";
import { ingested, hasProblem } from "./operations";
import type { Run } from "./api";
import { resultsOf } from "./results";
import type { Cell, System } from "./scores";

const system = (run: string, ...evaluations: string[]): System => ({
  run_id: run, run, experiment: null, decoding: "", macro_over_sets: null, missing: 0,
  cells: Object.fromEntries(evaluations.map((evaluation) => [`set of ${evaluation}`, { evaluation } as Cell])),
});
const group = (by: Record<string, string>, errors: number, tokens: number, covered = 1): CountedGroup => ({
  by, rate: tokens ? errors / tokens : null, errors, tokens, substitutions: 0, deletions: 0, insertions: 0, utterances: 2, covered, coverage: covered / 2, interval: null,
});

describe("matrices", () => {
  const systems = [system("a", "a1", "a2"), system("b", "b1")];
  const groups = [
    group({ language: "en", snr: "10", evaluation: "a1" }, 1, 10), group({ language: "en", snr: "10", evaluation: "a2" }, 5, 10, 2),
    group({ language: "en", snr: "5", evaluation: "a1" }, 2, 10), group({ language: "de", snr: "10", evaluation: "b1" }, 4, 10),
    group({ language: "de", snr: "10", evaluation: "gone" }, 9, 9),
  ];
  const found = matricesOf(groups, systems, ["language", "snr"]);
  it("put the evaluations of a system together, with all that a cell is made of", () => {
    expect([found.rows, found.columns]).toEqual([["de", "en"], ["5", "10"]]);
    const cell = found.matrices[0]!.cells.get(cellKey("en", "10"))!;
    expect([cell.rate, cell.errors, cell.tokens, cell.coverage]).toEqual([0.3, 6, 20, 0.75]);
    expect(cell.shares.map((each) => each.evaluation)).toEqual(["a1", "a2"]);
    expect(found.matrices[1]!.cells.has(cellKey("en", "10"))).toBe(false);
    expect(found.highest).toBe(0.4);
  });
  it("are compared with the first system's", () => {
    expect(comparedWith(found, found.matrices[0]!)).toBeNull();
    expect(comparedWith(found, found.matrices[1]!)).toBe(found.matrices[0]);
  });
  it("stand apart by a third dimension", () => {
    const apart = matricesOf(groups.map((each) => ({ ...each, by: { ...each.by, domain: each.by.snr === "5" ? "phone" : "" } })), systems, ["language", "snr", "domain"]);
    expect(apart.matrices.map((each) => [each.system.run, each.slice])).toEqual([["a", ""], ["a", "phone"], ["b", ""]]);
  });
  it("start with what is telling: languages and noise before length", () => {
    expect(usualDimensions({ length: 5, language: 3, "condition.snr": 2, run: 4 })).toEqual(["language", "condition.snr"]);
    expect(usualDimensions({ length: 5, language: 1, "condition.snr": 2, test_set: 1 })).toEqual(["condition.snr", "length"]);
    expect(usualDimensions({ "condition.noise": 4, "condition.snr_db": 3, test_set: 3, speaker: 5, length: 3 })).toEqual(["condition.noise", "length"]);
    expect(usualDimensions({ "condition.noise": 4, test_set: 3 })).toEqual(["condition.noise", "test_set"]);
    expect(usualDimensions({ length: 5 })).toBeNull();
  });
  it("lead to utterances by what these can be filtered by", () => {
    expect(conditionsOf(["language", "domain", "condition.snr"], ["en", "phone", ""])).toEqual(["language=en", "condition.snr="]);
  });
  it("are exported cell by cell", () => {
    const text = csv(matricesSheet(found, ["language", "snr"], (each) => each, { vector: "v", profile: "p", filter: "" }), "about");
    expect(text).toContain("a,,en,10,0.3,6,20,4,0.75,a1 a2");
  });
  it("are of what was chosen, or of the first two", () => {
    expect(shownSystems(systems, ["b "], 6).map((each) => each.run)).toEqual(["b"]);
    expect(shownSystems(systems, [], 6).map((each) => each.run)).toEqual(["a", "b"]);
  });
});

describe("results of several runs", () => {
  it("stand side by side, the best in its direction, and none where nobody knows it", () => {
    const run = (test_sets: Record<string, Record<string, number>>) => ({ test_sets }) as unknown as Run;
    const found = resultsOf([run({ clean: { wer: 0.2, f1: 0.5, odd: 1 } }), run({ clean: { wer: 0.1, f1: 0.4, odd: 2 }, other: { wer: 0.3 } })]);
    expect(found.map((each) => [each.set, each.metric, each.best])).toEqual([["clean", "f1", 0.5], ["clean", "odd", null], ["clean", "wer", 0.1], ["other", "wer", null]]);
    expect(found[3]!.values).toEqual([null, 0.3]);
  });
});

describe("operations", () => {
  it("count what the gateway took, refused and failed at", () => {
    const seen = ingested({
      speech_tracker_ingest_requests_total_200: 10, speech_tracker_ingest_requests_total_503: 3, speech_tracker_ingest_requests_total_401: 5,
      speech_tracker_ingest_records_total_accepted: 42, speech_tracker_ingest_seconds_count: 4, speech_tracker_ingest_seconds_sum: 2,
    });
    expect(seen).toMatchObject({ requests: 18, failed: [["401", 5], ["503", 3]], accepted: 42, refused: 0, answerMs: 500, logMs: null });
  });
  it("know a run whose calls did not all arrive", () => {
    const delivery = { run_id: "r", verdict: "open", complete: false, calls: 3, received: 3, voided: 0, missing: 0, concurrent: false };
    expect([hasProblem(delivery), hasProblem({ ...delivery, missing: 1 }), hasProblem({ ...delivery, voided: 1 })]).toEqual([false, true, true]);
  });
});
