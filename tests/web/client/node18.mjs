/** Debian 12 has Node 18, in which browsers' CustomEvent is not global yet. */
globalThis.CustomEvent ??= class CustomEvent extends Event {
  constructor(type, { detail }) {
    super(type);
    this.detail = detail;
  }
};
