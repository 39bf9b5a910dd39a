// What every page runs.
import "./live.js";
import "./theme.js";
import "./times.js";
import "./copy.js";
import "./keys.js";
import "./drops.js";
import "./token.js";
import "./toasts.js";
