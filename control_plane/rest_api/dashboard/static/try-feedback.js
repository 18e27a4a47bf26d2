// "Was that right?", by engine, for the accuracy of its releases. Nothing is shown until there is
// an answer to judge.

export function offerFeedback(answer) {}
