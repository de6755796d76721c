/** How a line looks in the charts: its colour, and the dashes that tell it from others of the same colour. */
export function LineKey({ colour, dash }: { colour: string; dash: readonly number[] }) {
  return <svg class="key" viewBox="0 0 24 8" aria-hidden="true"><line x1="0" x2="24" y1="4" y2="4" stroke={colour} stroke-dasharray={dash.join(" ")} /></svg>;
}
