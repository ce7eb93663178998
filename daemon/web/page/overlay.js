// Draws marks over the frame that they belong to, in the pixels of the screen.

const LABEL_HEIGHT = 17;
const PADDING = 4;

export class Overlay {
	#canvas;
	/** What is shown, to draw it again when the stage changes its size. */
	#shown = { marks: [], width: 1, height: 1 };

	constructor(canvas) {
		this.#canvas = canvas;
		new ResizeObserver(() => this.#draw()).observe(canvas);
	}

	show(marks, { width, height }) {
		this.#shown = { marks, width, height };
		this.#draw();
	}

	#draw() {
		const canvas = this.#canvas;
		const { marks, width, height } = this.#shown;
		const { clientWidth, clientHeight } = canvas;
		const density = devicePixelRatio;
		// Also clears it.
		canvas.width = Math.round(clientWidth * density);
		canvas.height = Math.round(clientHeight * density);
		// The stage shows the whole picture, in its middle.
		const scale = Math.min(clientWidth / width, clientHeight / height);
		const left = (clientWidth - width * scale) / 2;
		const top = (clientHeight - height * scale) / 2;
		const place = (x, y) => [left + x * scale, top + y * scale];
		const context = canvas.getContext("2d");
		context.scale(density, density);
		context.rect(left, top, width * scale, height * scale);
		context.clip();
		context.lineWidth = 2;
		for (const mark of marks) drawShape(context, mark, place);
		// Above all shapes: a crossed text is hard to read.
		context.font = "600 12px system-ui, sans-serif";
		context.textBaseline = "middle";
		for (const mark of marks) drawLabel(context, mark, place, [left, top, left + width * scale]);
	}
}

function drawShape(context, { box, polygons, colour }, place) {
	context.strokeStyle = context.fillStyle = colour;
	for (const polygon of polygons) {
		context.beginPath();
		for (const [x, y] of polygon) context.lineTo(...place(x, y));
		context.closePath();
		context.globalAlpha = 0.3;
		context.fill("evenodd");
		context.globalAlpha = 1;
		context.stroke();
	}
	if (box === null) return;
	const [x1, y1] = place(box[0], box[1]);
	const [x2, y2] = place(box[2], box[3]);
	context.strokeRect(x1, y1, x2 - x1, y2 - y1);
}

function drawLabel(context, { box, polygons, colour, label }, place, [left, top, right]) {
	if (label === "") return;
	const [x, y] = place(...(box ?? polygons[0][0]));
	const width = context.measureText(label).width + 2 * PADDING;
	const from = Math.max(left, Math.min(x - 1, right - width));
	// Above the box; inside it where the picture ends above.
	const above = y - LABEL_HEIGHT >= top ? y - LABEL_HEIGHT : Math.max(y, top);
	context.fillStyle = colour;
	context.fillRect(from, above, width, LABEL_HEIGHT);
	// Every colour of the palette is light enough for black.
	context.fillStyle = "#000";
	context.fillText(label, from + PADDING, above + LABEL_HEIGHT / 2 + 0.5);
}
