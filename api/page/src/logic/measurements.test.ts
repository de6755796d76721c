import { describe, expect, it } from "vitest";
import { boundsText, byIdentity, comparedSheet, differing, mainNumbers, numberText, numberTitle, settingsText, type Measurement } from "./measurements";

const measured = (more: Partial<Measurement>): Measurement => ({
  id: "m", run_id: "r", run: "diarizer", task: "diarization", test_set: "callhome", name: null, headline: "der", identity: "a",
  definition: { tool: "pyannote.metrics", version: "4.0", settings: { collar: 0.5, skip_overlap: false, regions: null } },
  values: { jer: 0.3, der: 0.1234, recordings: 20, missed: 12.5 }, intervals: { der: { low: 0.1, high: 0.15, level: 0.95, method: "bootstrap of recordings" } },
  items: { kind: "recording", total: 0, ids: [], columns: {} }, artifacts: {}, decoding: {}, checkpoint: null, logged_at: "2026-11-30T10:00:00Z", ...more,
});

describe("measurements", () => {
  it("say shares in per cent, and all else as it is", () => {
    expect([numberText("der", 0.1234), numberText("cpwer", 1.5), numberText("missed", 12.5), numberText("min_dcf_normalised", 0.51234), numberText("der", null)]).toEqual(["12.34 %", "150.00 %", "12.5", "0.5123", "–"]);
    expect(boundsText("der", { low: 0.1, high: 0.15 })).toBe("10.00 … 15.00 %");
    expect(boundsText("mos", undefined)).toBe("");
    expect(["der", "min_dcf_normalised", "mos.ours", "difference.a-b", "false_alarm"].map(numberTitle)).toEqual(["DER", "minDCF", "MOS of ours", "difference of a-b", "false alarm"]);
  });
  it("have what systems are compared by first, and leave sizes out", () => {
    expect(mainNumbers(measured({}))).toEqual(["der", "jer", "missed"]);
    expect(mainNumbers(measured({ headline: "mos.b", values: { "mos.b": 4, "mos.a": 3, "difference.b-a": 1 } }))).toEqual(["mos.b", "mos.a", "difference.b-a"]);
  });
  it("tell their settings, or what tells definitions apart", () => {
    const one = measured({}).definition;
    const other = { ...one, settings: { ...one.settings, collar: 0 } };
    expect(settingsText(one)).toBe("collar 0.5, skip overlap no, pyannote.metrics 4.0");
    expect(settingsText(other, differing([one, other]))).toBe("collar 0");
    expect(settingsText({ ...one, version: "3" }, differing([one, { ...one, version: "3" }]))).toBe("pyannote.metrics 3");
  });
  it("stand together by what their numbers mean", () => {
    const found = byIdentity([measured({ id: "1" }), measured({ id: "2", identity: "b" }), measured({ id: "3" })]);
    expect([...found].map(([identity, rows]) => [identity, rows.map((each) => each.id)])).toEqual([["a", ["1", "3"]], ["b", ["2"]]]);
  });
  it("are exported with the ends of their intervals, and their definition", () => {
    const rows = [measured({}), measured({ run: "other", intervals: {}, values: { der: 0.2 } })].map((each) => ({ ...each, against_best: null }));
    const sheet = comparedSheet({ vector: "v", task: "diarization", test_set: "callhome", headline: "der", higher_is_better: false, definition: rows[0]!.definition, measurements: rows });
    expect(sheet.columns.map((each) => each.title)).toEqual(["System", "Name", "der", "der low", "der high", "jer", "missed", "Run"]);
    expect(sheet.rows[0]!.slice(2, 5)).toEqual([{ text: "12.34 %", value: 0.1234, best: true }, { text: "10.00 %", value: 0.1, best: false }, { text: "15.00 %", value: 0.15, best: false }]);
    expect(sheet.rows[1]!.slice(3, 6)).toEqual([null, null, null].map((value) => ({ text: "–", value, best: false })));
    expect(sheet.notes).toEqual(["collar 0.5, skip overlap no, pyannote.metrics 4.0"]);
  });
});
