// The form: what is sent, and from where. Choices are kept in this browser, but for files and devices.

import { keptAs } from "./api.js";
import { byId, setOptions, setText, Teller } from "./dom.js";

const STORED = keptAs("settings");
const form = byId("settings");
const field = form.elements;

/** Event `change`, its detail the name of what a person changed. */
export class Settings extends Teller {
	#file = null;
	/** The pipeline of the last visit. */
	#wanted = restore();

	constructor() {
		super();
		form.onsubmit = (event) => event.preventDefault();
		form.oninput = refresh;
		form.onchange = ({ target: { name, files } }) => this.#changed(name, files);
		this.setDevices([]);
		byId("insecure").hidden = isSecureContext;
		const { hostname, origin, port } = location;
		setText(byId("ssh"), `ssh -L 8000:localhost:${port || 80} ${hostname}`);
		setText(byId("origin"), origin);
		refresh();
	}

	get now() {
		const { source, device, camera, pipeline, width, fps, quality, adapt } = field;
		return {
			source: source.value,
			device: device.value,
			file: this.#file,
			camera: camera.value,
			pipeline: pipeline.value,
			width: Number(width.value) || 640,
			fps: Number(fps.value) || 15,
			quality: Number(quality.value) / 100,
			adapt: adapt.checked,
		};
	}

	drop(files) {
		if (files.length === 0) return;
		field.source.value = "file";
		field.file.files = files;
		this.#changed("file", files);
	}

	setPipelines(pipelines) {
		// Unless somebody chose: the first that looks at frames at all.
		const first = pipelines.find(({ nodes }) => nodes.some(({ kind }) => kind !== "noop"));
		const wanted = field.pipeline.value || this.#wanted || first?.id;
		const options = pipelines.map(({ id, name }) => [id, name === id ? id : `${name} (${id})`]);
		// One that is gone stays chosen and says so: another one unasked would be worse.
		if (wanted && !pipelines.some(({ id }) => id === wanted)) options.push([wanted, `${wanted} (not on the board)`]);
		setOptions(field.pipeline, options);
		if (wanted) field.pipeline.value = wanted;
	}

	/** The first few of the files that the board refused, with their reasons. */
	setRefused(files) {
		const say = ({ file, reason, kept_previous: kept }) =>
			`${file} was refused: ${reason.replace(/\.$/, "")}.${kept ? " Its earlier version still serves." : ""}`;
		const more = files.length > 3 ? [`${files.length - 3} more files were refused.`] : [];
		setText(byId("refused"), [...files.slice(0, 3).map(say), ...more].join("\n"));
	}

	/** The browser's cameras, which have names once one was permitted. */
	setDevices(devices) {
		const named = devices.filter(({ kind, label }) => kind === "videoinput" && label !== "");
		const facing = [["", "Any"], ["environment", "Back"], ["user", "Front"]];
		setOptions(field.device, [...facing, ...named.map(({ deviceId, label }) => [deviceId, label])]);
	}

	setCameras(cameras) {
		byId("board-source").disabled = cameras.length === 0;
		setOptions(field.camera, cameras.map(({ name }) => [name, name]));
		const camera = cameras.find(({ name }) => name === field.camera.value);
		setText(byId("camera-state"), camera ? describe(camera) : "The board has no cameras.");
	}

	#changed(name, files) {
		if (name === "file") this.#file = files[0] ?? null;
		refresh();
		try {
			const { source, pipeline, width, fps, quality, adapt } = this.now;
			localStorage.setItem(STORED, JSON.stringify([source, pipeline, width, fps, quality, adapt]));
		} catch {
			// A browser that stores nothing begins with the defaults.
		}
		this.tell("change", name);
	}
}

function refresh() {
	for (const part of document.querySelectorAll("[data-source]")) {
		part.hidden = !part.dataset.source.includes(field.source.value);
	}
	setText(byId("quality-now"), field.quality.value);
}

/** Chooses what was kept; gives the pipeline, which is not listed yet. */
function restore() {
	try {
		const [source, pipeline, width, fps, quality, adapt] = JSON.parse(localStorage.getItem(STORED));
		// A file is not there any more.
		if (source !== "file") field.source.value = source;
		field.width.value = width;
		field.fps.value = fps;
		field.quality.value = quality * 100;
		field.adapt.checked = adapt;
		return pipeline;
	} catch {
		// Nothing of use.
	}
}

function describe({ state, pipeline_id: pipeline, fps, last_error: error, pipeline_error: trouble }) {
	const more = state === "down" ? error?.detail : state !== "idle" && `${fps.toFixed(1)} frames a second`;
	return [state, more, pipeline ? `runs ${pipeline}` : "runs no pipeline", trouble].filter(Boolean).join("; ");
}
