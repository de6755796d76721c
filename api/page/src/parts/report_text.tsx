import { useMemo } from "preact/hooks";
import { pieces } from "../logic/report_body";
import { Markdown } from "./markdown";
import { ReportPanel } from "./report_panel";

interface Props {
  body: string;
  position: string | null;
  moments: Readonly<Record<string, string>>;
  /** What a panel shows, as Markdown, by the line it begins at. */
  told: (line: number, text: string) => void;
  freeze?: (line: number, frozen: boolean) => void;
}

/** The body of a report: its text, and its panels where they stand. */
export function ReportText({ body, position, moments, told, freeze }: Props) {
  const found = useMemo(() => pieces(body), [body]);
  return (
    <div class="report-text">
      {found.map((piece, i) => (piece.panel
        ? <ReportPanel key={`panel ${i}`} form={piece.panel} {...{ position, moments }} told={(text) => told(piece.panel.line, text)} freeze={freeze && ((frozen) => freeze(piece.panel.line, frozen))} />
        : <Markdown key={`text ${i}`} tokens={piece.tokens} />))}
    </div>
  );
}
