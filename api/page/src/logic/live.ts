/** What happens, as it happens: server-sent events of the log, and whose process a point is from. */
import { useEffect, useRef } from "preact/hooks";
import { get, path, type Curve } from "./api";
import { shownMoment } from "./route";

export interface LivePoints {
  run: string;
  producer: string;
  curves: Record<string, Curve>;
}

export interface LiveChange {
  kind: "status" | "lost" | "changed" | "artifact" | "log" | "heartbeat" | "lagged";
  run: string;
  status?: string;
  name?: string;
  channel?: string;
  lines?: string[];
}

export interface LiveHandlers {
  points?: (points: LivePoints) => void;
  change?: (change: LiveChange) => void;
}

const KINDS = ["status", "lost", "changed", "artifact", "log", "heartbeat", "lagged"] as const;

/** Follows runs; with none, what changes in all runs, without their points. The browser reconnects by itself; in the past nothing happens. */
export function useLive(runs: readonly string[] | null, handlers: LiveHandlers): void {
  const latest = useRef(handlers);
  latest.current = handlers;
  const asked = runs && [...runs].sort().join(",");
  const past = shownMoment() !== null;
  useEffect(() => {
    if (asked === null || past) return;
    const ids = asked.split(",").filter(Boolean).slice(0, 100);
    const source = new EventSource(path("/live", { run: ids }));
    const ranks = new Ranks();
    source.addEventListener("points", (event) => {
      const points = JSON.parse((event as MessageEvent<string>).data) as LivePoints;
      for (const curve of Object.values(points.curves)) curve.time = curve.time.map((time) => time / 1e6);
      void ranks.isFirst(points.run, points.producer).then((first) => first && latest.current.points?.(points));
    });
    for (const kind of KINDS)
      source.addEventListener(kind, (event) =>
        latest.current.change?.({ kind, ...JSON.parse((event as MessageEvent<string>).data) }),
      );
    return () => source.close();
  }, [asked, past]);
}

interface Delivery {
  streams: { producer: string; rank: number | null }[];
}

/** Charts show rank 0; the ledger says which producer is which. One that it does not know yet counts. */
class Ranks {
  private readonly others = new Map<string, Promise<Set<string>>>();
  private readonly known = new Set<string>();

  async isFirst(run: string, producer: string): Promise<boolean> {
    const seen = this.known.has(producer);
    if (!seen || !this.others.has(run)) {
      this.known.add(producer);
      this.others.set(run, this.ask(run));
    }
    return !(await this.others.get(run)!).has(producer);
  }

  private async ask(run: string): Promise<Set<string>> {
    try {
      const { streams } = await get<Delivery>(`/runs/${run}/delivery`);
      return new Set(streams.filter((each) => each.rank).map((each) => each.producer));
    } catch {
      return new Set();
    }
  }
}
