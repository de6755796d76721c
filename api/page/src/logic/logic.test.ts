import { describe, expect, it } from "vitest";
import { lines, merged, wordNumbers, type Operation, type Step } from "./alignment";
import { colourOf } from "./colours";
import type { Run } from "./api";
import { column, differing, flat, inside, moved, nextOrder, orderTerm, parseOrder, testSetsOf, usualColumns } from "./columns";
import { completed, keyed, literal, matching, placeAt } from "./completion";
import { aligned, bandOf, extended, lineOf, panelOrder, parted, smoothed, together } from "./curves";
import { duration, latency, metric, plain, settings, size, realTime } from "./format";
import { groupsOf, spreadText, within } from "./groups";
import { coordinates } from "./parallel";
import { address, joined, list } from "./route";
import { bestOf, differences, evidence, orderedSystems, shareText, type Cell, type ScoredSet, type System } from "./scores";
import { titleOf } from "./title";

describe("addresses", () => {
  it("leave out what is empty", () => {
    expect(address("/runs", { filter: "", order: "name", zoom: null })).toBe("/runs?order=name");
  });
  it("give lists again, whatever is in their values", () => {
    const values = ["a,b", "50%", "wer['x, y']", "ü"];
    expect(list(joined(values))).toEqual(values);
  });
});

describe("values", () => {
  it("are per cent where they are rates", () => {
    expect(metric("val_wer", 0.0437)).toBe("4.37 %");
    expect(metric("rtf", 0.13)).toBe("0.13");
    expect([0.13, 6.574, 0.00461, null].map(realTime)).toEqual(["0.13", "6.57", "0.0046", "–"]);
    expect(metric("system.memory_bytes", 153_000_000)).toBe("153 MB");
    expect(metric("answer", 0.5)).toBe("0.5");
    expect(metric("test_far", 0.02)).toBe("2.00 %");
    expect(metric("errors_so_far", 89)).toBe("89");
    expect(metric("fah", 1.5)).toBe("1.5"); // false alarms an hour
  });
  it("keep what JSON has no number for", () => {
    expect(metric("loss", "NaN")).toBe("NaN");
    expect(metric("val_wer", "Infinity")).toBe("∞");
    expect(metric("loss", null)).toBe("");
  });
  it("have few digits", () => {
    expect([0.00012345, 1e-9, 1234.5, 3, 123456789, -0.5].map(plain)).toEqual(["0.0001234", "1.00e-9", "1235", "3", "1.23e+8", "-0.5"]);
    expect([0, 59, 3_600, 180_000].map(duration)).toEqual(["0.0 s", "59 s", "1 h 0 min", "2 d 2 h"]);
    expect([999, 1_500, 2e9].map(size)).toEqual(["999 B", "1.5 kB", "2.0 GB"]);
  });
});

describe("usual columns", () => {
  const run = (test_sets: Run["test_sets"]) => ({ test_sets }) as Run;
  it("have results on the two test sets of most runs, the WER where there is one", () => {
    const runs = [run({ clean: { cer: 0.1, wer: 0.2 }, other: { mer: 0.3 } }), run({ other: { cer: 0.1 } }), run({ zeta: { wer: 1 } }), run(undefined)];
    expect(usualColumns(testSetsOf(runs))).toEqual(["status", "cer['other']", "wer['clean']", "experiment", "created_at", "duration"]);
  });
  it("are without results where no run has any", () => {
    expect(usualColumns(testSetsOf([run({})]))).toEqual(["status", "experiment", "created_at", "duration"]);
  });
});

describe("short times and settings", () => {
  it("have the digits that are read", () => {
    expect([0.04, 9.94, 39.99, 999.4, 4259, 12_300].map(latency)).toEqual(["0 ms", "9.9 ms", "40 ms", "999 ms", "4.3 s", "12 s"]);
  });
  it("break between settings, and long numbers are short", () => {
    expect(settings("beam=1e-36,lm_weight=6.5,word_beam=7.379042301e-22")).toBe("beam=1e-36, lm_weight=6.5, word_beam=7.379e-22");
    expect(settings("words=a,b,c,rule=x")).toBe("words=a,b,c, rule=x");
    expect(settings("")).toBe("");
  });
});

