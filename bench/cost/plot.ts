import type { Measured } from "./measure.ts";

interface Panel {
  readonly title: string;
  readonly unit: string;
  readonly valueOf: (measured: Measured) => number;
}

const panels: readonly Panel[] = [
  { title: "Time per task", unit: "ms", valueOf: ({ msPerTask }) => msPerTask },
  { title: "Heap, without garbage", unit: "MB", valueOf: ({ heapMb }) => heapMb },
];
/** One for each number of agents: told apart by shape as well. */
const looks = [
  { color: "#0b6e99", dash: "" },
  { color: "#b34700", dash: "8 4" },
  { color: "#3d7a1e", dash: "2 4" },
  { color: "#7a3fa0", dash: "10 4 2 4" },
];
const size = { width: 900, height: 380, panelWidth: 400, plotHeight: 230, top: 80, left: 60, gap: 50 };

/** Both measures over the tasks that were done before, a line for each number of agents. Tasks are on a scale of powers of ten; what a task costs begins at 0. */
export function drawPlot(measured: readonly Measured[]): string {
  const agents = [...new Set(measured.map((each) => each.agents))];
  const legend = agents.map((count, index) => {
    const x = size.left + index * 130;
    return `<line x1="${x}" y1="48" x2="${x + 30}" y2="48" ${lookOf(index)}/><text x="${x + 38}" y="52">${count} ${count === 1 ? "agent" : "agents"}</text>`;
  });
  const drawn = panels.map((panel, index) => drawPanel(panel, measured, agents, size.left + index * (size.panelWidth + size.gap)));
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${size.width}" height="${size.height}" viewBox="0 0 ${size.width} ${size.height}" font-family="sans-serif" font-size="13">
<title>What a task costs, by agents and by tasks done before</title>
<rect width="${size.width}" height="${size.height}" fill="#ffffff"/>
<text x="${size.left}" y="26" font-size="16" font-weight="bold">What a task costs, by agents and by tasks done before</text>
${[...legend, ...drawn].join("\n")}
</svg>
`;
}

function drawPanel({ title, unit, valueOf }: Panel, measured: readonly Measured[], agents: readonly number[], left: number): string {
  const { panelWidth, plotHeight, top } = size;
  const width = panelWidth - 50;
  const tasks = [...new Set(measured.map((each) => each.tasks))];
  const [first, last] = [Math.log10(tasks[0] ?? 1), Math.log10(tasks.at(-1) ?? 10)];
  const max = niceMax(Math.max(...measured.map(valueOf)));
  const xOf = (count: number): number => left + (last === first ? 0 : ((Math.log10(count) - first) / (last - first)) * width);
  const yOf = (value: number): number => top + plotHeight - (value / max) * plotHeight;
  const grid = [0, 0.25, 0.5, 0.75, 1].map((part) => {
    const y = yOf(part * max);
    return `<line x1="${left}" y1="${y}" x2="${left + width}" y2="${y}" stroke="#dddddd"/><text x="${left - 8}" y="${y + 4}" text-anchor="end">${Number((part * max).toPrecision(3))}</text>`;
  });
  const ticks = tasks.map((count) => `<text x="${xOf(count)}" y="${top + plotHeight + 20}" text-anchor="middle">${count.toLocaleString("en-US")}</text>`);
  const lines = agents.map((count, index) => {
    const points = measured.filter((each) => each.agents === count).map((each) => [xOf(each.tasks), yOf(valueOf(each))] as const);
    return `<polyline points="${points.map(([x, y]) => `${x.toFixed(1)},${y.toFixed(1)}`).join(" ")}" fill="none" ${lookOf(index)}/>${points.map(([x, y]) => `<circle cx="${x.toFixed(1)}" cy="${y.toFixed(1)}" r="3.5" fill="${looks[index]?.color ?? "#000000"}"/>`).join("")}`;
  });
  return `<text x="${left}" y="${top - 10}" font-weight="bold">${title} (${unit})</text>${[...grid, ...ticks, ...lines].join("")}<text x="${left + width / 2}" y="${top + plotHeight + 42}" text-anchor="middle">tasks done before</text>`;
}

function lookOf(index: number): string {
  const { color = "#000000", dash = "" } = looks[index] ?? {};
  return `stroke="${color}" stroke-width="2"${dash === "" ? "" : ` stroke-dasharray="${dash}"`}`;
}

/** The next of 1, 2, 4, 5, 10 times a power of ten. */
function niceMax(value: number): number {
  const power = 10 ** Math.floor(Math.log10(value));
  return ([1, 2, 4, 5, 10].find((factor) => factor * power >= value) ?? 10) * power;
}
