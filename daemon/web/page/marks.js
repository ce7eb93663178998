// What is drawn for a result, from its JSON. Pure. A result may hold anything; whatever it holds, this ends soon and gives plain
// numbers and texts. Colours, labels and limits are those of the daemon's own overlay.

const MAX_MARKS = 500;
/** Corners of polygons that are drawn in all. */
const MAX_CORNERS = 4000;
const MAX_LABEL = 48;
const PALETTE = [
	"#42d63c", "#ff701f", "#3a97ff", "#ff3864", "#ffd60a", "#be58ff", "#00e0d0", "#ff94d6", "#aac428", "#96785a",
];

/** `{box, polygons, label, name, colour}` for each detection, in pixels of the frame; `box` is in order, or null. */
export function marks(result) {
	const detections = Array.isArray(result?.detections) ? result.detections.slice(0, MAX_MARKS) : [];
	const budget = { corners: MAX_CORNERS };
	return detections.map((detection) => mark(detection ?? {}, budget)).filter(({ box, polygons }) => box || polygons.length > 0);
}

/** How many of each class there are, the most first. */
export function tally(marks) {
	const counts = new Map();
	for (const { name } of marks) counts.set(name, (counts.get(name) ?? 0) + 1);
	return [...counts].sort(([, a], [, b]) => b - a);
}

/** As many characters as fit, in one line; two dots end what was cut. */
export function oneLine(text, most) {
	// A label may be a megabyte.
	const characters = Array.from(text.slice(0, most * 2 + 2).replace(/\p{Cc}/gu, " "));
	return characters.length <= most ? characters.join("") : `${characters.slice(0, most - 2).join("")}..`;
}

function mark(detection, budget) {
	const { label, class_id: id } = detection;
	const name = typeof label === "string" ? oneLine(label, MAX_LABEL / 2) : typeof id === "number" ? `class ${id}` : "";
	return {
		box: inOrder(detection.box),
		polygons: outlines(detection, budget),
		label: describe(name, detection),
		name: name || "detection",
		colour: colour(detection),
	};
}

function inOrder(box) {
	if (!Array.isArray(box) || box.length !== 4 || !box.every(Number.isFinite)) return null;
	const [x1, y1, x2, y2] = box;
	return [Math.min(x1, x2), Math.min(y1, y2), Math.max(x1, x2), Math.max(y1, y2)];
}

/** The mask's outlines: one under `polygon`, several under `polygons`. */
function outlines({ polygon, polygons }, budget) {
	const isPoint = (point) => Array.isArray(point) && point.length === 2 && point.every(Number.isFinite);
	const take = (outline) => {
		if (!Array.isArray(outline) || outline.length > budget.corners) return [];
		budget.corners -= outline.length;
		return outline.filter(isPoint);
	};
	const all = [polygon, ...(Array.isArray(polygons) ? polygons.slice(0, MAX_CORNERS) : [])];
	return all.map(take).filter(({ length }) => length > 1);
}

/** Name, score, track and the text that was read: `plate 0.93 #7 AB 123`. */
function describe(name, { score, track_id: track, text }) {
	const parts = [name];
	if (typeof score === "number") parts.push(score.toFixed(2));
	if (typeof track === "number" || typeof track === "string") parts.push(`#${oneLine(String(track), 12)}`);
	if (typeof text === "string") parts.push(oneLine(text, MAX_LABEL));
	return oneLine(parts.join(" ").trim(), MAX_LABEL);
}

/** By class, the same in every frame; by label where there is no class. */
function colour({ class_id: id, label }) {
	const number = Number.isFinite(id) ? BigInt.asUintN(64, BigInt(Math.trunc(id))) : typeof label === "string" ? hash(label) : 0n;
	return PALETTE[Number(number % BigInt(PALETTE.length))];
}

/** FNV-1a. */
function hash(label) {
	let sum = 0xcbf29ce484222325n;
	for (const byte of new TextEncoder().encode(label.slice(0, MAX_LABEL)).subarray(0, MAX_LABEL)) {
		sum = BigInt.asUintN(64, (sum ^ BigInt(byte)) * 0x100000001b3n);
	}
	return sum;
}
