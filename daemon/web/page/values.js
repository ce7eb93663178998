// A result's own numbers and short texts, by the rules of the daemon's overlay. Pure.

import { oneLine } from "./marks.js";

const MAX_LINES = 24;

/** Names and values of a result; the last line says how many were left out. */
export function values(result) {
	const isObject = typeof result === "object" && result !== null && !Array.isArray(result);
	const shown = Object.entries(isObject ? result : {}).filter(([, value]) => isShown(value));
	const lines = shown.slice(0, MAX_LINES).map(([key, value]) => [oneLine(key, 28), text(value)]);
	if (shown.length > MAX_LINES) lines.push(["…", `${shown.length - MAX_LINES} more`]);
	return lines;
}

function isShown(value) {
	const isNumber = (item) => typeof item === "number" || item === null;
	if (Array.isArray(value)) return value.length > 0 && value.length <= 6 && value.every(isNumber);
	return typeof value !== "object" || value === null;
}

function text(value) {
	if (value === null) return "–"; // what a number that is none becomes in JSON
	if (typeof value === "number") return number(value);
	return Array.isArray(value) ? value.map(text).join("  ") : oneLine(String(value), 120);
}

/** A number in about ten characters. */
function number(value) {
	if (Number.isInteger(value) && Math.abs(value) < 1e12) return String(value);
	const size = Math.abs(value);
	return size >= 1e-3 && size < 1e6 ? value.toFixed(3) : value.toExponential(2);
}
