// Small hands. Texts from outside get into the document by these alone: never as HTML.

/** Tells of events, with a detail each. */
export class Teller extends EventTarget {
	tell(type, detail = null) {
		this.dispatchEvent(new CustomEvent(type, { detail }));
	}
}

export function element(name, properties = {}, ...content) {
	const made = Object.assign(document.createElement(name), properties);
	made.append(...content);
	return made;
}

export const byId = (id) => document.getElementById(id);

/** Lays nothing out anew where the text is the same. */
export function setText(node, text) {
	if (node.textContent !== text) node.textContent = text;
}

export function setPairs(list, pairs) {
	while (list.children.length > pairs.length) list.lastChild.remove();
	while (list.children.length < pairs.length) list.append(element("div", {}, element("dt"), element("dd")));
	pairs.forEach(([name, value], at) => {
		const [term, description] = list.children[at].children;
		setText(term, name);
		setText(description, value);
	});
}

/** Fills a `<select>` with values and texts, and keeps what is chosen where it is still there. */
export function setOptions(select, options) {
	const now = [...select.options].map(({ value, text }) => [value, text]);
	if (JSON.stringify(now) === JSON.stringify(options)) return;
	const chosen = select.value;
	select.replaceChildren(...options.map(([value, text]) => element("option", { value, text })));
	if (options.some(([value]) => value === chosen)) select.value = chosen;
}
