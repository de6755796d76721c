import { describe, expect, it } from "vitest";
import { latex } from "./exports";
import type { Evaluation } from "./evaluations";
import { points, pText, significanceSheet, testedOf, verdictOf, withTheBest, type ComparedSystem, type Significance } from "./significance";
import type { Cell, System } from "./scores";

const difference = (value: number, p: number) => ({
  difference: value, interval: { low: value - 0.01, high: value + 0.01 }, improvement: 0.5, p, p_adjusted: p, reduction: null, mapsswe: { p }, wilcoxon: null, mcnemar: { p: null }, welch: null,
});
const system = (evaluation: string, rate: number, more: Partial<ComparedSystem> = {}): ComparedSystem => ({
  evaluation, run_id: "r", run: evaluation, decoding: "", rate, interval: null, covered: 1, coverage: 1, best: false, tied: false, differs: [], difference: null, across_seeds: null, ...more,
});

describe("significance", () => {
  const base = system("a", 0.04, { best: true });
  const found = { against: "a", alpha: 0.05 };
  it("is told in words by the adjusted p alone", () => {
    expect(verdictOf(base, found)).toBe("the best");
    expect(verdictOf(system("b", 0.05, { difference: difference(0.01, 0.049) }), found)).toBe("more errors");
    expect(verdictOf(system("b", 0.03, { difference: difference(-0.01, 0.001) }), found)).toBe("fewer errors");
    expect(verdictOf(system("b", 0.05, { difference: { ...difference(0.01, 0.001), p_adjusted: 0.05 } }), found)).toBe("not told apart");
    expect(verdictOf(system("b", 0.05), found)).toBe("nothing in common");
  });
  it("has points with signs, and no p below one draw", () => {
    expect([-0.012, 0.00004, 0].map(points)).toEqual(["−1.20", "+0.00", "0.00"]);
    expect([pText(0, 10_000), pText(0.00055, 10_000), pText(0.04), pText(null)]).toEqual(["< 0.0001", "0.00055", "0.040", "–"]);
  });
  it("is exported with all tests and its reference, the best first", () => {
    const answer = { ...found, vector: "v", profile: "basic-wer", unit: "word", test_set: "clean", draws: 10, drawn: "speakers", utterances: 3, speakers: 2, common: false, warnings: [] } satisfies Omit<Significance, "systems">;
    const sheet = significanceSheet({ ...answer, systems: [system("b", 0.05, { difference: difference(0.01, 0.2) }), base] });
    expect(sheet.rows.map((row) => row[0])).toEqual(["a", "b"]);
    expect(sheet.notes).toContain("against a (evaluation a)");
    expect(latex(sheet, "x")).toContain("b &  & 5.00");
  });
  it("is of what is chosen, or else of the best that have the column's references", () => {
    const on = (evaluation: string, rate: number | null, differs: string[] = []): System => ({
      run_id: evaluation, run: evaluation, experiment: null, decoding: "", macro_over_sets: null, missing: 0, cells: { clean: { evaluation, rate, differs } as unknown as Cell },
    });
    const board = [on("a", 0.2), on("b", 0.1), on("old", 0.05, ["references"]), on("none", null)];
    expect(testedOf("clean", board, [])).toEqual(["b", "a"]);
    expect(testedOf("clean", board, [board[0]!])).toEqual(["b", "a"]);
    expect(testedOf("clean", board, [board[0]!, board[2]!])).toEqual(["old", "a"]);
  });
  it("of one evaluation is beside the best of its set", () => {
    const scored = (id: string, rate: number | null) => ({ id, score: rate === null ? null : { rate } }) as Evaluation;
    expect(withTheBest("me", [scored("c", 0.3), scored("me", 0.2), scored("a", 0.1), scored("open", null)], 2)).toEqual(["me", "a"]);
  });
});
