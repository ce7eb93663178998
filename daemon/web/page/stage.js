// The picture with its result: what is shown of a frame, all in one step.

import { byId, setPairs, setText } from "./dom.js";
import { marks, tally } from "./marks.js";
import { Overlay } from "./overlay.js";
import { values } from "./values.js";

/** How often texts change; drawings change with each frame. */
const TEXT_MS = 200;
/** Characters of a result's JSON that are shown. */
const MAX_JSON = 20_000;

export class Stage {
	#picture = byId("picture");
	#context = this.#picture.getContext("2d", { alpha: false });
	#overlay = new Overlay(byId("overlay"));
	#preview = null;
	#newest = null;
	#timer = null;

	show(bitmap, frameIndex, result) {
		const { width, height } = bitmap;
		this.#preview?.classList.add("aside");
		if (this.#picture.width !== width || this.#picture.height !== height) Object.assign(this.#picture, { width, height });
		this.#reveal(this.#picture, width, height);
		this.#context.drawImage(bitmap, 0, 0);
		const found = marks(result);
		this.#overlay.show(found, bitmap);
		this.tell(frameIndex, result, found);
	}

	/** Shows a video or an image until there is a frame; a video stays in the page for as long as it is to tell of its pictures. */
	preview(element) {
		this.#preview?.remove();
		this.#preview = element;
		byId("hint").hidden = !this.#picture.hidden;
		if (element === null) return;
		this.#picture.before(element);
		this.#overlay.show([], this.#picture);
		this.#reveal(element, element.videoWidth || 4, element.videoHeight || 3);
	}

	/** Shows the texts of a result: the first at once, and the last of many for certain. */
	tell(frameIndex, result, found = marks(result)) {
		this.#newest = { frameIndex, result, found };
		if (this.#timer !== null) return;
		this.#write();
		this.#timer = setInterval(() => this.#write(), TEXT_MS);
	}

	/** Gives the stage to one of the two. */
	#reveal(element, width, height) {
		this.#picture.hidden = element !== this.#picture;
		byId("hint").hidden = true;
		byId("stage").style.aspectRatio = `${width} / ${height}`;
	}

	#write() {
		if (this.#newest === null) {
			clearInterval(this.#timer);
			this.#timer = null;
			return;
		}
		const { frameIndex, result, found } = this.#newest;
		this.#newest = null;
		const seen = tally(found).slice(0, 6).map(([name, count]) => `${count} × ${name}`);
		const summary = [`Frame ${frameIndex}`, ...seen].join(" · ");
		setText(byId("summary"), summary);
		this.#picture.setAttribute("aria-label", summary);
		setPairs(byId("values"), values(result));
		if (byId("raw").open) setText(byId("json"), JSON.stringify(result, null, 2).slice(0, MAX_JSON));
	}
}