describe("columns", () => {
  it("are ordered by the name that the filter language has for them", () => {
    expect(orderTerm(parseOrder("-created_at"))).toBe("created desc");
    expect(orderTerm(parseOrder("metrics.it's"))).toBe("metrics['it''s']");
    expect(orderTerm(parseOrder("wer['test-clean']"))).toBe("wer['test-clean']");
    expect(orderTerm(parseOrder("no such column"))).toBe("");
  });
  it("turn by clicks", () => {
    expect(nextOrder(null, "name")).toBe("name");
    expect(nextOrder(parseOrder("name"), "name")).toBe("-name");
    expect(nextOrder(parseOrder("-name"), "name")).toBe("");
  });
  it("read results, and values of the config by their dotted keys", () => {
    const run = { config: { a: { b: 1 }, "c.d": 2 }, test_sets: { "test-clean": { wer: 0.05 } } };
    expect(inside(run.config, "a.b")).toBe(1);
    expect(inside(run.config, "c.d")).toBe(2);
    expect(inside(run.config, "a.x.y")).toBeUndefined();
    expect(column("wer['test-clean']")!.text(run as never)).toBe("5.00 %");
    expect(flat({ a: { b: 1, e: {} }, l: [1] })).toEqual([["a.b", 1], ["a.e", {}], ["l", [1]]]);
  });
});

describe("curves", () => {
  const curve = { step: [2, 1, 3], value: ["NaN", 1, 3], time: [20, 10, 30] };
  it("ascend, with gaps where a value is no number", () => {
    expect(lineOf("r", curve, "step")).toEqual({ run: "r", x: [1, 2, 3], y: [1, null, 3] });
    expect(lineOf("r", curve, "time").x).toEqual([10, 20, 30]);
  });
  it("take live points once, and only newer ones", () => {
    const live = { step: [3, 4], value: [9, 4], time: [31, 40] };
    const grown = extended(curve, live);
    expect(grown.step).toEqual([2, 1, 3, 4]);
    expect(extended(grown, live)).toBe(grown);
    expect(extended(undefined, live)).toBe(live);
  });
  it("share one axis", () => {
    const lines = [{ run: "a", x: [1, 3], y: [1, null] }, { run: "b", x: [2, 3], y: [5, 6] }];
    expect(aligned(lines)).toEqual([[1, 2, 3], [1, undefined, null], [undefined, 5, 6]]);
    expect(aligned([])).toEqual([[]]);
  });
  it("stay where they are when they are level, and smooth without a pull to zero", () => {
    const level = { run: "a", x: [0, 1, 2, 30], y: [5, 5, 5, 5] };
    for (const y of smoothed(level, 0.9).y) expect(y).toBeCloseTo(5);
    expect(smoothed(level, 0)).toBe(level);
    const gaps = { run: "a", x: [0, 1, 2], y: [1, null, 3] };
    expect(smoothed(gaps, 0.5).y[1]).toBeNull();
  });
  it("come with validation first", () => {
    expect(panelOrder(["system/cpu", "lr", "train_loss", "val_wer", "lr"])).toEqual(["val_wer", "train_loss", "lr", "system/cpu"]);
  });
});

describe("colours", () => {
  it("stay with a run", () => {
    expect(colourOf("01a210fd-0921-7a12-93ca-53c35b20de6b")).toBe(colourOf("01a210fd-0921-7a12-93ca-53c35b20de6b"));
  });
});

describe("alignments", () => {
  const step = (operation: Operation, reference: string | null, hypothesis: string | null): Step => ({ operation, reference, hypothesis });
  const one = [step("hit", "a", "a"), step("insertion", null, "x"), step("insertion", null, "y"), step("substitution", "b", "c")];
  const two = [step("deletion", "a", null), step("hit", "b", "b"), step("insertion", null, "z")];
  it("of several hypotheses stand under one reference", () => {
    const columns = merged([one, two, null]);
    expect(columns.map((each) => each.reference)).toEqual(["a", null, null, "b", null]);
    expect(columns.map((each) => each.steps.map((found) => found?.hypothesis))).toEqual([
      ["a", null, undefined], ["x", undefined, undefined], ["y", undefined, undefined], ["c", "b", undefined], [undefined, "z", undefined],
    ]);
    expect(merged([null])).toEqual([]);
    expect(merged([[]])).toEqual([]);
  });
  it("know which word of the hypothesis stands where", () => {
    const columns = merged([[step("insertion", null, "uh"), step("deletion", "the", null), step("hit", "cat", "cat")]]);
    expect(columns.map((column) => wordNumbers(columns).get(column))).toEqual([0, undefined, 1]);
  });
  it("are broken into lines that fit, and lose nothing", () => {
    const columns = merged([one, two]);
    expect(lines(columns, 7).map((line) => line.length)).toEqual([2, 2, 1]);
    expect(lines(columns, 1).flat()).toEqual(columns);
  });
});

