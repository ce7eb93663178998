// What went wrong, and what there is to do: one banner a matter.

import { byId, element } from "./dom.js";

const shown = new Map();

/**
 * Shows a banner, in place of an older one of the same matter.
 *
 * @param actions texts of buttons, and what they do
 * @param good whether it tells of no error
 */
export function showBanner(matter, { title, code, text = "", actions = [], good = false }) {
	const heading = element("p", {}, element("strong", {}, title), code ? element("code", {}, code) : "");
	const buttons = [...actions, ["Dismiss", () => clearBanner(matter)]].map(([label, onclick]) =>
		element("button", { type: "button", onclick }, label));
	const banner = element(
		"div",
		// Said at once when it is an error, and in a pause when it is not.
		good ? { className: "banner", role: "status" } : { className: "banner error", role: "alert" },
		element("div", {}, heading, element("p", {}, text)),
		element("div", {}, ...buttons),
	);
	const old = shown.get(matter);
	const focus = document.activeElement;
	const held = old?.contains(focus);
	if (old) old.replaceWith(banner);
	else byId("banners").prepend(banner);
	shown.set(matter, banner);
	if (held) (buttons.find(({ textContent }) => textContent === focus.textContent) ?? byId("start")).focus();
}

export const hasBanner = (matter) => shown.has(matter);

export function clearBanner(matter) {
	const banner = shown.get(matter);
	// The focus does not fall back to the top of the page.
	if (banner?.contains(document.activeElement)) byId("start").focus();
	banner?.remove();
	shown.delete(matter);
}
