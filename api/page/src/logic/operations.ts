/** How the server is doing, as the API tells it, and what people are told. */

export interface ServerStatus {
  ready: boolean;
  checks: Record<string, string>;
  uptime_seconds: number;
  projections: { name: string; version: number; topic: string; lag: number; dead_letters: number; ends: Record<string, number> }[];
  workers: { projection: string; worker: string; age_seconds: number; latency_ms?: { p50?: number; p99?: number } }[];
  ingest: Record<string, number>;
}

export interface Ingested {
  requests: number;
  /** HTTP status → how many, those of 4xx and 5xx, the most frequent first. */
  failed: [string, number][];
  accepted: number;
  refused: number;
  bytes: number;
  answerMs: number | null;
  logMs: number | null;
}

const REQUESTS = "speech_tracker_ingest_requests_total_";

/** The gateway's counters since its process started. */
export function ingested(counters: Readonly<Record<string, number>>): Ingested {
  const count = (name: string) => counters[`speech_tracker_${name}`] ?? 0;
  const mean = (name: string) => (count(`${name}_count`) ? (1000 * count(`${name}_sum`)) / count(`${name}_count`) : null);
  const byStatus = Object.entries(counters).flatMap(([name, value]): [string, number][] => (name.startsWith(REQUESTS) ? [[name.slice(REQUESTS.length), value]] : []));
  return {
    requests: byStatus.reduce((sum, [, value]) => sum + value, 0),
    failed: byStatus.filter(([status, value]) => Number(status) >= 400 && value > 0).sort((a, b) => b[1] - a[1]),
    accepted: count("ingest_records_total_accepted"),
    refused: count("ingest_records_total_refused"),
    bytes: count("ingest_bytes_total"),
    answerMs: mean("ingest_seconds"),
    logMs: mean("ack_seconds"),
  };
}

export interface RunDelivery {
  run_id: string;
  verdict: string;
  complete: boolean;
  calls: number;
  received: number;
  voided: number;
  missing: number;
  concurrent: boolean;
}

/** Not all of it is there, or somebody gave some of it up, or two processes wrote at once. */
export function hasProblem(delivery: RunDelivery): boolean {
  return delivery.missing > 0 || delivery.voided > 0 || delivery.concurrent;
}