describe("scores", () => {
  const cell = (rate: number | null, more: Partial<Cell> = {}): Cell => ({
    evaluation: "e", rate, errors: 4, tokens: 100, utterances: 10, coverage: 1, mean_of_speakers: null, speakers: null, rtf: null, revision: 1, differs: [], ...more,
  });
  const set: ScoredSet = { test_set: "clean", registered: true, revision: 2, references: "d", systems: 2 };
  const system = (run: string, clean: Cell | null): System => ({ run_id: run, run, experiment: null, decoding: "", cells: clean ? { clean } : {}, macro_over_sets: clean?.rate ?? null, missing: clean ? 0 : 1 });
  it("say in words why they are not like the others", () => {
    expect(differences(cell(0.04), set)).toEqual([]);
    const told = differences(cell(0.04, { differs: ["references", "coverage"], coverage: 0.9 }), set);
    expect(told.map((each) => each.brief)).toEqual(["revision 1", "90.0 % covered"]);
    expect(told.map((each) => each.sentence)).toEqual(["Scored on revision 1, the column on revision 2.", "Hypotheses are missing for 1 utterance of 10."]);
    expect(evidence(cell(0.04), set, "word").split("\n")[0]).toBe("4 errors in 100 words");
    expect(shareText(0.99999)).toBe("99.9 %");
  });
  it("are best among those that are comparable, and ordered with those without one last", () => {
    const systems = [system("b", null), system("c", cell(0.2)), system("a", cell(0.1, { differs: ["coverage"] }))];
    expect(bestOf({ profile: "", unit: null, test_sets: [set], systems }, "clean")).toBe(0.2);
    const order = (text: string) => orderedSystems(systems, parseOrder(text)).map((each) => each.run);
    expect(order("set:clean")).toEqual(["a", "c", "b"]);
    expect(order("-set:clean")).toEqual(["c", "a", "b"]);
    expect(order("run")).toEqual(["a", "b", "c"]);
  });
});

describe("evaluations", () => {
  it("differ in parameters, also where one has none", () => {
    const rows = differing([{ a: { b: 1 }, c: 1 }, { a: { b: 2 }, c: 1, d: null }]);
    expect(rows.map((row) => [row.key, row.differs])).toEqual([["a.b", true], ["c", false], ["d", true]]);
  });
});

describe("completion of filters", () => {
  const at = (text: string) => {
    const caret = text.indexOf("|");
    const { wanted, field, typed } = placeAt(text.replace("|", ""), caret);
    return [wanted, field, typed];
  };
  it("knows what may come next", () => {
    expect(at("|")).toEqual(["field", "", ""]);
    expect(at("not tas|")).toEqual(["field", "", "tas"]);
    expect(at("task |")).toEqual(["operator", "task", ""]);
    expect(at("task = |")).toEqual(["value", "task", ""]);
    expect(at("task = 'as|")).toEqual(["value", "task", "'as"]);
    expect(at("task = 'it''s' |")).toEqual(["connective", "task", ""]);
    expect(at("language in ('en', |")).toEqual(["value", "language", ""]);
    expect(at("language in ('en') and wer['a b'] <| 3")).toEqual(["value", "wer['a b']", ""]);
    expect(at("params.lr between 1 and |")).toEqual(["value", "params.lr", ""]);
    expect(at("notes is not null a|")).toEqual(["connective", "notes", "a"]);
    expect(at("order by name |")).toEqual(["direction", "name", ""]);
  });
  it("replaces what was typed, and nothing else", () => {
    const text = "tas and x";
    expect(completed(text, placeAt(text, 3), "task").text).toBe("task and x");
    expect(completed("task = 'a", placeAt("task = 'a", 9), "'asr'")).toEqual({ text: "task = 'asr' ", caret: 13 });
  });
  it("offers what begins so before what contains it", () => {
    expect(matching(["params.batch", "batch_size", "name"], "batch", 9)).toEqual(["batch_size", "params.batch"]);
    expect(matching(["'asr'", "'tts'"], "'A", 9)).toEqual(["'asr'"]);
  });
  it("quotes what needs it", () => {
    expect([keyed("params", "optimizer.lr"), keyed("tags", "my team"), literal("3e-4"), literal("it's")]).toEqual(["params.optimizer.lr", "tags['my team']", "3e-4", "'it''s'"]);
  });
});

