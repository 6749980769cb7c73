// What failed, in a sentence, and what to do about it. What a server said is shown as its words, never as ours.

import { time } from "./format.js";

/**
 * Return {title, todo, said, wait, action} of a failed run.
 *
 * said: what the gateway or provider said, null if nothing. wait: seconds until trying again makes sense.
 * action: "key", "model" or "again": what the button beneath does; null: nothing helps but editing.
 */
export function explain(run) {
  const { failure, status } = run;
  const said = words(failure.json);
  if (failure.network) return network(failure.begun);
  if (failure.early) return early(run);
  if (failure.inStream) {
    return {
      title: run.text ? "The answer broke off" : "The answer failed after it had begun",
      todo: "What came is above. The provider failed too late to ask another one unnoticed: send it again.",
      said, wait: null, action: "again",
    };
  }
  return { said, wait: null, ...ofStatus(status, run) };
}

function network(begun) {
  return {
    title: begun ? "The connection was lost" : "The gateway does not answer",
    todo: begun
      ? "It broke in the middle of the answer. Look whether the gateway is still running, then send it again."
      : "Look whether it is running (dragoman serve), and whether you are online, then send it again.",
    said: null, wait: null, action: "again",
  };
}

function early(run) {
  return {
    title: run.text ? "The answer broke off" : "The stream ended without an answer",
    todo: "It ended without saying that it was complete. Send it again.",
    said: null, wait: null, action: "again",
  };
}

function ofStatus(status, run) {
  const wait = Number(run.header("retry-after")) || null;
  const provider = run.header("x-dragoman-provider");
  const who = provider ? `The provider ${provider}` : "The provider";
  switch (status) {
    case 401:
      return { title: "This gateway asks for a key", todo: "Give yours; it stays in this tab.", action: "key" };
    case 402:
      return { title: "The budget is used up", todo: "Ask whoever runs this gateway for more, or wait for the next period.", action: null };
    case 403:
      return { title: "This is not allowed", todo: "Your key may not ask this. Take another model or another key.", action: "key" };
    case 404:
      return { title: "Nobody answers to this model’s name", todo: "Pick one from the list: it names every model that can be asked now.", action: "model" };
    case 408:
    case 504:
      return { title: "It took too long", todo: `${who} did not answer in time. Send it again, or take a faster model.`, action: "again", wait };
    case 413:
      return { title: "The message is too long", todo: "Shorten it, or begin a new conversation: earlier messages are sent along.", action: null };
    case 429:
      return {
        title: "Too many requests",
        todo: wait ? `There is room again in ${wait < 90 ? `${Math.ceil(wait)} s` : time(wait * 1000)}.` : "Wait a moment, then send it again.",
        action: "again", wait,
      };
    case 503:
      return { title: "Nobody can answer right now", todo: "The gateway or its providers are not ready. Try again shortly, or take another model.", action: "again", wait };
    default:
      if (status >= 500) return { title: `${who} failed`, todo: "It is not your message. Send it again, or take another model.", action: "again", wait };
      return { title: "The request was refused", todo: "Change what is named below, then send it again.", action: null };
  }
}

/** Return the message in an error's body, whichever dialect wrote it, and where in the request the fault is. */
export function words(json) {
  if (!json) return null;
  const error = json.error ?? json.detail ?? json;
  const message = typeof error === "string" ? error : (error.message ?? json.message ?? (typeof json.detail === "string" ? json.detail : null));
  if (typeof message !== "string" || !message) return null;
  const place = typeof error === "object" ? (error.at ?? error.param) : null;
  return typeof place === "string" && place && !message.includes(place) ? `${message} (at ${place})` : message;
}
