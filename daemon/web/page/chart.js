// The running chart of reply times: a line for half of the replies, and one for 99 of 100.

import { CHART_S, milliseconds } from "./numbers.js";

/** Tops of the scale, in milliseconds. */
const SCALES = [10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 20_000, 60_000];

export function drawChart(canvas, seconds) {
	const { clientWidth: width, clientHeight: height } = canvas;
	const density = devicePixelRatio;
	canvas.width = Math.round(width * density);
	canvas.height = Math.round(height * density);
	const context = canvas.getContext("2d");
	context.scale(density, density);
	// The style's own colours, for light or dark.
	const style = getComputedStyle(canvas);
	const colour = (name) => {
		canvas.style.color = `var(${name})`;
		context.fillStyle = context.strokeStyle = style.color;
	};

	const highest = Math.max(0, ...seconds.map((second) => second?.p99 ?? 0));
	const top = SCALES.find((scale) => scale >= highest) ?? highest;
	const y = (value) => Math.round(height - 1 - (value / top) * (height - 16)) + 0.5;
	const x = (at) => width - ((seconds.length - 1 - at) / (CHART_S - 1)) * width;
	context.font = `11px ${style.fontFamily}`;
	for (const value of highest > 0 ? [top, top / 2] : []) {
		colour("--line");
		context.strokeRect(0, y(value), width, 0);
		colour("--quiet");
		context.fillText(milliseconds(value).replace(".0", ""), 2, y(value) - 3);
	}
	context.lineWidth = 1.75;
	for (const key of ["p99", "p50"]) {
		colour(`--${key}`);
		context.beginPath();
		seconds.forEach((second, at) => {
			// A gap stays a gap; a second alone is a dot.
			if (second === null) return;
			if (!seconds[at - 1]) context.moveTo(x(at) - 2, y(second[key]));
			context.lineTo(x(at), y(second[key]));
		});
		context.stroke();
	}
}