describe("groups of runs", () => {
  const run = { id: "1", name: "a", languages: ["en", "de"], task: "asr", config: { layers: 12 } } as unknown as Run;
  it("are one for each value of a list", () => {
    expect(groupsOf(run, ["task", "language"])).toEqual(["asr · en", "asr · de"]);
    expect(groupsOf(run, ["params.layers", "domain"])).toEqual(["12 · none"]);
  });
  it("lead to a filter of their runs, the order kept", () => {
    expect(within("a = 1 or b = 2 order by name", ["task", "params.lr", "user"], ["it's", 0.1, null])).toBe("(a = 1 or b = 2) and task = 'it''s' and params.lr = 0.1 and user is null order by name");
    expect(within("", ["task"], ["asr"])).toBe("task = 'asr'");
  });
  it("have mean and deviation, a single run its value", () => {
    const group = (sd: number | null) => ({ by: {}, count: 2, values: { x: { count: 2, mean: 0.05, sd, min: 0, max: 1 } } });
    expect(spreadText(column("wer['test']")!, group(0.01), 0)).toBe("5.00 ± 1.00 %");
    expect(spreadText(column("metrics.loss")!, group(null), 0)).toBe("0.05");
  });
  it("are drawn as the mean of those that have come so far", () => {
    const { line, band } = together("g", [{ run: "1", x: [0, 2], y: [0, 2] }, { run: "2", x: [0, 1, 2, 3], y: [2, 3, 4, 9] }]);
    expect([line.x, line.y, band.low, band.high]).toEqual([[0, 1, 2, 3], [1, 2, 3, 9], [0, 1, 2, 9], [2, 3, 4, 9]]);
  });
});

describe("curves of resumed and long runs", () => {
  it("part what was abandoned by attempts", () => {
    const curve = { step: [1, 2, 2, 3, 3], value: [1, 2, 5, 3, 6], time: [10, 11, 20, 12, 21], abandoned: [false, true, true, true, false] };
    const { kept, abandoned } = parted(curve, [15, 30]);
    expect(kept.value).toEqual([1, 6]);
    expect(abandoned.map((each) => each.value)).toEqual([[2, 3], [5]]);
  });
  it("have a band of least and largest values, short ones none", () => {
    const x = Array.from({ length: 1000 }, (_, i) => i);
    const band = bandOf({ run: "1", x, y: x.map((i) => (i % 2 ? 1 : -1)) })!;
    expect(band.x.length).toBe(160);
    expect(new Set([...band.low, ...band.high])).toEqual(new Set([-1, 1]));
    expect(bandOf({ run: "1", x: [1, 2], y: [1, 2] })).toBeNull();
  });
});

describe("parallel coordinates", () => {
  const runs = [{ config: { lr: 1, model: "a", same: 1 }, metrics: { val_wer: 0.1 } }, { config: { lr: 3, model: "b", same: 1 }, metrics: {} }] as unknown as Run[];
  it("have axes for what differs and what was scored, numbers by size", () => {
    const found = coordinates(runs);
    expect([...found.keys()]).toEqual(["params.lr", "params.model", "metrics.val_wer"]);
    expect(found.get("params.lr")!.places).toEqual([0, 1]);
    expect(found.get("metrics.val_wer")).toMatchObject({ places: [0.5, null], marks: [{ text: "10.00 %" }] });
  });
  it("move a column to the place of another", () => {
    expect(moved(["a", "b", "c"], "c", "a")).toEqual(["c", "a", "b"]);
    expect(moved(["a", "b", "c"], "a", "c")).toEqual(["b", "c", "a"]);
  });
});

describe("titles", () => {
  it("have what is known, the narrowest first", () => {
    expect(titleOf(["conformer", "Charts", null])).toBe("conformer · Charts · Speech experiments");
    expect(titleOf([undefined, ""])).toBe("Speech experiments");
  });
});
